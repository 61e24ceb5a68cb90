package siotest

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// failureRecorder is a testing.TB whose failures do not fail the test.
type failureRecorder struct {
	testing.TB
	text string
}

func (f *failureRecorder) Fatalf(format string, args ...any) {
	f.text += fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (f *failureRecorder) Errorf(format string, args ...any) { f.text += fmt.Sprintf(format, args...) }
func (f *failureRecorder) FailNow()                          { runtime.Goexit() }

// An expectation that is not met fails the test within Limit, and the failure
// says why.
func TestExpectationsCanFail(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(c *Client, s *Socket)
		want string
	}{
		"no event":          {func(_ *Client, s *Socket) { s.Next() }, "no event came on /chat"},
		"no message":        {func(c *Client, _ *Socket) { c.Engine.Next() }, "no message came"},
		"no connect answer": {func(c *Client, _ *Socket) { c.AwaitConnect("/chat") }, "no answer to CONNECT /chat"},
		"not closed":        {func(c *Client, _ *Socket) { c.Engine.AwaitClosed() }, "did not end"},
		"still connected":   {func(_ *Client, s *Socket) { s.AwaitDisconnected() }, "was not disconnected"},
		"no ping":           {func(c *Client, _ *Socket) { c.Engine.NextPing() }, "no ping came"},
		"refused":           {func(c *Client, _ *Socket) { c.Connect("/refused", nil) }, "/refused was refused: no"},
		"reply without id":  {func(_ *Client, s *Socket) { s.Emit("echo"); s.Next().Reply() }, "no ack was asked for"},
		"another event":     {func(_ *Client, s *Socket) { s.Emit("echo", 1); s.Expect("other", 1) }, "got  \"echo\" [1]\nwant \"other\" [1]"},
		"other arguments":   {func(_ *Client, s *Socket) { s.Emit("echo", 1); s.Expect("echo", 2) }, "got  \"echo\" [1]\nwant \"echo\" [2]"},
		"other attachments": {func(_ *Client, s *Socket) { s.Emit("echo", []byte{1}); s.Expect("echo", []byte{2}) }, `with the attachments ["\x02"]`},
		"unexpected event":  {func(_ *Client, s *Socket) { s.Emit("echo", "x"); s.ExpectNothing() }, `nothing was expected on /chat, but there is "echo" ["x"]`},
		"no such argument":  {func(_ *Client, s *Socket) { s.Emit("echo"); s.Next().Text(0) }, "there is no argument 0"},
		"dropped": {func(c *Client, s *Socket) {
			a := s.Ask("echo")
			a.Wait()
			c.Engine.Drop()
			s.Call("echo")
		}, "the socket ended: client drop"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &failureRecorder{TB: t}
				client := Dial(f, Serve(t, Memory, &fakeServer{}), Options{Transport: "websocket"})
				socket := client.Connect("/chat", nil)
				start, done := time.Now(), make(chan struct{})
				go func() {
					defer close(done)
					c.act(client, socket)
				}()
				<-done
				require.Contains(t, f.text, c.want)
				require.LessOrEqual(t, time.Since(start), client.Engine.pollLimit())
			})
		})
	}
}
