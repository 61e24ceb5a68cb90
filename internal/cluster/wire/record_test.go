package wire

import (
	"encoding/hex"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/ledger"
)

var (
	moment = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	clock1 = command.Clock{Time: moment.UnixNano(), Node: "n"}
	ann    = command.Identified{Identity: command.Identity{Session: "new", User: "ann"}, LoginTime: moment}

	// records has entries by the bytes of version 1.
	records = map[string]ledger.Entry{
		"0100036f6c648cc8b1c9c3bce58631016e8cc8f6d4898ee78631036e657703616e6effffffffffffffffff018cc8b1c9c3bce586310000": {
			Kind: ledger.GivenUp, ID: "old", At: clock1, Until: moment.Add(time.Hour), To: ann,
		},
		"010101738cc8b1c9c3bce58631016effffffffffffffffff010000ffffffffffffffffff01ffffffffffffffffff010000": {
			Kind: ledger.Revoked, ID: "s", At: clock1,
		},
		"010203616e6e8cc8b1c9c3bce58631016e8cc8b1c9c3bce586310000ffffffffffffffffff01ffffffffffffffffff01030161016200": {
			Kind: ledger.CutOff, ID: "ann", At: clock1, Until: moment, Exempt: []string{"a", "b"},
		},
	}
)

// The bytes of version 1 are in the stores of sites, so they are written and
// read for ever.
func TestRecordsOfVersion1(t *testing.T) {
	for want, e := range records {
		require.Equal(t, want, hex.EncodeToString(EncodeRecord(e)))
		encoded, err := hex.DecodeString(want)
		require.NoError(t, err)

		decoded, err := DecodeRecord(encoded)

		require.NoError(t, err)
		require.Equal(t, e, decoded)
		decoded, err = DecodeRecord(append(encoded, "of a later version"...))
		require.NoError(t, err)
		require.Equal(t, e, decoded)
	}
}

// What is not a record, or what a hub cannot merge, is an error.
func TestRecordsThatAreBroken(t *testing.T) {
	_, err := DecodeRecord([]byte{2, 0, 0})
	require.ErrorIs(t, err, ErrUnknownVersion)
	for name, e := range map[string]ledger.Entry{
		"no id":         {Kind: ledger.Revoked, At: clock1},
		"no clock":      {Kind: ledger.Revoked, ID: "s"},
		"kind Changed":  {Kind: ledger.Changed, ID: "s", At: clock1},
		"unknown kind":  {Kind: 200, ID: "s", At: clock1},
		"the last time": {Kind: ledger.Revoked, ID: "s", At: command.Clock{Time: math.MaxInt64}},
		"a time before": {Kind: ledger.Revoked, ID: "s", At: command.Clock{Time: -1}},
	} {
		_, err := DecodeRecord(EncodeRecord(e))
		require.ErrorIs(t, err, errNoFact, name)
	}
	for encoded := range records {
		whole, err := hex.DecodeString(encoded)
		require.NoError(t, err)
		for n := range whole {
			_, err := DecodeRecord(whole[:n])
			require.Error(t, err, "%d bytes", n)
		}
	}
}

// FuzzRecord decodes what anybody may have written into a store.
func FuzzRecord(f *testing.F) {
	for encoded := range records {
		whole, _ := hex.DecodeString(encoded)
		f.Add(whole)
	}
	f.Add([]byte{1, 2, 1, 'a', 2, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeRecord(b)
		if err != nil {
			return
		}
		again, err := DecodeRecord(EncodeRecord(e))
		require.NoError(t, err)
		require.Equal(t, e, again)
	})
}
