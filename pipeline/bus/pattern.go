package bus

import (
	"fmt"
	"strings"
)

// Wildcard returns a predicate for topics of words joined by dots, like NATS subjects: "*" in the pattern matches any
// one word, and ">" at its end matches one or more words. It panics if a word of the pattern is empty or mixes a
// wildcard with other characters, or if something follows ">".
func Wildcard(pattern string) func(topic string) bool {
	words := strings.Split(pattern, ".")
	for i, w := range words {
		mixed := len(w) > 1 && strings.ContainsAny(w, "*>")
		if w == "" || mixed || w == ">" && i < len(words)-1 {
			panic(fmt.Sprintf("bus: Wildcard: invalid pattern %q", pattern))
		}
	}
	return func(topic string) bool {
		for i, want := range words {
			if want == ">" {
				return topic != ""
			}
			word, rest, more := strings.Cut(topic, ".")
			if want != "*" && want != word || word == "" || more != (i < len(words)-1) {
				return false
			}
			topic = rest
		}
		return true
	}
}
