package stream

import "slices"

// Funcs is a list of functions that can be removed, from the last one on. Its user locks it. The zero Funcs is empty.
type Funcs[F any] struct{ last *Func[F] }

// Func is a function in a [Funcs].
type Func[F any] struct {
	f      F
	before *Func[F]
}

// Add adds f behind the others.
func (fs *Funcs[F]) Add(f F) *Func[F] {
	fs.last = &Func[F]{f, fs.last}
	return fs.last
}

// Remove removes one and reports whether it was there.
func (fs *Funcs[F]) Remove(one *Func[F]) bool {
	for at := &fs.last; *at != nil; at = &(*at).before {
		if *at == one {
			*at = one.before
			return true
		}
	}
	return false
}

// All returns the functions in the order in which they were added.
func (fs *Funcs[F]) All() (all []F) {
	for one := fs.last; one != nil; one = one.before {
		all = append(all, one.f)
	}
	slices.Reverse(all)
	return all
}
