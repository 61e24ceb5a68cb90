package mojo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/mojosocket/mojo/internal/answers"
	internal "github.com/mojosocket/mojo/internal/cluster"
	"github.com/mojosocket/mojo/internal/cluster/relay"
	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
	"github.com/mojosocket/mojo/internal/parser"
)

// ErrClusterDown is returned for what reached the connections of this process
// alone, because the other processes cannot be reached.
var ErrClusterDown = internal.ErrDown

// UnconfirmedError is returned by LogIn, LogOut, Rebind, Revoke and
// RevokeExcept if other processes of the cluster did not confirm the change
// within two seconds, or before the context ended. The change stands: on this
// process, in the cookies, and wherever it was confirmed. It is sent again until
// the others have confirmed it or are dead. Use errors.As. It unwraps to
// ErrClusterDown while this process is isolated, and to the error of a context
// that has ended.
type UnconfirmedError struct {
	Nodes []string // the names of the processes, see Server.Nodes; empty: this process is isolated

	err error
}

// Error implements error.
func (e *UnconfirmedError) Error() string {
	if len(e.Nodes) == 0 {
		return "mojo: the change holds here, but no other process of the cluster can be reached to confirm it"
	}
	return "mojo: the change was not confirmed by the processes " + strings.Join(e.Nodes, ", ")
}

// Unwrap returns the cause.
func (e *UnconfirmedError) Unwrap() error { return e.err }

// IsolationPolicy says what happens to handshakes while a process cannot reach
// the others of its cluster.
type IsolationPolicy uint8

const (
	// ServeIsolated admits clients. A session that was revoked meanwhile on
	// another process is admitted until the process has joined again.
	ServeIsolated IsolationPolicy = iota
	// RefuseIsolated refuses handshakes with 503, so that clients try again
	// and a load balancer sends them elsewhere. Connections stay.
	RefuseIsolated
)

// minClusterKey is the least length of Options.ClusterKey.
const minClusterKey = 32

func (o *Options) checkCluster() error {
	switch {
	case o.Cluster == nil && o.ClusterKey != nil:
		return errors.New("mojo: Options.ClusterKey is set, but not Cluster")
	case o.Cluster == nil && o.OnIsolation != ServeIsolated:
		return errors.New("mojo: Options.OnIsolation is set, but not Cluster")
	case o.Cluster == nil && o.Advertise != "":
		return errors.New("mojo: Options.Advertise is set, but not Cluster")
	case o.OnIsolation > RefuseIsolated:
		return fmt.Errorf("mojo: Options.OnIsolation is %d; want ServeIsolated or RefuseIsolated", o.OnIsolation)
	case o.Cluster == nil:
		return nil
	case o.ClusterKey == nil && o.Cookies == nil:
		return errors.New("mojo: Options.Cluster is set, but neither Cookies nor ClusterKey; want a ClusterKey that all processes share")
	case o.Advertise != "" && !relay.IsAddress(o.Advertise):
		return fmt.Errorf("mojo: Options.Advertise is %q; want the address of this process for the others, as http://10.0.0.5:8080", o.Advertise)
	case o.ClusterKey != nil && len(o.ClusterKey) < minClusterKey:
		return fmt.Errorf("mojo: Options.ClusterKey has %d bytes; want at least %d random bytes", len(o.ClusterKey), minClusterKey)
	}
	return nil
}

// clusterConfig returns the configuration of this node, nil without
// Options.Cluster.
func (o *Options) clusterConfig() *internal.Config {
	if o.Cluster == nil {
		return nil
	}
	secrets := []seal.Secret{seal.NewSecret(o.ClusterKey)}
	if o.ClusterKey == nil {
		secrets = o.Cookies.secrets()
	}
	host, _ := os.Hostname() // an empty name is shown as such
	return &internal.Config{
		Bus: o.Cluster, Secrets: secrets, Log: o.Logger, Outbox: maxOutbox,
		Name: internal.NewName(), Info: wire.NodeInfo{Advertise: o.Advertise, Host: host, Version: version()},
	}
}

// maxOutbox bounds the bytes that wait to be sent to other processes.
const maxOutbox = 16 << 20

// version returns the version of this module in the running program, "" if it is
// not known.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	const path = "github.com/mojosocket/mojo"
	if info.Main.Path == path {
		return info.Main.Version
	}
	for _, dep := range info.Deps {
		if dep.Path == path {
			return dep.Version
		}
	}
	return ""
}

// Node is one process of a cluster, as this process knows it.
type Node struct {
	Name    string    // random, and another one after a restart
	Host    string    // the name of its machine
	Version string    // of mojo; empty if it is not known
	Self    bool      // whether it is this process
	Heard   time.Time // when its latest message arrived, here
}

// Nodes returns the processes of the cluster that are alive, this one first. It
// asks nobody: a process that dies is listed for another five seconds, and one
// that is isolated lists itself alone after that time. Without Options.Cluster
// the list is empty. The caller may change it.
func (s *Server) Nodes() []Node {
	node := s.sio.Node()
	if node == nil {
		return nil
	}
	var nodes []Node
	for _, m := range node.Members() {
		nodes = append(nodes, Node{Name: m.Node, Host: m.Host, Version: m.Version, Self: m.Node == node.Name(), Heard: m.Heard})
	}
	return nodes
}

