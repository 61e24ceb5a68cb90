package answers

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/parser"
)

func nobody(int) From { return From{} }

// begin returns a Collection and one part of it, in which a number of
// connections are asked.
func begin(t *testing.T, count int) (*Collection, *Part) {
	t.Helper()
	c := New(t.Context(), time.Hour)
	t.Cleanup(c.Close)
	p := c.AddPart()
	p.Ask(count, nobody)
	p.Told()
	c.Ready()
	return c, p
}

func large(bytesOf int) Answer {
	json := append(append([]byte(`["`), bytes.Repeat([]byte("x"), bytesOf)...), `"]`...)
	return Answer{Outcome: Answered, Payload: parser.Payload{JSON: json}}
}

// Answers above the bound are dropped, and their senders counted.
func TestUnreadAnswersAreBounded(t *testing.T) {
	c, p := begin(t, 20)
	const size = MaxUnread / 10
	for i := range 20 {
		p.Answer(i, large(size))
	}
	require.LessOrEqual(t, c.bytes, MaxUnread+20*1000)
	whole := 0
	for range 20 {
		a, ok := c.Next()
		require.True(t, ok)
		if a.Outcome == Answered {
			whole++
			require.Equal(t, 1, a.Args.Len())
		} else {
			require.Equal(t, TooLarge, a.Outcome)
		}
	}
	require.Equal(t, 9, whole)
	require.Zero(t, c.bytes)
	_, ok := c.Next()
	require.False(t, ok)
}

// Close drops what was not read.
func TestCloseDropsAnswers(t *testing.T) {
	c, p := begin(t, 2)
	p.Answer(0, large(1000))
	c.Close()
	_, ok := c.Next()
	require.False(t, ok)
	require.Zero(t, c.unread.Len())
	require.Zero(t, c.bytes)
	require.Len(t, c.Missing(), 1)
	p.Answer(1, large(1000))
	require.Zero(t, c.bytes)
}

// A Collection ends when all have answered, and not before its parts are known.
func TestPartsAreWaitedFor(t *testing.T) {
	c := New(t.Context(), time.Hour)
	defer c.Close()
	ended := 0
	c.OnEnd(func() { ended++ })
	first, second := c.AddPart(), c.AddPart()
	first.Ask(1, nobody)
	first.Told()
	first.Answer(0, Answer{Outcome: Ended})
	c.Ready()
	require.True(t, second.Open())
	second.Ask(1, nobody)
	second.Ask(2, func(i int) From { return From{ID: string(rune('b' + i))} })
	second.Told()
	second.Told()
	require.Equal(t, 4, c.Asked())
	second.Answer(2, Answer{Outcome: Ended})
	second.Answer(2, Answer{Outcome: Ended})
	second.Answer(3, Answer{Outcome: Ended})
	second.Answer(0, Answer{Outcome: Ended})
	require.Zero(t, ended)
	require.Equal(t, []Answer{{From: From{ID: "b"}}}, c.Missing())
	second.Answer(1, Answer{Outcome: Ended})
	require.Equal(t, 1, ended)
	require.False(t, second.Open())
	c.OnEnd(func() { ended++ })
	require.Equal(t, 2, ended)
	for range 4 {
		_, ok := c.Next()
		require.True(t, ok)
	}
	_, ok := c.Next()
	require.False(t, ok)
	require.NoError(t, c.Err())
	require.False(t, c.Lost())
}

// A part that is lost is not waited for, and those who have not answered are
// missing.
func TestLostParts(t *testing.T) {
	c, p := begin(t, 2)
	p.Answer(0, Answer{Outcome: Ended})
	p.Lose()
	p.Lose()
	p.Answer(1, Answer{Outcome: Ended})
	_, ok := c.Next()
	require.True(t, ok)
	_, ok = c.Next()
	require.False(t, ok)
	require.True(t, c.Lost())
	require.Equal(t, []Answer{{Outcome: Lost}}, c.Missing())

	c = New(t.Context(), time.Hour)
	c.AddPart().Lose() // before it has said whom it has asked
	c.Ready()
	_, ok = c.Next()
	require.False(t, ok)
}

// The end of the context is the end.
func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := New(ctx, time.Hour)
	c.AddPart().Ask(1, nobody)
	require.LessOrEqual(t, c.Remaining(), time.Hour)
	cancel()
	_, ok := c.Next()
	require.False(t, ok)
	require.ErrorIs(t, c.Err(), context.Canceled)
	require.Len(t, c.Missing(), 1)
}
