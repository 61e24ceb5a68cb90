// Package ledger is for stores that keep which sessions and logins are not
// valid any more, so that a Server knows that after a restart: see
// mojo.Options.Ledger.
//
// Package mojobolt has a store in a file, for one process, and package mojoredis
// one in Redis, for several. Package ledgertest checks another one.
package ledger

import (
	"context"
	"time"
)

// Store keeps records. A Server loads them once, in mojo.New, and saves one for
// each session id that a login, a logout or a revocation has given up. The
// Servers of a cluster share one store.
//
// A store is as important as the keys of the cookies: a program that can change
// it can make a revoked session valid again, or log people out. It cannot log
// anybody in.
//
// The methods are called from several goroutines at the same time. They return
// an error when ctx ends. An error begins with the name of the store's package.
type Store interface {
	// Save stores records. After it has returned nil, the end of the process
	// does not lose them. A record that is stored already stays as it is: a
	// record is saved again if it is not known whether it was stored. After an
	// error some of the records may be stored. Save must not keep the slice or
	// the values.
	Save(ctx context.Context, records []Record) error

	// Load calls yield for each record whose Save has returned before, in any
	// order, and not for records that have expired. It may yield a record
	// twice, and may leave out some if there are more than MaxRecords. The
	// values belong to yield. Load returns the first error of yield, and does
	// not call it again after that. The function yield does not call methods of
	// the Store.
	Load(ctx context.Context, yield func(Record) error) error
}

// Record is a fact. It never changes: two records with the same Key are equal.
type Record struct {
	Key     string    // from 1 to MaxKey ASCII letters, digits, "-" and "_"
	Value   []byte    // from 1 to MaxValue bytes; a store does not interpret it
	Expires time.Time // after which the record is not needed any more; never zero; a store may round it up to a second
}

// The bounds of records.
const (
	MaxKey   = 64      // bytes
	MaxValue = 8 << 10 // bytes
)

// MaxRecords is how many records a store has to keep. Of a larger number it may
// remove those that expire first, so that somebody who logs out all the time
// does not fill it. A Server does not remember more.
const MaxRecords = 1 << 18
