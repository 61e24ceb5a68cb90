package mojoredis_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/mojoredis"
)

// replies notes what comes for a question, as texts.
type replies chan string

func (r replies) Expect(n int) { r <- fmt.Sprintf("expect %d", n) }
func (r replies) Reply(data []byte, attachments [][]byte) {
	r <- fmt.Sprintf("reply %s %d", data, len(attachments))
}
func (r replies) Done(err error) { r <- fmt.Sprintf("done %v", err) }
func (r replies) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, text := range want {
		require.Equal(t, text, await(t, r))
	}
}

// startAsker opens a node whose link asks other servers.
func startAsker(t *testing.T, key string) (*node, cluster.Asker) {
	t.Helper()
	redistest.Require(t)
	n := openNode(t, key, "a")
	n.link.(cluster.Mounter).Mount("/chat")
	n.mark("a")
	return n, n.link.(cluster.Asker)
}

var question = &cluster.Event{
	Address: cluster.Address{Namespace: "/chat", Rooms: []string{"r"}, Except: []string{"x"}}, Data: []byte(`["e",{"_placeholder":true,"num":0}]`),
	Attachments: [][]byte{{1}},
}

// Other servers are asked as the official adapter asks them, and what they say is
// passed on.
func TestQuestions(t *testing.T) {
	n, asker := startAsker(t, "q1")
	client := newClient(t, shared.Addr)
	servers := subscribe(t, client, "q1-request#*") // counts as none
	one, two := client.Subscribe(t.Context(), "q1-request#/chat#"), client.Subscribe(t.Context(), "q1-request#/chat#")
	defer one.Close()
	defer two.Close()
	_, err := one.Receive(t.Context())
	require.NoError(t, err)
	_, err = two.Receive(t.Context())
	require.NoError(t, err)
	r := make(replies, 20)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	asker.EmitWithAck(ctx, question, 1500*time.Millisecond, r)

	_, body := servers.next()
	id := requestID(t, body)
	require.Equal(t, "85a3756964a27e61a9726571756573744964ba"+hex.EncodeToString([]byte(id))+"a47479706507a67061636b6574"+
		"83a47479706502a46461746192a165c40101a36e7370a52f63686174"+"a46f707473"+
		"83a5726f6f6d7391a172a665786365707491a178a5666c61677381a774696d656f7574cd05dc", hex.EncodeToString([]byte(body)))
	answer := func(payload string) {
		t.Helper()
		require.NoError(t, client.Publish(t.Context(), "q1-response#/chat#", payload).Err())
		n.mark("a")
	}
	answer(`{"type":8,"requestId":"another","clientCount":5}`)
	answer(`{"type":8,"requestId":"` + id + `","clientCount":2}`)
	r.expect(t, "expect 2")
	answer(`{"type":8,"requestId":"` + id + `","clientCount":0}`)
	r.expect(t, "expect 0", "done <nil>")
	answer(ackOf(id, "a47061636b"))
	answer(ackOf(id, "c40101"))
	r.expect(t, `reply "pack" 0`, `reply {"_placeholder":true,"num":0} 1`)
	require.False(t, n.wasMalformed())
	answer(`{"type":8,"requestId":"` + id + `","clientCount":-1}`)
	require.True(t, n.wasMalformed())
	cancel()
	require.Eventually(t, func() bool {
		answer(`{"type":8,"requestId":"` + id + `","clientCount":2}`)
		late := len(r) > 0
		for len(r) > 0 {
			<-r
		}
		return !late
	}, limit, time.Millisecond)

	asker.ServerSideEmit(t.Context(), "/chat", []byte(`["e",1]`), nil)
	_, body = servers.next()
	require.JSONEq(t, `{"uid":"~a","type":6,"data":["e",1]}`, body)
	asker.ServerSideEmit(t.Context(), "/chat", []byte(`["e",2]`), r)
	_, body = servers.next()
	id = requestID(t, body)
	require.JSONEq(t, `{"uid":"~a","type":6,"data":["e",2],"requestId":"`+id+`"}`, body)
	r.expect(t, "expect 2", "done <nil>")
	answer(`{"type":6,"requestId":"` + id + `","data":{"a":1}}`)
	answer(`{"type":6,"requestId":"` + id + `"}`)
	r.expect(t, `reply {"a":1} 0`, "reply null 0")

	n.link.Close()
	r.expect(t, "done mojoredis: the link is closed")
	asker.EmitWithAck(t.Context(), question, time.Second, r)
	r.expect(t, "done mojoredis: the link is closed")
}

