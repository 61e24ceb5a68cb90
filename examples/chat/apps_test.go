package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/examples/chat/chat"
	"github.com/mojosocket/mojo/examples/chat/status"
	"github.com/mojosocket/mojo/internal/siotest"
)

func TestChat(t *testing.T) {
	site := serve(t, siotest.TCP)
	ann, bob, guest := open(t, site), open(t, site), open(t, site)
	ann.logIn("Ann")
	bob.logIn("Bob")
	anns, bobs, guests := ann.in(), bob.in(), guest.in()

	var answer chat.Said
	anns.chat.Call("say", " Hello ").Arg(0, &answer)
	require.Equal(t, "Ann", answer.From)
	require.Equal(t, "Hello", answer.Text)
	require.Equal(t, 1, answer.ID)
	require.WithinDuration(t, time.Now(), answer.At, time.Minute)
	for _, page := range []*tab{anns, bobs, guests} {
		var said chat.Said
		page.await(page.chat, "said").Arg(0, &said)
		require.Equal(t, answer, said)
	}

	bobs.chat.Call("say", "Hi")
	_, _, history := guest.tab()
	require.Len(t, history, 2)
	require.Equal(t, answer, history[0])
	require.Equal(t, "Hi", history[1].Text)
}

func TestWhatCannotBeSaid(t *testing.T) {
	site := serve(t, siotest.TCP)
	ann := open(t, site)
	guests := ann.in()
	requireError(t, "Log in to speak.", guests.chat.Call("say", "Hello"))

	ann.logIn("Ann")
	guests.await(guests.chat, "came")
	anns := ann.in()
	for words, problem := range map[any]string{
		" ":                      "A message cannot be empty.",
		strings.Repeat("x", 501): "A message has at most 500 characters.",
		"a\nb":                   "A message cannot have control characters.",
		3:                        "invalid arguments",
	} {
		requireError(t, problem, anns.chat.Call("say", words))
	}
	require.Empty(t, anns.arrived(anns.chat), "nothing was said")
}

func TestHistoryIsShort(t *testing.T) {
	ann := open(t, serve(t, siotest.TCP))
	ann.logIn("Ann")
	page := ann.in()
	for i := range 60 {
		page.chat.Ask("say", fmt.Sprint(i))
	}
	page.chat.Call("say", "60")
	_, _, history := ann.tab()
	require.Len(t, history, 50)
	require.Equal(t, "11", history[0].Text)
	require.Equal(t, "60", history[49].Text)
}

func requireError(t *testing.T, want string, answer siotest.Event) {
	t.Helper()
	var got struct{ Error struct{ Message string } }
	answer.Arg(0, &got)
	require.Equal(t, want, got.Error.Message)
}

// A user who connects while others speak gets each line once: in the history or
// after it.
func TestNewcomersMissNothing(t *testing.T) {
	site := serve(t, siotest.TCP)
	ann := open(t, site)
	ann.logIn("Ann")
	page, guest := ann.in(), open(t, site)
	const lines = 40
	for range lines {
		page.chat.Ask("say", "x")
	}
	newcomer, _, history := guest.tab()
	next := len(history) + 1
	for ; next <= lines; next++ {
		var said chat.Said
		newcomer.await(newcomer.chat, "said").Arg(0, &said)
		require.Equal(t, next, said.ID)
	}
}

// A reload of a page is not announced. An absence that lasts is.
func TestComingAndGoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := serve(t, siotest.Memory)
		guests := open(t, site).in()
		ann := open(t, site)
		ann.logIn("Ann")
		page := ann.in()
		require.Equal(t, "Ann", guests.await(guests.chat, "came").Text(0))

		page.client.Close()
		time.Sleep(time.Second)
		page = ann.in()
		time.Sleep(time.Minute)
		require.Empty(t, guests.arrived(guests.chat))

		second := ann.in()
		page.client.Close()
		time.Sleep(time.Minute)
		require.Empty(t, guests.arrived(guests.chat), "there is another tab")
		second.client.Close()
		require.Equal(t, "Ann", guests.await(guests.chat, "left").Text(0))
		guests.client.Close()
	})
}

func TestWhoIsHere(t *testing.T) {
	site := serve(t, siotest.TCP)
	guests := open(t, site).in()
	guests.awaitHere(status.Here{People: []status.Person{}, Guests: 1})

	ann, phone, bob := open(t, site), open(t, site), open(t, site)
	for b, name := range map[*browser]string{ann: "Ann", phone: "Ann", bob: "Bob"} {
		b.logIn(name)
	}
	first, _, _, _ := ann.in(), ann.in(), phone.in(), bob.in()
	guests.awaitHere(status.Here{
		People: []status.Person{{Name: "Ann", Tabs: 3, Browsers: 2}, {Name: "Bob", Tabs: 1, Browsers: 1}},
		Guests: 1,
	})
	first.client.Close()
	guests.awaitHere(status.Here{
		People: []status.Person{{Name: "Ann", Tabs: 2, Browsers: 2}, {Name: "Bob", Tabs: 1, Browsers: 1}},
		Guests: 1,
	})
	ann.post("/logout", nil)
	guests.awaitHere(status.Here{
		People: []status.Person{{Name: "Ann", Tabs: 1, Browsers: 1}, {Name: "Bob", Tabs: 1, Browsers: 1}},
		Guests: 2,
	})
}

// After many users have connected and disconnected at the same time, the last
// list is right.
func TestWhoIsHereInTheEnd(t *testing.T) {
	site := serve(t, siotest.TCP)
	guests := open(t, site).in()
	var tabs [20]*tab
	for i := range tabs {
		b := open(t, site)
		b.logIn(fmt.Sprintf("User %02d", i))
		tabs[i] = b.in()
	}
	var going sync.WaitGroup
	for _, page := range tabs[1:] {
		going.Go(page.client.Engine.Drop)
	}
	going.Wait()
	guests.awaitHere(status.Here{People: []status.Person{{Name: "User 00", Tabs: 1, Browsers: 1}}, Guests: 1})
}
