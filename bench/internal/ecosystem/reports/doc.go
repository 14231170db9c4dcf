// Package reports has no code but tests: public bug reports of comparable libraries, rebuilt against ours. Each names the
// report that it is made from.
package reports
