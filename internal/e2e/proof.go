package e2e

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// FollowLogin does what a page does after a login of its browser: for each
// connection it reads the IdentityEvent and sends the proof with the new
// cookies.
func FollowLogin(t testing.TB, site *siotest.Site, header http.Header, sockets ...*siotest.Socket) {
	t.Helper()
	for _, socket := range sockets {
		// Another app of the same connection, or its poll, may have proven it
		// before.
		require.Contains(t, []int{http.StatusNoContent, http.StatusNotFound}, SendProof(t, site, header, ReadProof(t, socket)))
	}
}

// ReadProof reads the IdentityEvent, which must be the next event, and returns
// the proof in it.
func ReadProof(t testing.TB, socket *siotest.Socket) string {
	t.Helper()
	event := socket.Next()
	require.Equal(t, mojo.IdentityEvent, event.Name)
	var args []struct{ Proof string }
	require.NoError(t, json.Unmarshal([]byte(event.JSON()), &args))
	return args[0].Proof
}

// SendProof sends a proof and returns the status of the answer.
func SendProof(t testing.TB, site *siotest.Site, header http.Header, proof string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site.URL+"/socket.io/", nil)
	require.NoError(t, err)
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	r.Header.Set(mojo.IdentityHeader, proof)
	resp, err := site.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}
