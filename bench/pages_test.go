package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/suite"
)

// quoted finds the patterns of groups on a page.
var quoted = regexp.MustCompile(`(-full )?(?:-run )?'(\^[^$'][^']*)'`)

// Each command of a page that measures something still measures it.
func TestPatternsOnThePagesMatchGroups(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	usual, all := groups(&suite.Field{}, false), groups(&suite.Field{}, true)
	seen := 0
	for _, page := range append(pages, "README.md", "../README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
			seen++
			among := usual
			if m[1] != "" {
				among = all
			}
			pattern := regexp.MustCompile(m[2])
			require.True(t, slices.ContainsFunc(among, func(g suite.Group) bool { return pattern.MatchString(g.Name) }), "%s: %s", page, m[0])
		}
	}
	require.Greater(t, seen, 15)
}
