// Package reports contains only tests: public bug reports of comparable libraries, reproduced with ours. Each test
// names its report.
package reports
