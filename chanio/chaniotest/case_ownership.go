package chaniotest

import "github.com/stretchr/testify/require"

func ownershipCases[T any]() []suiteCase[T] {
	return []suiteCase[T]{
		{"G12-what-was-received-stays", 0, receivedStays[T]},
		{"G12-what-was-received-is-nobody-elses", memory, receivedIsOwned[T]},
		{"G12-what-was-sent-is-free", memory, sentIsFree[T]},
	}
}

func receivedStays[T any](r *run[T]) {
	r.connect()
	sent := r.sending(r.near, upTo(0, many)...)
	var values []T
	var prints []uint64
	for n := 0; n < many*r.s.unit; {
		v, err := r.far.In.Recv(r.ctx)
		require.NoError(r, err)
		n += r.s.size(v)
		values, prints = append(values, v), append(prints, r.s.fingerprint(v))
	}
	require.NoError(r, sent.wait(r))
	for i, v := range values {
		require.Equal(r, prints[i], r.s.fingerprint(v), "value %d was overwritten", i)
	}
}

// receivedIsOwned overwrites each received value, up to its capacity.
func receivedIsOwned[T any](r *run[T]) {
	r.connect()
	sent := r.sending(r.near, upTo(0, many)...)
	var got []int
	for len(got) < many {
		v, err := r.far.In.Recv(r.ctx)
		require.NoError(r, err)
		got = append(got, r.far.numbers(v)...)
		r.s.scribble(v)
	}
	require.NoError(r, sent.wait(r))
	require.Equal(r, upTo(0, many), got)
}

// sentIsFree overwrites each value after Send has returned.
func sentIsFree[T any](r *run[T]) {
	r.connect()
	sent := start(func() error {
		for i := range many {
			v := r.s.make(i)
			if err := r.near.Out.Send(r.ctx, v); err != nil {
				return err
			}
			r.s.scribble(v)
		}
		return nil
	})
	require.Equal(r, upTo(0, many), r.take(r.far, many))
	require.NoError(r, sent.wait(r))
}
