package processes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/rpc"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/mojoredis"
)

// nodeVariable is the environment variable that makes the test binary a node. It
// has a Config as JSON.
const nodeVariable = "MOJO_PROCESSES_NODE"

// Config says what a node needs to know.
type Config struct {
	Redis  string // the address of the broker
	Key    string // see mojoredis.Options
	Listen string // the address to listen at; empty: any of the loopback interface
	Grace  time.Duration
	Secret string // the key of another cluster; empty: that of the cookies
}

// child is the node in its process.
type child struct {
	*mojo.Server
	address string
	bus     *mojoredis.Bus
	cookies *mojo.Cookies
	chat    *mojo.Channel
	app     *app
}

// runNode is the main function of a node. It returns the exit code of the
// process.
func runNode(config string) int {
	var c Config
	err := json.Unmarshal([]byte(config), &c)
	if err == nil {
		err = serveNode(&c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		return 1
	}
	return 0
}

// serveNode serves until it gets SIGTERM. Then it shuts down as a site does. If
// the test has ended, it ends at once.
func serveNode(c *Config) error {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	listener, err := listen(c.Listen)
	if err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: c.Redis})
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{e2e.Key}, MaxAge: e2e.MaxAge})
	if err != nil {
		return err
	}
	n := &child{address: listener.Addr().String(), cookies: cookies, app: newApp()}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	n.bus = mojoredis.New(client, mojoredis.Options{Key: c.Key, Logger: logger})
	var key []byte
	if c.Secret != "" {
		key = []byte(c.Secret)
	}
	n.Server, err = mojo.New(mojo.Options{
		ClusterKey: key,
		Cookies:    cookies, Cluster: n.bus, Advertise: "http://" + n.address, OnPresence: n.app.notePresence, Logger: logger,
		Timeouts: mojo.Timeouts{PresenceGrace: c.Grace, PingInterval: 5 * time.Second, PingTimeout: 40 * time.Second},
	})
	if err != nil {
		return err
	}
	if n.chat, err = n.Register("Chat", n.app); err != nil {
		return err
	}
	site := &http.Server{Handler: n.Server}
	served := make(chan error, 1)
	go func() { served <- site.Serve(listener) }()
	calls := rpc.NewServer()
	if err := calls.RegisterName("Node", &Node{n}); err != nil {
		return err
	}
	go func() {
		calls.ServeConn(pipes{os.Stdin, os.Stdout})
		os.Exit(2) // the test has ended
	}()
	<-terminated
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := n.Shutdown(ctx); err != nil {
		return err
	}
	if err := site.Shutdown(ctx); err != nil {
		return err
	}
	<-served
	if err := client.Close(); err != nil {
		return err
	}
	return goleak.Find(goleak.IgnoreAnyFunction("net/rpc.(*Server).ServeCodec"), goleak.IgnoreAnyFunction(siotest.Lingering))
}

// listen is net.Listen, but waits until the system has the address.
func listen(address string) (listener net.Listener, err error) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); <-ticker.C {
		if listener, err = net.Listen("tcp", address); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			break
		}
	}
	return listener, err
}

// pipes is the connection between a test and a node.
type pipes struct{ in, out *os.File }

func (p pipes) Read(b []byte) (int, error)  { return p.in.Read(b) }
func (p pipes) Write(b []byte) (int, error) { return p.out.Write(b) }

func (p pipes) Close() error { return p.out.Close() }
