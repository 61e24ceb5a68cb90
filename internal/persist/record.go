// Package persist keeps what the ledger of a hub is given in a store of the
// site, so that it outlives the process.
//
// Locks: Writer.mu guards Writer.writerByMu. No other lock is taken and no
// method of the store is called while it is held.
package persist

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/mojosocket/mojo/internal/cluster/wire"
	hubledger "github.com/mojosocket/mojo/internal/hub/ledger"
	"github.com/mojosocket/mojo/ledger"
)

// lifetime is how long an entry is stored that does not say when it expires:
// no browser keeps a cookie for longer.
const lifetime = 400 * 24 * time.Hour

var errTooLarge = fmt.Errorf("its ids have more than %d bytes together", ledger.MaxValue)

// recordOf returns the record of an entry. Equal entries have the same record.
func recordOf(e hubledger.Entry) (ledger.Record, error) {
	r := ledger.Record{Value: wire.EncodeRecord(e), Expires: e.Until}
	r.Key = keyOf(r.Value)
	if len(r.Value) > ledger.MaxValue {
		return r, errTooLarge
	}
	if r.Expires.IsZero() {
		r.Expires = e.At.Wall().Add(lifetime)
	}
	return r, nil
}

// keyOf returns the key of a value. It shows whether the value has changed in
// the store, and does not show the ids in it.
func keyOf(value []byte) string {
	hash := sha256.Sum256(value)
	return base64.RawURLEncoding.EncodeToString(hash[:16])
}

var errChanged = errors.New("the value is not the one that was stored under this key")

// entryOf returns the entry of a record.
func entryOf(r *ledger.Record) (hubledger.Entry, error) {
	if r.Key != keyOf(r.Value) {
		return hubledger.Entry{}, errChanged
	}
	return wire.DecodeRecord(r.Value)
}
