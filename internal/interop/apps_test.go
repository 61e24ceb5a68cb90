package interop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mojosocket/mojo"
)

// mount registers the apps of the scenarios.
func (s *site) mount(server *mojo.Server) error {
	_, echoErr := server.Register("Echo", recorded{echo{}, s})
	_, deskErr := server.Register("Desk", recorded{desk().Handler(), s})
	_, gateErr := server.Register("Gate", recorded{gate().Handler(), s})
	_, pauseErr := server.Register("Pause", recorded{s.pauses.app().Handler(), s})
	_, endsErr := server.Register("Ends", recorded{ends().Handler(), s})
	_, rootErr := server.Handle("/", recorded{echo{}, s})
	return errors.Join(echoErr, deskErr, gateErr, pauseErr, endsErr, rootErr)
}

// ends is an app that ends the connection of a client in the way that the
// client asks for: it overflows the queue some microseconds after OnConnect, or
// it panics.
func ends() *mojo.Events {
	ev := &mojo.Events{Connect: func(c *mojo.Conn) error {
		var auth struct {
			Kind  string
			Delay int
		}
		if json.Unmarshal(c.Handshake().Auth, &auth) != nil {
			return nil
		}
		if auth.Kind == "overflow" {
			history := make([]byte, 6<<20)
			time.AfterFunc(time.Duration(auth.Delay)*time.Microsecond, func() {
				for c.Emit("history", history) == nil { // no client reads as fast
				}
			})
		}
		return nil
	}}
	mojo.On(ev, "panic", func(*mojo.Conn, struct{}) error { panic("asked to") })
	return ev
}

// echo sends every event back, as an ack if the client wants one.
type echo struct{}

func (echo) OnConnect(*mojo.Conn) error { return nil }

func (echo) OnMessage(c *mojo.Conn, m *mojo.Message) {
	args, err := arguments(m)
	if err != nil {
		c.Emit("failed", err.Error())
		return
	}
	if m.WantsAck() {
		err = m.Ack(args...)
	} else {
		err = c.Emit(m.Event(), args...)
	}
	if err != nil {
		c.Emit("failed", err.Error())
	}
}

func (echo) OnDisconnect(*mojo.Conn, mojo.Reason) {}

// arguments decodes all arguments of a message.
func arguments(m *mojo.Message) ([]any, error) {
	args, dst := make([]any, m.Len()), make([]any, m.Len())
	for i := range args {
		dst[i] = &args[i]
	}
	return args, m.Decode(dst...)
}

// gate is an app that refuses the clients whose auth payload says so.
func gate() *mojo.Events {
	return &mojo.Events{Connect: func(c *mojo.Conn) error {
		switch authOf(c)["please"] {
		case "refuse":
			return mojo.ClientError{Message: "not today", Data: map[string]any{"code": 7, "days": []string{"Mon", "Tue"}}}
		case "wrap":
			return fmt.Errorf("table users, row 12: %w", mojo.ClientError{Message: "not today"})
		case "fail":
			return errors.New("the database password is hunter2")
		}
		for i := range 3 {
			if err := c.Emit("welcome", c.ID(), i); err != nil {
				return err
			}
		}
		return nil
	}}
}

type (
	pair   struct{ A, B int }
	parcel struct {
		Name  string
		Data  mojo.Binary
		Parts []mojo.Binary
	}
	saying struct{ Room, Text string }
)

// Keys of the values that the app Desk stores with Conn.Set.
type (
	countKey struct{}
	heldKey  struct{}
)

// desk is an app with a typed function for each event of the scenarios.
func desk() *mojo.Events {
	ev := &mojo.Events{Fallback: holdAndRelease}

	mojo.OnCall(ev, "whoami", func(c *mojo.Conn, _ struct{}) (string, error) { return c.ID(), nil })
	mojo.OnCall(ev, "add", func(_ *mojo.Conn, in pair) (int, error) { return in.A + in.B, nil })
	mojo.OnCall(ev, "fail", func(_ *mojo.Conn, how string) (string, error) {
		if how == "openly" {
			return "", mojo.ClientError{Message: "out of stock", Data: map[string]int{"left": 0}}
		}
		return "", errors.New("the database password is hunter2")
	})
	mojo.OnCall(ev, "reverse", func(_ *mojo.Conn, in parcel) (parcel, error) { return reversed(in), nil })
	mojo.OnCall(ev, "quiz", quiz)
	mojo.OnCall(ev, "shout", func(c *mojo.Conn, in parcel) (bool, error) { return true, c.Channel().Emit("shouted", in) })

	mojo.On(ev, "count", func(c *mojo.Conn, n int) error {
		seen, _ := c.Get(countKey{}).([]int)
		c.Set(countKey{}, append(seen, n))
		return nil
	})
	mojo.OnCall(ev, "counted", func(c *mojo.Conn, _ struct{}) ([]int, error) {
		seen, _ := c.Get(countKey{}).([]int)
		return seen, nil
	})
	mojo.On(ev, "burst", func(c *mojo.Conn, n int) error {
		for i := range n {
			if err := c.Emit("n", i); err != nil {
				return err
			}
		}
		return nil
	})
	mojo.On(ev, "tick", func(c *mojo.Conn, n int) error {
		return errors.Join(c.Emit("tock", 2*n), c.Emit("tock", 2*n+1, mojo.Binary{byte(n)}))
	})
	mojo.On(ev, "volatile", func(c *mojo.Conn, n int) error {
		text := strings.Repeat("x", 4000) // all of them exceed MaxQueue
		for i := range n {
			if err := c.Volatile().Emit("maybe", i, text); err != nil {
				return err
			}
		}
		return c.Emit("surely")
	})

	mojo.On(ev, "join", func(c *mojo.Conn, rooms []string) error { return c.Join(rooms...) })
	mojo.On(ev, "leave", func(c *mojo.Conn, rooms []string) error { c.Leave(rooms...); return nil })
	mojo.On(ev, "say", func(c *mojo.Conn, in saying) error {
		return c.Channel().To(in.Room).Without(c).Emit("said", in.Text)
	})
	mojo.On(ev, "kick", func(c *mojo.Conn, _ struct{}) error { return c.Disconnect() })
	return ev
}

// holdAndRelease sends the ack of "hold" when it receives "release".
func holdAndRelease(c *mojo.Conn, m *mojo.Message) {
	switch m.Event() {
	case "hold":
		c.Set(heldKey{}, m)
	case "release":
		if held, ok := c.Get(heldKey{}).(*mojo.Message); ok {
			held.Ack("late")
		}
	}
}

func reversed(p parcel) parcel {
	p.Data = slices.Clone(p.Data)
	slices.Reverse(p.Data)
	p.Parts = slices.Clone(p.Parts)
	slices.Reverse(p.Parts)
	return p
}

// quiz calls the client, which must reverse a parcel, and reports whether the
// result is correct.
func quiz(c *mojo.Conn, _ struct{}) (bool, error) {
	sent := parcel{Name: "quiz", Data: mojo.Binary{0, 1, 127, 128, 255}, Parts: []mojo.Binary{{1}, {}, bytes.Repeat([]byte{7}, 3000)}}
	got, err := mojo.Call[parcel](c.Context(), c, "reverse", sent)
	if err != nil {
		return false, err
	}
	want := reversed(sent)
	return got.Name == want.Name && bytes.Equal(got.Data, want.Data) && slices.EqualFunc(got.Parts, want.Parts, func(a, b mojo.Binary) bool { return bytes.Equal(a, b) }), nil
}
