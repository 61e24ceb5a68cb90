package engineio

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

func TestPollingCarriesSeveralPacketsInOnePayload(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{ManualPoll: true})
		require.NoError(t, p.Send(NewText([]byte("héllo"))))
		require.NoError(t, p.Send(NewBinary([]byte{0, 1, 2, 3})))
		require.NoError(t, p.Send(NewMessage(4, func(dst []byte) []byte { return append(dst, "head"...) }, [][]byte{{1}, {}})))
		status, payload := client.Poll()
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "4héllo\x1ebAAECAw==\x1e4head\x1ebAQ==\x1eb", payload)

		status, body := client.Post("4one\x1ebAAEC\x1e6\x1e4two")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "ok", body)
		_, payload = client.Poll()
		require.Equal(t, "4one\x1ebAAEC\x1e4two", payload)
	})
}

func TestPollWaitsForAMessage(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{})
		for i := range 100 {
			text := fmt.Sprint(i)
			require.NoError(t, p.Send(NewText([]byte(text))))
			require.Equal(t, text, client.Next().Text)
		}
	})
}

func TestSecondPollEndsTheSession(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{})
		h.awaitPoll(p)
		requireError(t, h.do("GET", "/?EIO=4&transport=polling&sid="+p.ID(), ""), http.StatusBadRequest, codeBadRequest)
		require.Equal(t, TransportError, p.awaitEnd())
		require.Equal(t, siotest.ReasonClosePacket, client.AwaitClosed())
		requireError(t, h.do("GET", "/?EIO=4&transport=polling&sid="+p.ID(), ""), http.StatusBadRequest, codeUnknownSID)
	})
}

func TestAbortedPollEndsTheSession(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{})
		h.awaitPoll(p)
		client.Drop()
		require.Equal(t, TransportError, p.awaitEnd())
		waitUntil(t, func() bool {
			sessions, _ := h.counts()
			return sessions == 0
		})
	})
}
