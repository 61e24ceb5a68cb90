package mojo_test

import (
	"context"
	"fmt"
	"time"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/mojotest"
)

// A question to everybody in a room. The answers come one by one.
func ExampleBroadcast_EmitWithAck() {
	srv, err := mojo.New(mojo.Options{Logger: quiet})
	check(err)
	chat, err := srv.Register("Chat", (&mojo.Events{Connect: func(c *mojo.Conn) error {
		return c.Join("kitchen")
	}}).Handler())
	check(err)
	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	ada, bob := site.Dial(t, "/ChatSocket", nil), site.Dial(t, "/ChatSocket", nil)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	answers, err := chat.To("kitchen").EmitWithAck(ctx, "hungry?")
	check(err)
	ada.Await("hungry?").Ack(true, "pizza")
	bob.Tab().Close()

	for a := range answers.All() {
		var hungry bool
		var dish string
		if err := a.Decode(&hungry, &dish); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(hungry, dish, a.ConnID == ada.ID())
	}
	fmt.Println(answers.Asked(), "asked,", len(answers.Missing()), "missing")
	// Unordered output:
	// true pizza true
	// mojo: not connected
	// 2 asked, 0 missing
}

// A loop may stop at the first answer that is good enough: the Server does not
// wait for the others then.
func ExampleAnswers_All() {
	srv, err := mojo.New(mojo.Options{Logger: quiet})
	check(err)
	chat, err := srv.Register("Chat", (&mojo.Events{}).Handler())
	check(err)
	site := mojotest.NewServer(t, srv, nil)
	defer site.Close()
	ada, bob := site.Dial(t, "/ChatSocket", nil), site.Dial(t, "/ChatSocket", nil)

	answers, err := chat.EmitWithAck(context.Background(), "who drives?")
	check(err)
	ada.Await("who drives?").Ack("I do")
	for a := range answers.All() {
		var text string
		check(a.Decode(&text))
		fmt.Println(text)
		break
	}
	for _, missing := range answers.Missing() {
		fmt.Println(missing.Err, missing.ConnID == bob.ID())
	}
	// Output:
	// I do
	// mojo: no answer true
}

// Two processes, here Servers on a bus in memory. One makes the other drop a
// user from its cache, and asks how many it has cached.
func ExampleServer_NotifyWithAck() {
	bus := cluster.NewMemory()
	key := []byte("the processes share 32 random bytes")
	start := func() *mojo.Server {
		srv, err := mojo.New(mojo.Options{Cluster: bus, ClusterKey: key, Logger: quiet})
		check(err)
		return srv
	}
	first, second := start(), start()
	defer first.Close()
	defer second.Close()
	for len(first.Nodes()) < 2 {
		time.Sleep(10 * time.Millisecond)
	}

	cached := map[string]bool{"ada": true, "bob": true}
	mojo.OnNotify(second, "drop user", func(id string) error {
		delete(cached, id)
		return nil
	})
	mojo.OnNotifyCall(second, "cached users", func(struct{}) (int, error) {
		return len(cached), nil
	})

	check(first.Notify("drop user", "ada"))
	answers, err := first.NotifyWithAck(context.Background(), "cached users")
	check(err)
	for a := range answers.All() {
		var n int
		check(a.Decode(&n))
		fmt.Println(n, a.Node == second.Nodes()[0].Name)
	}
	// Output: 1 true
}
