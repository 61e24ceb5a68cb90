package site

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
	ann, bob, guest := newBrowser(t, site), newBrowser(t, site), newBrowser(t, site)
	ann.logIn("Ann")
	bob.logIn("Bob")
	anns, bobs, guests := ann.openTab(), bob.openTab(), guest.openTab()

	answer := mojotest.Call[chat.Line](anns.chat, "say", " Hello ")
	require.Equal(t, "Ann", answer.From)
	require.Equal(t, "Hello", answer.Text)
	require.Equal(t, 1, answer.ID)
	require.WithinDuration(t, time.Now(), answer.At, time.Minute)
	for _, page := range []*tab{anns, bobs, guests} {
		require.Equal(t, answer, mojotest.Await[chat.Line](page.chat, "said"))
	}

	bobs.chat.Call("say", "Hi")
	_, _, history := guest.openTabAndRead()
	require.Len(t, history, 2)
	require.Equal(t, answer, history[0])
	require.Equal(t, "Hi", history[1].Text)
}

func TestSayRefuses(t *testing.T) {
	site := serve(t)
	ann := newBrowser(t, site)
	guests := ann.openTab()
	require.EqualError(t, guests.chat.Call("say", "Hello").Err(), "Log in to speak.")

	ann.logIn("Ann")
	guests.chat.Await("online")
	anns := ann.openTab()
	for text, problem := range map[any]string{
		" ":                      "A message cannot be empty.",
		strings.Repeat("x", 501): "A message has at most 500 characters.",
		"a\nb":                   "A message cannot have control characters.",
		3:                        "invalid arguments",
	} {
		require.EqualError(t, anns.chat.Call("say", text).Err(), problem)
	}
	require.Empty(t, unread(anns.chat), "nothing was said")
}

func TestHistoryIsBounded(t *testing.T) {
	ann := newBrowser(t, serve(t))
	ann.logIn("Ann")
	page := ann.openTab()
	for i := range 60 {
		page.chat.Emit("say", fmt.Sprint(i))
	}
	page.chat.Call("say", "60")
	_, _, history := ann.openTabAndRead()
	require.Len(t, history, 50)
	require.Equal(t, "11", history[0].Text)
	require.Equal(t, "60", history[49].Text)
}

// A page that connects while others send lines receives each line once: in the
// history or after it.
func TestNewConnectionGetsEachLineOnce(t *testing.T) {
	site := serve(t)
	ann := newBrowser(t, site)
	ann.logIn("Ann")
	page, guest := ann.openTab(), newBrowser(t, site)
	const lines = 40
	for range lines {
		page.chat.Emit("say", "x")
	}
	newTab, _, history := guest.openTabAndRead()
	next := len(history) + 1
	for ; next <= lines; next++ {
		require.Equal(t, next, mojotest.Await[chat.Line](newTab.chat, "said").ID)
	}
}

// A reload of a page is not announced. A user who stays disconnected is
// announced as offline.
func TestOnlineAndOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := serve(t)
		guests := newBrowser(t, site).openTab()
		ann := newBrowser(t, site)
		ann.logIn("Ann")
		page := ann.openTab()
		require.Equal(t, "Ann", mojotest.Await[string](guests.chat, "online"))

		page.Close()
		time.Sleep(time.Second)
		page = ann.openTab()
		time.Sleep(time.Minute)
		require.Empty(t, unread(guests.chat))

		second := ann.openTab()
		page.Close()
		time.Sleep(time.Minute)
		require.Empty(t, unread(guests.chat), "there is another tab")
		second.Close()
		require.Equal(t, "Ann", mojotest.Await[string](guests.chat, "offline"))
		guests.Close()
	})
}

func TestListOfUsers(t *testing.T) {
	site := serve(t)
	guests := newBrowser(t, site).openTab()
	guests.awaitOnline(status.Online{People: []status.Person{}, Guests: 1})

	ann, phone, bob := newBrowser(t, site), newBrowser(t, site), newBrowser(t, site)
	for b, name := range map[*browser]string{ann: "Ann", phone: "Ann", bob: "Bob"} {
		b.logIn(name)
	}
	first, _, _, _ := ann.openTab(), ann.openTab(), phone.openTab(), bob.openTab()
	guests.awaitOnline(status.Online{
		People: []status.Person{{Name: "Ann", Tabs: 3, Browsers: 2}, {Name: "Bob", Tabs: 1, Browsers: 1}},
		Guests: 1,
	})
	first.Close()
	guests.awaitOnline(status.Online{
		People: []status.Person{{Name: "Ann", Tabs: 2, Browsers: 2}, {Name: "Bob", Tabs: 1, Browsers: 1}},
		Guests: 1,
	})
	ann.post("/logout", nil)
	guests.awaitOnline(status.Online{
		People: []status.Person{{Name: "Ann", Tabs: 1, Browsers: 1}, {Name: "Bob", Tabs: 1, Browsers: 1}},
		Guests: 2,
	})
}

// After many users have connected and disconnected at the same time, the last
// list is right.
func TestLastListIsRight(t *testing.T) {
	site := serve(t)
	guests := newBrowser(t, site).openTab()
	var tabs [20]*tab
	for i := range tabs {
		b := newBrowser(t, site)
		b.logIn(fmt.Sprintf("User %02d", i))
		tabs[i] = b.openTab()
	}
	var closing sync.WaitGroup
	for _, page := range tabs[1:] {
		closing.Go(page.Drop)
	}
	closing.Wait()
	guests.awaitOnline(status.Online{People: []status.Person{{Name: "User 00", Tabs: 1, Browsers: 1}}, Guests: 1})
}
