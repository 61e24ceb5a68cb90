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
	"github.com/mojosocket/mojo/mojotest"
)

func TestChat(t *testing.T) {
	site := serve(t)
	ann, bob, guest := open(t, site), open(t, site), open(t, site)
	ann.logIn("Ann")
	bob.logIn("Bob")
	anns, bobs, guests := ann.in(), bob.in(), guest.in()

	answer := mojotest.Call[chat.Said](anns.chat, "say", " Hello ")
	require.Equal(t, "Ann", answer.From)
	require.Equal(t, "Hello", answer.Text)
	require.Equal(t, 1, answer.ID)
	require.WithinDuration(t, time.Now(), answer.At, time.Minute)
	for _, page := range []*tab{anns, bobs, guests} {
		require.Equal(t, answer, mojotest.Await[chat.Said](page.chat, "said"))
	}

	bobs.chat.Call("say", "Hi")
	_, _, history := guest.tab()
	require.Len(t, history, 2)
	require.Equal(t, answer, history[0])
	require.Equal(t, "Hi", history[1].Text)
}

func TestWhatCannotBeSaid(t *testing.T) {
	site := serve(t)
	ann := open(t, site)
	guests := ann.in()
	require.EqualError(t, guests.chat.Call("say", "Hello").Err(), "Log in to speak.")

	ann.logIn("Ann")
	guests.chat.Await("came")
	anns := ann.in()
	for words, problem := range map[any]string{
		" ":                      "A message cannot be empty.",
		strings.Repeat("x", 501): "A message has at most 500 characters.",
		"a\nb":                   "A message cannot have control characters.",
		3:                        "invalid arguments",
	} {
		require.EqualError(t, anns.chat.Call("say", words).Err(), problem)
	}
	require.Empty(t, arrived(anns.chat), "nothing was said")
}

func TestHistoryIsShort(t *testing.T) {
	ann := open(t, serve(t))
	ann.logIn("Ann")
	page := ann.in()
	for i := range 60 {
		page.chat.Emit("say", fmt.Sprint(i))
	}
	page.chat.Call("say", "60")
	_, _, history := ann.tab()
	require.Len(t, history, 50)
	require.Equal(t, "11", history[0].Text)
	require.Equal(t, "60", history[49].Text)
}

// A user who connects while others speak gets each line once: in the history or
// after it.
func TestNewcomersMissNothing(t *testing.T) {
	site := serve(t)
	ann := open(t, site)
	ann.logIn("Ann")
	page, guest := ann.in(), open(t, site)
	const lines = 40
	for range lines {
		page.chat.Emit("say", "x")
	}
	newcomer, _, history := guest.tab()
	next := len(history) + 1
	for ; next <= lines; next++ {
		require.Equal(t, next, mojotest.Await[chat.Said](newcomer.chat, "said").ID)
	}
}

// A reload of a page is not announced. An absence that lasts is.
func TestComingAndGoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := serve(t)
		guests := open(t, site).in()
		ann := open(t, site)
		ann.logIn("Ann")
		page := ann.in()
		require.Equal(t, "Ann", mojotest.Await[string](guests.chat, "came"))

		page.Close()
		time.Sleep(time.Second)
		page = ann.in()
		time.Sleep(time.Minute)
		require.Empty(t, arrived(guests.chat))

		second := ann.in()
		page.Close()
		time.Sleep(time.Minute)
		require.Empty(t, arrived(guests.chat), "there is another tab")
		second.Close()
		require.Equal(t, "Ann", mojotest.Await[string](guests.chat, "left"))
		guests.Close()
	})
}

func TestWhoIsHere(t *testing.T) {
	site := serve(t)
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
	first.Close()
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
	site := serve(t)
	guests := open(t, site).in()
	var tabs [20]*tab
	for i := range tabs {
		b := open(t, site)
		b.logIn(fmt.Sprintf("User %02d", i))
		tabs[i] = b.in()
	}
	var going sync.WaitGroup
	for _, page := range tabs[1:] {
		going.Go(page.Drop)
	}
	going.Wait()
	guests.awaitHere(status.Here{People: []status.Person{{Name: "User 00", Tabs: 1, Browsers: 1}}, Guests: 1})
}
