package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mojosocket/mojo/internal/bench/servers"
)

// childEnv is set in the environment of a server. In tests, the executable is
// the test binary: there it makes TestMain call main.
const childEnv = "MOJO_BENCH_CHILD"

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options has the values of the flags.
type options struct {
	launch
	effort
	child     string
	servers   []string
	scenarios []*scenario
	clients   []int
	rounds    int
	base      string
	json      string
	million   bool
	sessions  int
	users     int
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	var serverList, scenarioList, clientList string
	f.StringVar(&serverList, "servers", "all", "`names` of servers, with commas between: "+strings.Join(serverNames, ", "))
	f.StringVar(&scenarioList, "scenarios", "all", "`names` of scenarios, or cluster for all whose names begin with it: "+scenarioNames())
	f.StringVar(&clientList, "n", "", "`numbers` of clients, in place of those of each scenario")
	f.IntVar(&o.rounds, "rounds", 5, "the number of rounds")
	f.DurationVar(&o.duration, "duration", 2*time.Second, "the time of a measurement, in scenarios that have no end of their own")
	f.DurationVar(&o.warmUp, "warmup", 500*time.Millisecond, "the time before a measurement for which the scenario runs without being measured")
	f.DurationVar(&o.idle, "idle", 25*time.Second, "the time for which idle connections are measured")
	f.IntVar(&o.parallel, "parallel", 256, "the number of clients that connect at a time")
	f.DurationVar(&o.heartbeat.Interval, "ping", 25*time.Second, "every server's ping `interval`")
	f.DurationVar(&o.heartbeat.Timeout, "pong", 20*time.Second, "every server's ping `timeout`")
	f.StringVar(&o.base, "base", "mojo", "print the ratios of this `server` to the others")
	f.StringVar(&o.json, "json", "", "also write all samples to this `file` as JSON; - is standard output")
	f.StringVar(&o.cpuProfile, "cpuprofile", "", "write CPU profiles of the servers in Go to this `folder`")
	f.StringVar(&o.memProfile, "memprofile", "", "write heap profiles of the servers in Go to this `folder`")
	f.BoolVar(&o.million, "million", false, "measure sessions without sockets, and no servers, see -sessions")
	f.IntVar(&o.sessions, "sessions", 1_000_000, "with -million, the number of sessions")
	f.IntVar(&o.users, "users", 300_000, "with -million, the number of their users")
	f.StringVar(&o.redis, "redis", "", "with -child, the `address` of the Redis that connects the server to others")
	f.StringVar(&o.child, "child", "", "run this server; only the command itself uses this flag")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	var err error
	if o.servers, err = choose(serverList, serverNames, func(s string) string { return s }); err != nil {
		return nil, err
	}
	if o.scenarios, err = chooseScenarios(scenarioList); err != nil {
		return nil, err
	}
	if !slices.Contains(o.servers, o.base) {
		o.base = o.servers[0]
	}
	if clientList != "" {
		for text := range strings.SplitSeq(clientList, ",") {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return nil, fmt.Errorf("-n: %q is not a number of clients", text)
			}
			o.clients = append(o.clients, n)
		}
	}
	return o, nil
}

func scenarioNames() string {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

func run(args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	switch {
	case o.child != "":
		return child(o.child, servers.Config{Heartbeat: o.heartbeat, Redis: o.redis}, o.cpuProfile, o.memProfile)
	case o.million:
		return million(o, out)
	}
	r, err := o.measureAll()
	if err != nil {
		return err
	}
	r.table(out)
	return o.writeJSON(r, out)
}

func (o *options) writeJSON(r *results, out io.Writer) error {
	if o.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if o.json == "-" {
		_, err = out.Write(text)
		return err
	}
	return os.WriteFile(o.json, text, 0o644)
}

// measureAll runs all rounds. In a round, the servers run each scenario one
// after another. Each round begins with another server, so that a machine whose
// speed changes affects all servers equally.
func (o *options) measureAll() (*results, error) {
	files, err := raiseFileLimit()
	if err != nil {
		return nil, err
	}
	r := &results{Machine: thisMachine(files), Servers: o.servers, Base: o.base, Rounds: o.rounds}
	for _, sc := range o.scenarios {
		clients := sc.clients
		if o.clients != nil {
			clients = o.clients
		}
		for _, n := range clients {
			r.Cells = append(r.Cells, &cell{Scenario: sc.name, Clients: n, Samples: make(map[string][]sample), scenario: sc})
		}
	}
	for round := range o.rounds {
		for _, c := range r.Cells {
			for i := range o.servers {
				server := o.servers[(i+round)%len(o.servers)]
				if !c.scenario.cannot(server) {
					o.measureOne(r, c, server, round)
				}
			}
		}
	}
	r.summarize()
	return r, nil
}

func (o *options) measureOne(r *results, c *cell, server string, round int) {
	name := fmt.Sprintf("%s-%s-%d", c.Scenario, server, c.Clients)
	l := o.launch
	for _, path := range []*string{&l.cpuProfile, &l.memProfile} {
		if *path != "" {
			*path = filepath.Join(*path, fmt.Sprintf("%s-%d", name, round+1))
		}
	}
	if l.cpuProfile != "" {
		l.cpuProfile += ".cpu"
	}
	if l.memProfile != "" {
		l.memProfile += ".mem"
	}
	if server == nodeServer {
		l.cpuProfile, l.memProfile = "", ""
	}
	s, err := measure(&l, o.effort, server, c.scenario, c.Clients)
	if err != nil {
		r.Problems = append(r.Problems, fmt.Sprintf("round %d, %s: %v", round+1, name, err))
		s = nil
	}
	c.Samples[server] = append(c.Samples[server], s)
	fmt.Fprintf(os.Stderr, "round %d of %d, %s: %s\n", round+1, o.rounds, name, describe(s, err))
}

// describe returns a sample as one line.
func describe(s sample, err error) string {
	if err != nil {
		return err.Error()
	}
	var parts []string
	for metric := range s {
		parts = append(parts, metric+" "+figure(s, metric))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
