package report

import "io"

// Markdown writes.
func (r Report) Markdown(w io.Writer) error { return nil }

// HTML writes.
func (r Report) HTML(w io.Writer) error { return nil }
