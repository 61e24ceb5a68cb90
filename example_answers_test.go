package mojo_test

import (
	"context"
	"fmt"
	"time"

	"github.com/mojosocket/mojo"
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
