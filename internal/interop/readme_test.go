package interop_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// README names exactly the releases of socket.io-client that TestClients runs.
func TestREADMENamesTheTestedClients(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(text), "\n## Clients\n")
	section, _, _ = strings.Cut(section, "\n## ")
	release := regexp.MustCompile(`\b\d+\.\d+\b`)
	row := regexp.MustCompile(`(?m)^\| socket\.io-client (\d+)\.x \|(.*)\|$`)
	var named []string
	for _, match := range row.FindAllStringSubmatch(section, -1) {
		for _, version := range release.FindAllString(match[2], -1) {
			require.True(t, strings.HasPrefix(version, match[1]+"."), match[0])
			named = append(named, "client-"+version)
		}
	}
	var tested []string
	for _, c := range clients {
		tested = append(tested, c.name)
	}
	require.ElementsMatch(t, tested, named)
}

// The name of a client under test is the release that package.json installs.
func TestClientsAreThoseOfPackageJSON(t *testing.T) {
	text, err := os.ReadFile("package.json")
	require.NoError(t, err)
	var file struct{ Dependencies map[string]string }
	require.NoError(t, json.Unmarshal(text, &file))
	for _, c := range clients {
		version, found := strings.CutPrefix(file.Dependencies[c.module], "npm:socket.io-client@")
		require.True(t, found, c.module)
		require.True(t, strings.HasPrefix(version, strings.TrimPrefix(c.name, "client-")+"."), "%s is %s", c.name, version)
	}
}
