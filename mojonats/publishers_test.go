package mojonats

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// arrival is a frame, and what receive makes of it.
type arrival struct {
	header
	body  string
	whole string // "" if it makes no message whole
	gap   bool
}

func TestPublishers(t *testing.T) {
	all := func(epoch, number uint64) header {
		return header{kind: kindControl, name: "a", toAll: true, epoch: epoch, number: number}
	}
	one := func(epoch, number uint64) header {
		return header{kind: kindControl, name: "a", epoch: epoch, number: number}
	}
	piece := func(message uint64, offset int) header {
		return header{kind: kindControl, name: "a", epoch: 1, number: 1, message: message, total: 4, offset: offset}
	}
	for name, arrivals := range map[string][]arrival{
		"nothing is lost": {{all(1, 5), "1", "1", false}, {one(1, 5), "2", "2", false}, {all(1, 6), "3", "3", false}},
		"a message to all is lost, and the next is to all":     {{all(1, 5), "1", "1", false}, {all(1, 7), "3", "3", true}, {all(1, 8), "4", "4", false}},
		"a message to all is lost, and the next is not":        {{all(1, 5), "1", "1", false}, {one(1, 6), "3", "3", true}, {all(1, 7), "4", "4", false}},
		"a message comes again":                                {{all(1, 5), "1", "1", false}, {all(1, 5), "1", "", false}, {all(1, 6), "2", "2", false}},
		"an earlier connection's message comes late":           {{all(1, 5), "1", "1", false}, {all(2, 6), "3", "3", false}, {one(1, 5), "2", "", false}, {all(1, 6), "2", "", false}},
		"numbers that were not confirmed are used again":       {{all(1, 5), "1", "1", false}, {all(1, 6), "2", "2", false}, {all(2, 6), "3", "3", false}},
		"a confirmed message of an earlier connection is lost": {{all(1, 5), "1", "1", false}, {all(2, 7), "3", "3", true}},
		"pieces":                            {{piece(1, 0), "12", "", false}, {piece(1, 2), "34", "1234", false}, {one(1, 1), "5", "5", false}},
		"the first piece is missing":        {{piece(1, 2), "34", "", false}, {one(1, 1), "5", "5", false}},
		"the last piece is missing":         {{piece(1, 0), "12", "", false}, {one(1, 1), "5", "5", true}},
		"pieces of two messages":            {{piece(1, 0), "12", "", false}, {piece(2, 2), "34", "", true}, {one(1, 1), "5", "5", false}},
		"a piece comes again":               {{piece(1, 0), "1", "", false}, {piece(1, 0), "1", "", true}, {piece(1, 1), "234", "1234", false}},
		"a piece in the middle is missing":  {{piece(1, 0), "1", "", false}, {piece(1, 2), "34", "", true}},
		"the publisher connects in between": {{piece(1, 0), "12", "", false}, {header{kind: kindControl, name: "a", epoch: 2, number: 1, message: 1, total: 4, offset: 2}, "34", "", true}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPublishers(100)
			for i, a := range arrivals {
				whole, gap, err := p.receive(&a.header, []byte(a.body))
				require.NoError(t, err)
				require.Equal(t, a.whole, string(whole), i)
				require.Equal(t, a.gap, gap, i)
			}
			require.LessOrEqual(t, p.size, 2)
		})
	}
}

// After a report of lost messages, what was lost before is not reported again.
func TestPublishersResume(t *testing.T) {
	p := newPublishers(100)
	for _, number := range []uint64{5, 9, 10} {
		_, gap, err := p.receive(&header{kind: kindMark, name: "a", toAll: true, epoch: 1, number: number}, nil)
		require.NoError(t, err)
		require.False(t, gap)
		if number == 5 {
			p.resume()
		}
	}
}

// Publishers that are gone make room for others, and what they have begun to send
// is dropped.
func TestPublishersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPublishers(100)
		send := func(i int) error {
			_, _, err := p.receive(&header{kind: kindControl, name: fmt.Sprint("n", i), total: 100}, []byte("x"))
			return err
		}
		sent := 0
		for ; sent < maxSources; sent++ {
			err := send(sent)
			require.LessOrEqual(t, p.size, maxParts*100)
			if err != nil {
				require.ErrorIs(t, err, errParts)
			}
		}
		require.ErrorIs(t, send(sent), errSources)
		time.Sleep(2 * silentFor)
		require.NoError(t, send(sent))
		require.Equal(t, 1, p.size)
		require.Len(t, p.byName, 1)
	})
}

func TestToken(t *testing.T) {
	for name, want := range map[string]string{
		"": "=", "room-1_A": "room-1_A", "a.b": "a=2Eb", "a b*>": "a=20b=2A=3E", "ж": "=D0=B6", "=": "=3D", "\x00": "=00",
		strings.Repeat("x", 160): strings.Repeat("x", 160),
	} {
		require.Equal(t, want, token(name))
	}
	require.Len(t, token(strings.Repeat("x", 161)), 45)
}
