package socketio

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/parser"
)

// FuzzOldMessages is FuzzMessages for a client of Engine.IO 3, which polls. What
// an app gets as auth is nothing or a JSON object of strings.
func FuzzOldMessages(f *testing.F) {
	for _, lines := range []string{
		"2[\"e\"]\n21[\"e\",{\"a\":[1]}]\n2/a,7[\"e\"]",
		"51-/a,3[\"e\",[{\"_placeholder\":true,\"num\":0}]]\nbx\n2[\"e\"]",
		"0\n0/a\n0/a,\n0/a?x=1\n0/a?x=1&x=%zz,\n0/none?x=1,\n0?x\n0/?x=1,",
		"1\n2[\"e\"]\n0\n2[\"e\"]", "1/a,\n2/a,[\"e\"]\n0/a?x=1", "0/a,{}", "4\"x\"", "2[\"connect\"]",
		"0/a\n2/a,[\"Ã¼\"]", "0/a\n2/a,[\"é\",\"€\"]", "0/ü", "bx",
	} {
		f.Add(lines)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		if strings.ToValidUTF8(lines, "") != lines {
			t.Skip("the engine refuses these")
		}
		var payload strings.Builder
		for line := range strings.SplitSeq(lines, "\n") {
			packet := "4" + line
			if data, binary := strings.CutPrefix(line, "b"); binary {
				packet = "b4" + base64.StdEncoding.EncodeToString([]byte(data))
			}
			payload.WriteString(strconv.Itoa(len(utf16.Encode([]rune(packet)))) + ":" + packet)
		}
		app := newTestApp()
		app.event = func(e *Event) {
			if parser.Reserved(e.Name) {
				t.Errorf("event %q", e.Name)
			}
			_ = e.Ack([]any{e.Name}) // the client may have gone
		}
		app.connect = func(_ *Socket, auth []byte) *Refusal {
			var object map[string]string
			if len(auth) > 0 && (json.Unmarshal(auth, &object) != nil || object == nil) {
				t.Errorf("auth %q", auth)
			}
			return nil
		}
		opts := serverOptions()
		opts.Engine.AllowEIO3 = true
		s := NewServer(opts)
		for _, name := range []string{"/", "/a"} {
			require.True(t, s.Mount(s.NewNamespace(name, app, Watchers{})))
		}
		defer s.Close()
		c := pollingClient{t, s, "3", ""}
		require.Equal(t, http.StatusOK, c.do(http.MethodGet, ""))
		await(t, app.connected)

		status := c.do(http.MethodPost, payload.String())
		if status != http.StatusOK {
			require.Equal(t, http.StatusBadRequest, status)
			require.Equal(t, http.StatusBadRequest, c.do(http.MethodPost, "1:6"), "the session was not closed")
		}
		s.Close()
		require.NoError(t, s.Shutdown(t.Context()))
		require.NotContains(t, app.calls, "OVERLAP")
		require.Equal(t, 1+len(app.connected), len(app.ended))
		requireNobody(t, s, command.Identity{})
	})
}