// requestID returns the id of a question.
func requestID(t *testing.T, body string) string {
	t.Helper()
	if strings.HasPrefix(body, "{") {
		var request struct{ RequestID string }
		require.NoError(t, json.Unmarshal([]byte(body), &request))
		return request.RequestID
	}
	_, rest, ok := strings.Cut(body, "requestId\xba")
	require.True(t, ok)
	return rest[:26]
}

// ackOf returns an ack with the MessagePack of a value.
func ackOf(id, packet string) string {
	value, _ := hex.DecodeString(packet)
	return "\x83\xa4type\x09\xa9requestId\xba" + id + "\xa6packet" + string(value)
}

// Nodes of mojo are no other servers: they are not asked, and do not answer.
func TestNodesAreNotAsked(t *testing.T) {
	n, asker := startAsker(t, "q2")
	other := openNode(t, "q2", "b")
	other.link.(cluster.Mounter).Mount("/chat")
	other.mark("b")
	client := newClient(t, shared.Addr)
	requests, responses := subscribe(t, client, "q2-request#*"), subscribe(t, client, "q2-response#*")
	r := make(replies, 9)

	asker.EmitWithAck(t.Context(), question, time.Second, r)
	asker.ServerSideEmit(t.Context(), "/chat", []byte(`["e"]`), r)
	asker.EmitWithAck(t.Context(), &cluster.Event{Address: cluster.Address{Namespace: "/nowhere"}, Data: []byte(`["e"]`)}, time.Second, r)

	r.expect(t, "done <nil>", "done <nil>", "done <nil>")
	require.NoError(t, client.Publish(t.Context(), "q2-request#/chat#", strings.Replace(askSockets, "AbC123", "~a", 1)).Err())
	_, body := requests.next()
	require.Contains(t, body, "~a")
	n.mark("a")
	other.mark("b")
	require.NoError(t, client.Publish(t.Context(), "q2-response#/#", "end").Err())
	_, body = responses.next()
	require.Equal(t, "end", body)
}

// A question that is too large, or whose connection is lost, is not waited for.
func TestQuestionsThatFail(t *testing.T) {
	server := redistest.New(t)
	client := newClient(t, server.Addr)
	n := newNode(t)
	n.link = open(t, mojoredis.New(client, mojoredis.Options{MaxMessage: 1000, Logger: quiet}), "a", n, n.states)
	n.link.(cluster.Mounter).Mount("/chat")
	n.mark("a")
	serve := func() {
		t.Helper()
		sub := client.Subscribe(t.Context(), "socket.io-request#/chat#")
		t.Cleanup(func() { sub.Close() })
		_, err := sub.Receive(t.Context())
		require.NoError(t, err)
	}
	serve()
	asker, r := n.link.(cluster.Asker), make(replies, 9)
	large := *question
	large.Attachments = [][]byte{make([]byte, 1000)}

	asker.EmitWithAck(t.Context(), &large, time.Second, r)
	require.Contains(t, await(t, r), "larger than MaxMessage")
	asker.EmitWithAck(t.Context(), question, time.Second, r)
	require.NoError(t, client.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err())
	require.NotContains(t, await(t, r), "nil")
	require.Equal(t, cluster.LinkDown, await(t, n.states))
	require.Equal(t, cluster.LinkResumed, await(t, n.states))
	serve()
	asker.ServerSideEmit(t.Context(), "/chat", []byte(`["e"]`), r)
	r.expect(t, "expect 1", "done <nil>")
}
