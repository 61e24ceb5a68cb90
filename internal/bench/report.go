package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// results has everything that a run has measured.
type results struct {
	Machine  machine  `json:"machine"`
	Servers  []string `json:"servers"`
	Base     string   `json:"base"`
	Rounds   int      `json:"rounds"`
	Cells    []*cell  `json:"cells"`
	Problems []string `json:"problems,omitempty"`
}

// cell is one scenario with one number of clients.
type cell struct {
	Scenario string `json:"scenario"`
	Clients  int    `json:"clients"`
	// Samples has the samples of each server, one for each round. The sample of
	// a round that failed is nil.
	Samples map[string][]sample `json:"samples"`
	// Medians has the medians of each server.
	Medians map[string]sample `json:"medians"`
	// Ratios has the ratios of the base server to each other server: the
	// medians of the ratios of the rounds.
	Ratios map[string]sample `json:"ratios"`

	scenario *scenario
}

// summarize computes medians and ratios.
func (r *results) summarize() {
	for _, c := range r.Cells {
		c.Medians, c.Ratios = make(map[string]sample), make(map[string]sample)
		for server, samples := range c.Samples {
			c.Medians[server] = medians(samples, func(round int, metric string) float64 { return samples[round][metric] })
			if server == r.Base {
				continue
			}
			base := c.Samples[r.Base]
			c.Ratios[server] = medians(samples, func(round int, metric string) float64 {
				if round >= len(base) || base[round] == nil {
					return math.NaN()
				}
				return base[round][metric] / samples[round][metric]
			})
		}
	}
}

// medians returns, for each metric, the median of a value over all rounds.
func medians(samples []sample, value func(round int, metric string) float64) sample {
	all := make(map[string][]float64)
	for round, s := range samples {
		for metric := range s {
			if v := value(round, metric); !math.IsNaN(v) && !math.IsInf(v, 0) {
				all[metric] = append(all[metric], v)
			}
		}
	}
	result := make(sample)
	for metric, values := range all {
		result[metric] = median(values)
	}
	return result
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// table writes the medians, and the ratios of the base server to each other
// server, as tables in Markdown.
func (r *results) table(w io.Writer) {
	fmt.Fprintf(w, "%s\nMedians of %d rounds; ratios are medians of the ratios within a round.\n", r.Machine, r.Rounds)
	for i, c := range r.Cells {
		if i > 0 && r.Cells[i-1].scenario == c.scenario {
			continue
		}
		fmt.Fprintf(w, "\n## %s: %s\n", c.Scenario, c.scenario.about)
		for _, m := range c.scenario.metrics {
			fmt.Fprintf(w, "\n%s\n\n", m.about)
			r.metricTable(w, c.scenario, m.name)
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "\nproblem: %s", p)
	}
	fmt.Fprintln(w)
}

func (r *results) metricTable(w io.Writer, sc *scenario, metric string) {
	servers := slices.DeleteFunc(slices.Clone(r.Servers), sc.cannot)
	head := append([]string{"clients"}, servers...)
	for _, s := range servers {
		if s != r.Base {
			head = append(head, r.Base+"/"+s)
		}
	}
	rows := [][]string{head}
	for _, c := range r.Cells {
		if c.scenario != sc {
			continue
		}
		row := []string{fmt.Sprint(c.Clients)}
		for _, s := range servers {
			row = append(row, figure(c.Medians[s], metric))
		}
		for _, s := range servers {
			if s != r.Base {
				row = append(row, figure(c.Ratios[s], metric))
			}
		}
		rows = append(rows, row)
	}
	writeRows(w, rows)
}

// figure returns a metric of a sample with three significant digits, or "" if
// the sample does not have it.
func figure(s sample, metric string) string {
	v, ok := s[metric]
	switch {
	case !ok:
		return ""
	case v == 0:
		return "0"
	case math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func writeRows(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	for i, row := range rows {
		for j, text := range row {
			fmt.Fprintf(w, "| %*s ", widths[j], text)
		}
		fmt.Fprintln(w, "|")
		if i == 0 {
			for _, n := range widths {
				fmt.Fprintf(w, "|%s:", strings.Repeat("-", n+1))
			}
			fmt.Fprintln(w, "|")
		}
	}
}
