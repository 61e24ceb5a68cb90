package mojoredis

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/warn"
)

// ErrTooLarge is the error of a message that is larger than MaxMessage.
var ErrTooLarge = errors.New("mojoredis: message is larger than MaxMessage")

// errAnswer is the error of an answer that is larger than MaxAnswer.
var errAnswer = errors.New("mojoredis: answer is larger than MaxAnswer")

var errClosed = errors.New("mojoredis: the link is closed")

// Options are the options of a Bus. The zero value is ready to use.
type Options struct {
	// Key is the prefix of all channels, as the option key of
	// @socket.io/redis-adapter. All servers and emitters of a cluster must have
	// the same. It must not contain "#". The default is "socket.io".
	Key string

	// MaxMessage is the greatest size of a message in bytes, as it is published.
	// Publish returns ErrTooLarge for a larger one, and publishes the others.
	// Redis disconnects subscribers that are some messages of many megabytes
	// behind (client-output-buffer-limit). The default is 1 MiB.
	MaxMessage int

	// MaxAnswer is the greatest size in bytes of an answer to another server, as
	// to fetchSockets of a Node server. It cannot be divided, and has about 1 KiB
	// for each connection. A larger one is not published, so that the other
	// server waits in vain and returns an error. The default is 8 MiB.
	MaxAnswer int

	// Ping is the interval at which a node tests its connections, by a PING and
	// by a message to itself. It makes new connections if nothing arrives for
	// two intervals, or if the message does not. The default is 3 s.
	Ping time.Duration

	// Timeout is how long Redis may take to accept a connection, to confirm
	// subscriptions, or to accept what is published. The default is 3 s.
	Timeout time.Duration

	// Logger gets the messages for developers and operators. The default is
	// slog.Default().
	Logger *slog.Logger
}

// Bus is a cluster.Bus over Redis. Make it with New. It is safe for concurrent
// use, and may be opened by several Servers.
type Bus struct {
	client   redis.UniversalClient
	options  Options
	channels channels
	log      *incidents
}

var _ cluster.Bus = (*Bus)(nil)

// New returns a Bus for the server that a client is connected to: a single Redis,
// one that Sentinel watches, or a Redis Cluster. The client is one of
// redis.NewClient, NewFailoverClient, NewClusterClient or NewUniversalClient.
//
// The Bus only uses the client to make connections like the client's: two for
// each Server. Their timeouts are those of Options. The hooks of the client are
// not called. The client must not be closed while the Bus is open.
func New(client redis.UniversalClient, options Options) *Bus {
	if options.Key == "" {
		options.Key = defaultKey
	}
	if options.MaxMessage <= 0 {
		options.MaxMessage = defaultMaxMessage
	}
	if options.MaxAnswer <= 0 {
		options.MaxAnswer = defaultMaxAnswer
	}
	if options.Ping <= 0 {
		options.Ping = 3 * time.Second
	}
	if options.Timeout <= 0 {
		options.Timeout = 3 * time.Second
	}
	return &Bus{client: client, options: options, channels: newChannels(options.Key), log: &incidents{log: warn.New(options.Logger)}}
}

const (
	defaultKey        = "socket.io"
	defaultMaxMessage = 1 << 20
	defaultMaxAnswer  = 8 << 20
)

// Open connects a node. It implements cluster.Bus.
func (b *Bus) Open(name string, n cluster.Node) (cluster.Link, error) {
	if err := cluster.CheckName(name); err != nil {
		return nil, fmt.Errorf("mojoredis: %w", err)
	}
	if n == nil {
		return nil, errors.New("mojoredis: the node is nil")
	}
	if err := checkKey(b.options.Key); err != nil {
		return nil, err
	}
	if err := checkClient(b.client); err != nil {
		return nil, err
	}
	return newLink(b, name, n), nil
}

// Stats are counters of a Bus, of all its nodes together.
type Stats struct {
	Disconnects uint64 // connections to Redis that were lost, or could not be made
	Malformed   uint64 // messages that were received and are not what they should be
	TooLarge    uint64 // messages that were not published, because of MaxMessage
	Unanswered  uint64 // questions of other servers whose answer was not published
}

// Stats returns the counters.
func (b *Bus) Stats() Stats {
	return Stats{
		Disconnects: b.log.count(disconnected),
		Malformed:   b.log.count(malformed),
		TooLarge:    b.log.count(tooLarge),
		Unanswered:  b.log.count(unanswered),
	}
}

func checkKey(key string) error {
	if strings.Contains(key, "#") {
		return fmt.Errorf(`mojoredis: Key is %q, must not contain "#"`, key)
	}
	return nil
}
