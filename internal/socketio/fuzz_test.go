package socketio

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/parser"
)

// FuzzMessages sends messages on a connection that is connected to "/" and
// "/a": one for each line, and a line that begins with "b" is binary. No
// handler panics or gets a reserved event or an argument that cannot be
// decoded. After that the connection works, or was closed because of a parse
// error.
func FuzzMessages(f *testing.F) {
	for _, lines := range []string{
		"2[\"e\"]\n21[\"e\",{\"a\":[1]}]\n2/a,7[\"e\"]",
		"52-[\"e\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]\nbone\nb",
		"51-/a,3[\"e\",[{\"_placeholder\":true,\"num\":0}]]\nbx\n2[\"e\"]",
		"51-[\"e\",{\"_placeholder\":true,\"num\":\"0\"}]\nbx",
		"52-[\"e\"]\nbx\n2[\"e\"]",
		"bx", "61-1[{\"_placeholder\":true,\"num\":0}]\nbx", "31[]\n30[\"x\"]", "1\n2[\"e\"]\n0\n2[\"e\"]", "0/a,{\"t\":1}\n1/a,\n2/a,[\"e\"]\n51-/a,[\"e\"]\nbx",
		"0/none\n0/none,{}\n2/none,[\"e\"]", "2[\"connect\"]", "2[\"disconnect\"]", "4{}", "2[[]]", "511-[\"e\"]", "2[1e3,null]", "2/a,[\"\\u0065\"]",
	} {
		f.Add(lines)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		if strings.Contains(lines, "\x1e") || strings.ToValidUTF8(lines, "") != lines {
			t.Skip("the engine splits or refuses these")
		}
		texts, missing := 0, 0
		inOrder := true // each header is followed by its attachments, and no other attachment is sent
		packets := strings.Split(lines, "\n")
		for i, line := range packets {
			if data, binary := strings.CutPrefix(line, "b"); binary {
				packets[i] = "b" + base64.StdEncoding.EncodeToString([]byte(data))
				missing--
				inOrder = inOrder && missing >= 0
			} else {
				texts++
				packets[i] = "4" + line
				p, err := parser.Decode([]byte(line))
				inOrder = inOrder && missing == 0 && err == nil
				missing = p.Attachments
			}
		}
		app := newTestApp()
		var handled atomic.Int64
		app.event = func(e *Event) {
			handled.Add(1)
			if parser.Reserved(e.Name) {
				t.Errorf("event %q", e.Name)
			}
			for i := range e.Args.Len() {
				var arg any
				if err := e.Args.Decode(i, &arg); err != nil && json.Valid(e.Args.Raw(i)) && !strings.Contains(err.Error(), "cannot unmarshal number") {
					t.Errorf("argument %s: %v", e.Args.Raw(i), err)
				}
			}
			if err := e.Ack([]any{e.Name}); err != nil && !errors.Is(err, ErrNotConnected) {
				t.Errorf("ack: %v", err)
			}
		}
		last := make(chan struct{}, 1)
		app.connect = func(_ *Socket, auth []byte) *Refusal {
			if string(auth) == `{"last":"one"}` {
				last <- struct{}{}
			}
			return nil
		}
		s := NewServer(serverOptions())
		for _, name := range []string{"/", "/a"} {
			require.True(t, s.Mount(s.NewNamespace(name, app, Watchers{})))
		}
		defer s.Close()
		c := pollingClient{t, s, "4", ""}
		require.Equal(t, http.StatusOK, c.do(http.MethodGet, ""))
		require.Equal(t, http.StatusOK, c.do(http.MethodPost, "40\x1e40/a,"))
		for range 2 {
			await(t, app.connected)
		}

		status := c.do(http.MethodPost, strings.Join(packets, "\x1e"))
		if status == http.StatusOK {
			require.True(t, inOrder)
			if status = c.do(http.MethodPost, `40/a,{"last":"one"}`); status == http.StatusOK {
				await(t, last)
			}
		}
		if status != http.StatusOK {
			require.Equal(t, http.StatusBadRequest, status)
			require.Equal(t, http.StatusBadRequest, c.do(http.MethodPost, "6"), "the session was not closed")
		}
		s.Close()
		require.NoError(t, s.Shutdown(t.Context()))
		require.LessOrEqual(t, handled.Load(), int64(texts))
		require.NotContains(t, app.calls, "OVERLAP")
		require.Equal(t, 2+len(app.connected), len(app.ended))
		requireNobody(t, s, command.Identity{})
	})
}

// pollingClient is a client that polls, without a network.
type pollingClient struct {
	t      *testing.T
	server *Server
	eio    string
	sid    string
}

// do makes a request and returns the answer's status. The first one opens the
// session.
func (c *pollingClient) do(method, body string) int {
	r := httptest.NewRequest(method, "/?EIO="+c.eio+"&transport=polling"+c.sid, strings.NewReader(body))
	w := httptest.NewRecorder()
	c.server.ServeHTTP(w, r)
	if c.sid == "" {
		var open struct{ SID string }
		_, text, _ := strings.Cut(w.Body.String(), "0{") // revision 3 has a length before it
		require.NoError(c.t, json.NewDecoder(strings.NewReader("{"+text)).Decode(&open))
		c.sid = "&sid=" + open.SID
	}
	return w.Code
}
