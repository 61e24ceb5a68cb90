package mojonats

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/mojosocket/mojo/cluster"
)

// ErrTooLarge is the error of a message that is larger than MaxMessage.
var ErrTooLarge = errors.New("mojonats: message is larger than Options.MaxMessage")

var (
	errClosed = errors.New("mojonats: the link is closed")
	errDown   = errors.New("mojonats: there is no connection to NATS")
)

// Options are the options of a Bus. The zero value is ready to use.
type Options struct {
	// Prefix begins the subjects of the cluster. All its Servers must have the
	// same: words of letters, digits, "-" and "_", with dots between them. It must
	// not be the beginning of another cluster's. The default is "mojo".
	Prefix string

	// MaxMessage is the greatest size of a message in bytes. Publish returns
	// ErrTooLarge for a larger one, and publishes the others. Messages that are
	// larger than what the server takes at once (max_payload, by default 1 MB)
	// are sent in pieces. All Servers must have the same. The default is 16 MiB.
	MaxMessage int

	// MaxPending is how many bytes of messages may wait until this Server has
	// taken them. What arrives then is dropped, and the Server is told that
	// messages were lost. The default is 64 MiB.
	MaxPending int

	// Ping is the interval at which the connection is tested. It is made anew
	// if two tests have no answer. The default is 3 s.
	Ping time.Duration

	// Timeout is how long a server may take to accept a connection, to confirm
	// subscriptions, or to accept what is published. The default is 3 s.
	Timeout time.Duration

	// Logger gets the messages for developers and operators. The default is
	// slog.Default().
	Logger *slog.Logger
}

// Bus is a cluster.Bus over NATS. Make it with New. It is safe for concurrent
// use, and may be opened by several Servers.
type Bus struct {
	nats     nats.Options // of the connections
	err      error        // of Open; nil if there is none
	options  Options
	subjects subjects
	log      *incidents
}

var _ cluster.Bus = (*Bus)(nil)

// New returns a Bus for the servers that a connection leads to.
//
// The Bus makes connections like this one, with its servers, credentials, TLS
// and dialer: one for each Server. It does not use conn itself, which stays the
// site's: its handlers, its subscriptions and what it keeps for later while it
// reconnects have other rules than a Bus has. The timeouts are those of Options.
func New(conn *nats.Conn, options Options) *Bus {
	if options.Prefix == "" {
		options.Prefix = "mojo"
	}
	if options.MaxMessage <= 0 {
		options.MaxMessage = 16 << 20
	}
	if options.MaxPending <= 0 {
		options.MaxPending = 64 << 20
	}
	if options.Ping <= 0 {
		options.Ping = 3 * time.Second
	}
	if options.Timeout <= 0 {
		options.Timeout = 3 * time.Second
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	b := &Bus{options: options, subjects: subjects{options.Prefix}, log: &incidents{logger: options.Logger}}
	if b.err = checkPrefix(options.Prefix); b.err != nil {
		return b
	}
	if conn == nil {
		b.err = errors.New("mojonats: the connection is nil")
		return b
	}
	b.nats = conn.Opts
	b.nats.Servers = slices.Clone(b.nats.Servers)
	return b
}

// Open connects a node. It implements cluster.Bus.
func (b *Bus) Open(name string, n cluster.Node) (cluster.Link, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if n == nil {
		return nil, errors.New("mojonats: the node is nil")
	}
	if b.err != nil {
		return nil, b.err
	}
	return newLink(b, name, n), nil
}

// Stats are counters of a Bus, of all its nodes together.
type Stats struct {
	Disconnects uint64 // connections to NATS that were lost, or could not be made
	Malformed   uint64 // messages that were received and are not what they should be
	TooLarge    uint64 // messages that were not published, because of MaxMessage
	Lost        uint64 // how often messages to a node were lost while it was connected
}

// Stats returns the counters.
func (b *Bus) Stats() Stats {
	return Stats{
		Disconnects: b.log.count(disconnected),
		Malformed:   b.log.count(malformed),
		TooLarge:    b.log.count(tooLarge),
		Lost:        b.log.count(lost),
	}
}

// maxName is the greatest length of a node's name.
const maxName = 64

// checkName returns an error if a name is not what cluster.Bus.Open takes.
func checkName(name string) error {
	ok := name != "" && len(name) <= maxName
	for _, c := range []byte(name) {
		ok = ok && isTokenByte(c) && c != '-' && c != '_'
	}
	if !ok {
		return fmt.Errorf("mojonats: the name of a node is %q, must be 1 to %d ASCII letters and digits", name, maxName)
	}
	return nil
}