// Notify sends a notification to the site's own code on the other processes of
// the cluster, to the functions that they have given OnNotify, for instance to
// make them drop what they have cached. This process does not get it, and
// without Options.Cluster nobody does. It never blocks: it returns nil when the
// notification is queued.
//
// A notification arrives at most once, and in the order of those of this
// process. The arguments are values for encoding/json, also a []byte, which
// becomes base64. Over mojoredis, Node servers get it, too, as that of
// io.serverSideEmit.
//
// It returns ErrReservedEvent for the names that Emit refuses and for connection
// and new_namespace, an error if an argument cannot be encoded, ErrServerClosed,
// and ErrClusterDown if the others cannot be reached.
func (s *Server) Notify(name string, args ...any) error {
	data, err := encodeNotification(name, args)
	if err != nil {
		return err
	}
	return wrapError(s.sio.Notify(data))
}

// NotifyWithAck is Notify for functions that answer, see OnNotifyCall. It does
// not wait for the answers, of which each process has one: see Answers. Answer.Err
// is ErrNoFunction if the process has no function of that name, and has the text
// of the error if the function returned one. If ctx has no deadline, the answers
// are waited for during Timeouts.AckTimeout.
func (s *Server) NotifyWithAck(ctx context.Context, name string, args ...any) (*Answers, error) {
	data, err := encodeNotification(name, args)
	if err != nil {
		return nil, err
	}
	c, err := s.sio.NotifyWithAck(ctx, data)
	if err != nil {
		return nil, wrapError(err)
	}
	return &Answers{c}, nil
}

func encodeNotification(name string, args []any) ([]byte, error) {
	if isReservedNotification(name) {
		return nil, fmt.Errorf("mojo: %w: %q", ErrReservedEvent, name)
	}
	payload, err := parser.EncodeValue(append([]any{name}, args...))
	return payload.JSON, wrapError(err)
}

// isReservedNotification reports whether a name has a meaning of its own for
// Node servers, or belongs to mojo.
func isReservedNotification(name string) bool {
	return parser.Reserved(name) || name == "connection" || name == "new_namespace"
}

// OnNotify makes fn get the notifications of this name that other processes send
// by Server.Notify. They have one argument, which is decoded into In; without an
// argument fn gets the zero value. fn is not called for one that does not decode,
// nor for one with more arguments. If the sender waits for an answer, it gets an
// empty one when fn returns nil. An error is logged.
//
// The functions of a Server are called one at a time, in the order in which the
// notifications of each process come, so they should return soon. If more than 16
// MiB of them wait, others are dropped. A panic is logged. Shutdown waits for a
// function that runs.
//
// Over mojoredis, fn also gets what Node servers send by io.serverSideEmit, and
// answers them. Between Servers a notification is sealed. That of a Node server is
// not: any program that can publish there can send it.
//
// OnNotify panics if the name has a function already, and for names that
// Server.Notify refuses. It may be called at any time, and from any goroutine.
func OnNotify[In any](s *Server, name string, fn func(in In) error) {
	s.onNotify(name, func(args parser.Args) ([]any, error) {
		var in In
		if err := decodeNotification(args, &in); err != nil {
			return nil, err
		}
		return nil, fn(in)
	})
}

// OnNotifyCall is OnNotify for a function with a result, which is the answer
// that Server.NotifyWithAck gets.
func OnNotifyCall[In, Out any](s *Server, name string, fn func(in In) (Out, error)) {
	s.onNotify(name, func(args parser.Args) ([]any, error) {
		var in In
		if err := decodeNotification(args, &in); err != nil {
			return nil, err
		}
		out, err := fn(in)
		return []any{out}, err
	})
}

func decodeNotification(args parser.Args, in any) error {
	switch args.Len() {
	case 0:
		return nil
	case 1:
		if err := args.Decode(0, in); err != nil {
			return fmt.Errorf("invalid argument: %w", err)
		}
		return nil
	}
	return fmt.Errorf("%d arguments, want at most 1", args.Len())
}

// onNotify registers a function that returns the arguments of an answer.
func (s *Server) onNotify(name string, fn func(args parser.Args) ([]any, error)) {
	if isReservedNotification(name) {
		panic(fmt.Sprintf("mojo: the name %q of a notification is reserved", name))
	}
	added := s.sio.OnNotify(name, func(args parser.Args) answers.Answer {
		results, err := fn(args)
		var payload parser.Payload
		if err == nil {
			payload, err = parser.EncodeValue(append([]any{}, results...))
		}
		if err != nil {
			s.handlerErrors.Add(1)
			s.opts.Logger.Error("mojo: a function for notifications returned an error", "name", name, "error", err)
			return answers.Answer{Outcome: answers.Failed, Payload: parser.Payload{JSON: []byte(err.Error())}}
		}
		return answers.Answer{Outcome: answers.Answered, Payload: payload}
	})
	if !added {
		panic(fmt.Sprintf("mojo: the notification %q has a function already", name))
	}
}
