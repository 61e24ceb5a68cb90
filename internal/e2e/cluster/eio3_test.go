package cluster

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Clients of Engine.IO 3 get what another node has sent, in their own form,
// beside the newer ones.
func TestOldClientsOfACluster(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		bus := cluster.NewMemory()
		n := []*node{
			startWith(t, mojo.Options{Cluster: bus, AllowEIO3: true}),
			startWith(t, mojo.Options{Cluster: bus}),
		}
		time.Sleep(3 * time.Second)
		old := siotest.Options{Transport: transport, EIO3: true, Header: e2e.CookieHeader(e2e.SessionCookie("s1"), e2e.LoginCookie("ann"))}
		sockets := []*siotest.Socket{
			siotest.Dial(t, n[0].site, old).Connect(e2e.ChatNamespace, nil),
			n[0].connect(t, transport, e2e.SessionCookie("s2"), e2e.LoginCookie("ann")),
			n[1].connect(t, transport, e2e.SessionCookie("s3"), e2e.LoginCookie("ann")),
		}
		settle()
		parcel := map[string]any{"text": "ü€😀", "data": mojo.Binary{1, 2}}
		want := map[string]any{"text": "ü€😀", "data": []byte{1, 2}}
		for _, sender := range n {
			require.NoError(t, sender.chat.Emit("all", parcel, "é"))
			require.NoError(t, sender.LoggedInSessions().Get("ann").Emit("user", parcel))
			for _, socket := range sockets {
				socket.Expect("all", want, "é")
				socket.Expect("user", want)
			}
		}
		require.NoError(t, n[1].CurrentSessions().Get("s1").Revoke(t.Context(), mojo.Revocation{Code: 5001, Reason: "moderated"}))
		synctest.Wait()
		sockets[0].Expect(mojo.RevokedEvent, map[string]any{"code": 5001, "reason": "moderated", "reconnect": false})
		require.Equal(t, siotest.ReasonServerDisconnect, sockets[0].AwaitDisconnected())
	})
}
