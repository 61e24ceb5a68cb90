package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	require.Equal(t, 2.0, median([]float64{3, 1, 2}))
	require.Equal(t, 2.5, median([]float64{4, 1, 2, 3}))
	require.Equal(t, 7.0, median([]float64{7}))
}

// TestRatiosAreWithinRounds: a machine that gets slower from round to round
// does not change the ratios. A round that failed does not count.
func TestRatiosAreWithinRounds(t *testing.T) {
	sc := &scenario{name: "s", about: "about s", metrics: []metric{{"cpu", "cpu in µs"}}}
	c := &cell{Scenario: "s", Clients: 10, scenario: sc, Samples: map[string][]sample{
		"mojo":  {{"cpu": 1}, {"cpu": 2}, {"cpu": 40}, nil},
		"other": {{"cpu": 2}, {"cpu": 4}, {"cpu": 80}, {"cpu": 1}},
		"none":  {nil, nil, nil, nil},
	}}
	r := &results{Servers: []string{"mojo", "other", "none"}, Base: "mojo", Rounds: 4, Cells: []*cell{c}}
	r.summarize()
	require.Equal(t, 2.0, c.Medians["mojo"]["cpu"])
	require.Equal(t, 3.0, c.Medians["other"]["cpu"])
	require.Equal(t, 0.5, c.Ratios["other"]["cpu"])
	require.Empty(t, c.Medians["none"])

	var out strings.Builder
	r.table(&out)
	require.Contains(t, out.String(), "## s: about s\n\ncpu in µs\n\n"+
		"| clients | mojo | other | none | mojo/other | mojo/none |\n"+
		"|--------:|-----:|------:|-----:|-----------:|----------:|\n"+
		"|      10 | 2.00 |  3.00 |      |       0.50 |           |\n")
}

// TestTablesHaveServersThatCan: a table has no columns for servers that cannot
// run its scenario.
func TestTablesHaveServersThatCan(t *testing.T) {
	sc := &scenario{name: "s", metrics: []metric{{"cpu", "cpu in µs"}}, without: []string{"other"}}
	c := &cell{Scenario: "s", Clients: 10, scenario: sc, Samples: map[string][]sample{"mojo": {{"cpu": 1}}}}
	r := &results{Servers: []string{"mojo", "other", aloneServer}, Base: "mojo", Rounds: 1, Cells: []*cell{c}}
	r.summarize()
	var out strings.Builder
	r.table(&out)
	require.Contains(t, out.String(), "| clients | mojo |\n")
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"-servers", "node,mojo", "-scenarios", "echo,fanout1", "-n", "10,20", "-base", "bare"})
	require.NoError(t, err)
	require.Equal(t, []string{"mojo", "node"}, o.servers)
	require.Equal(t, "fanout1", o.scenarios[0].name)
	require.Len(t, o.scenarios, 2)
	require.Equal(t, []int{10, 20}, o.clients)
	require.Equal(t, "mojo", o.base, "bare is not measured")
	o, err = parse([]string{"-scenarios", "echo,cluster"})
	require.NoError(t, err)
	require.Equal(t, "echo", o.scenarios[0].name)
	require.Greater(t, len(o.scenarios), 2)
	for _, s := range o.scenarios[1:] {
		require.Positive(t, s.nodes, s.name)
	}
	for _, args := range []string{"-servers none", "-scenarios none", "-n 0", "-n x", "more"} {
		_, err := parse(strings.Fields(args))
		require.Error(t, err, args)
	}
}
