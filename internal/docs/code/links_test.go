package code

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// For each link to a file of this repository the file exists, and the heading,
// if the link names one.
func TestLinksOfPages(t *testing.T) {
	found := 0
	for _, pattern := range []string{"/*.md", "/docs/*.md", "/docs/decisions/*.md"} {
		pages, err := filepath.Glob(root + pattern)
		require.NoError(t, err)
		require.NotEmpty(t, pages)
		for _, page := range pages {
			text, err := os.ReadFile(page)
			require.NoError(t, err)
			for _, match := range link.FindAllStringSubmatch(string(text), -1) {
				if strings.Contains(match[1], "://") {
					continue
				}
				found++
				path, anchor, _ := strings.Cut(match[1], "#")
				target := page
				if path != "" {
					target = filepath.Join(filepath.Dir(page), path)
				}
				require.FileExists(t, target+suffix(target), "%s links to %s", page, match[1])
				if anchor != "" {
					require.Contains(t, anchors(t, target), anchor, "%s links to %s", page, match[1])
				}
			}
		}
	}
	require.Greater(t, found, 20)
}

// suffix returns "" for a file. For a folder it returns the path of an entry,
// because FileExists refuses folders.
func suffix(path string) string {
	entries, err := os.ReadDir(path)
	if err != nil || len(entries) == 0 {
		return ""
	}
	return "/" + entries[0].Name()
}

var notInAnchor = regexp.MustCompile(`[^a-z0-9 _-]`)

// anchors returns the anchors of the headings of a page.
func anchors(t *testing.T, page string) (names []string) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if level, heading, isHeading := strings.Cut(strings.TrimSpace(line), " "); isHeading && strings.Trim(level, "#") == "" {
			name := notInAnchor.ReplaceAllString(strings.ToLower(heading), "")
			names = append(names, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return names
}
