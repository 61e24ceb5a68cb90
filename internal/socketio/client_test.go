package socketio

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/testhook"
)

// A client that announces attachments and does not send them all is closed 20
// seconds after the last one.
func TestSilentAttachments(t *testing.T) {
	for _, sent := range []int{0, 2} {
		synctest.Test(t, func(t *testing.T) {
			app := newTestApp()
			_, _, site := serve(t, app, "/a")
			client := dial(t, site, "websocket", "", "")
			client.Connect("/a", nil)
			start := time.Now()
			client.Engine.Send(`53-/a,["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"_placeholder":true,"num":2}]`)
			for range sent {
				time.Sleep(15 * time.Second)
				client.Engine.SendBinary([]byte("attachment"))
			}

			<-client.Engine.Closed() // it takes longer than the timeout of AwaitClosed

			require.Equal(t, engineio.ParseError, await(t, app.ended))
			require.Equal(t, time.Duration(sent)*15*time.Second+attachmentSilence, time.Since(start).Round(time.Second))
		})
	}
}

// Attachments without a header, or another packet between them, close the
// connection.
func TestAttachmentsOutOfPlace(t *testing.T) {
	header := `52-/a,["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
	for name, send := range map[string]func(c *siotest.Client){
		"without a header": func(c *siotest.Client) { c.Engine.SendBinary([]byte("x")) },
		"text between": func(c *siotest.Client) {
			c.Engine.Send(header)
			c.Engine.SendBinary([]byte("x"))
			c.Engine.Send(`2/a,["e"]`)
		},
		"a second header": func(c *siotest.Client) {
			c.Engine.Send(header)
			c.Engine.Send(header)
		},
		"one too many": func(c *siotest.Client) {
			c.Engine.Send(header)
			for range 3 {
				c.Engine.SendBinary([]byte("x"))
			}
		},
		"too large together": func(c *siotest.Client) {
			c.Engine.Send(header)
			for range 2 {
				c.Engine.SendBinary(make([]byte, 600_000))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, transport := range []string{"websocket", "polling", "upgrade"} {
				app := newTestApp()
				_, _, site := serve(t, app, "/a")
				client := dial(t, site, transport, "", "")
				client.Connect("/a", nil)

				send(client)

				require.Equal(t, engineio.ParseError, await(t, app.ended))
				client.Engine.AwaitClosed()
			}
		})
	}
}

// A packet without all its attachments, and its timer, end with the connection.
func TestPartialPacketEndsWithTheConnection(t *testing.T) {
	app := newTestApp()
	_, _, site := serve(t, app, "/a")
	client := dial(t, site, "websocket", "", "")
	client.Connect("/a", nil)
	s := await(t, app.connected)
	client.Engine.Send(`51-/a,["e",{"_placeholder":true,"num":0}]`)

	client.Close()
	await(t, app.ended)

	c := s.client()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Nil(t, c.assembly)
	require.True(t, c.closed)
	require.NotContains(t, app.calls, "e")
}

// A malformed packet closes the connection, and no handler runs.
func TestBadPackets(t *testing.T) {
	for _, packet := range []string{
		"", "7", "2", `2/a,`, `2/a,[]`, `2/a,{}`, `2/a,null`, `2/a,[null]`, `2/a,[[1]]`, `2/a,[{"toString":"x"}]`, `2/a,["e"`,
		`511-/a,["e"]`, `59999999999-/a,`, `5-1-/a,["e"]`, `501-/a,["e"]`, `50-/a,["e"]`, `60-/a,1[]`, `3/a,[]`,
		`2/a,["connect"]`, `2/a,["connect_error"]`, `2/a,["disconnect"]`, `2/a,["disconnecting"]`, `2/a,["newListener"]`, `2/a,["removeListener"]`,
		`0/a,[]`, `0/a,-1`, `4/a,"x"`, "2/a," + strings.Repeat("[", 100_000), `2/a,` + strings.Repeat("9", 400) + `["e"]`,
	} {
		t.Run(fmt.Sprintf("%.40s", packet), func(t *testing.T) {
			app := newTestApp()
			_, _, site := serve(t, app, "/a")
			client := dial(t, site, "websocket", "", "")
			client.Connect("/a", nil)

			client.Engine.Send(packet)

			require.Equal(t, engineio.ParseError, await(t, app.ended))
			require.Equal(t, []string{"connect ", "disconnect"}, app.calls)
		})
	}
}

// The Barrier of a test client is not counted as a refusal. Where no test
// client has set testhook.Barrier, the same namespace is refused like any
// other.
func TestBarrierIsNotCounted(t *testing.T) {
	server, _, site := serve(t, newTestApp(), "/a")
	client := dial(t, site, "websocket", "", "")

	client.Barrier()
	require.Zero(t, server.Stats().Refused)

	name := testhook.Barrier
	testhook.Barrier = ""
	_, refusal := client.TryConnect(name, nil)
	testhook.Barrier = name
	require.NotNil(t, refusal)
	require.EqualValues(t, 1, server.Stats().Refused)
}
