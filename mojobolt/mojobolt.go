// Package mojobolt keeps in a file what a mojo.Server must not forget in a
// restart: which sessions and logins are not valid any more.
//
//	revoked, err := mojobolt.Open("/var/lib/site/revoked.db")
//	if err != nil {
//		return err
//	}
//	defer revoked.Close()
//	srv, err := mojo.New(mojo.Options{Cookies: cookies, Ledger: revoked})
//
// The file is for one process. The processes of a cluster share a store, such as
// that of package mojoredis.
package mojobolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/mojosocket/mojo/ledger"
)

// The errors of Open and of the methods that callers can tell apart with
// errors.Is.
var (
	// ErrInUse is returned by Open for a file that is open already, in another
	// process or in this one.
	ErrInUse = errors.New("the file is open already, in another process or in this one")
	// ErrCorrupt is returned for a file that is damaged, or that is not a
	// database of bbolt. If the site removes the file, it forgets what was
	// revoked.
	ErrCorrupt = errors.New("the file is damaged, or is not of this package")
)

// Ledger is a ledger.Store in a file. Make it with Open. It is safe for
// concurrent use, and may be used by several Servers of one process.
type Ledger struct {
	db      *bbolt.DB
	path    string
	file    *os.File              // of db
	damaged atomic.Pointer[error] // what has made bbolt panic; nil: nothing

	saving chan struct{} // has a value while a Save runs; guards the field below
	count  int           // of the records
}

var _ ledger.Store = (*Ledger)(nil)

// The buckets of a file.
var (
	records = []byte("records") // the expiry and the value by the key
	expires = []byte("expires") // the expiry and the key, without a value
)

// maxExpired is the number of expired records that one Save removes.
const maxExpired = 1000

// Save implements ledger.Store. The records are on the disk when it has
// returned nil. If ctx ends before, they may be stored later. It removes records
// that have expired.
func (l *Ledger) Save(ctx context.Context, list []ledger.Record) error {
	if err := ctx.Err(); err != nil {
		return l.wrap(err)
	}
	select {
	case l.saving <- struct{}{}:
	case <-ctx.Done():
		return l.wrap(ctx.Err())
	}
	list = clone(list)
	result := make(chan error, 1)
	go func() { // the disk may hang
		defer func() { <-l.saving }()
		result <- l.save(list, time.Now())
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return l.wrap(ctx.Err())
	}
}

// clone copies what the caller of Save may change when it has returned.
func clone(list []ledger.Record) []ledger.Record {
	list = append([]ledger.Record(nil), list...)
	for i := range list {
		list[i].Value = bytes.Clone(list[i].Value)
	}
	return list
}

func (l *Ledger) save(list []ledger.Record, now time.Time) error {
	count := l.count
	err := l.guard(func() error {
		return l.db.Update(func(tx *bbolt.Tx) error {
			records, expires := tx.Bucket(records), tx.Bucket(expires)
			for _, r := range list {
				if r.Expires.Before(now) || records.Get([]byte(r.Key)) != nil {
					continue
				}
				at := binary.BigEndian.AppendUint64(nil, nanoseconds(r.Expires))
				if err := records.Put([]byte(r.Key), append(at, r.Value...)); err != nil {
					return err
				}
				if err := expires.Put(append(at[:timeLen:timeLen], r.Key...), nil); err != nil {
					return err
				}
				count++
			}
			removed, err := remove(records, expires, now, count-ledger.MaxRecords)
			count -= removed
			return err
		})
	})
	if err == nil {
		l.count = count
	}
	return err
}

// remove removes records that have expired, and those that expire next until it
// has removed a number.
func remove(records, expires *bbolt.Bucket, now time.Time, least int) (removed int, err error) {
	for c := expires.Cursor(); ; removed++ {
		entry, _ := c.First()
		if len(entry) < timeLen {
			return removed, nil // there is none
		}
		expired := binary.BigEndian.Uint64(entry) <= nanoseconds(now) && removed < maxExpired
		if !expired && removed >= least {
			return removed, nil
		}
		if err := records.Delete(entry[timeLen:]); err != nil {
			return removed, err
		}
		if err := c.Delete(); err != nil {
			return removed, err
		}
	}
}

// timeLen is the length of an expiry in the file: its nanoseconds since 1970.
const timeLen = 8

// nanoseconds returns a time as it is in the file. Times before 1970 are 0, and
// those that an int64 cannot hold are the latest.
func nanoseconds(t time.Time) uint64 {
	switch {
	case t.Unix() < 0:
		return 0
	case t.Unix() > 1<<33:
		return 1 << 63
	}
	return uint64(t.UnixNano())
}

// Load implements ledger.Store.
func (l *Ledger) Load(ctx context.Context, yield func(ledger.Record) error) error {
	now := nanoseconds(time.Now())
	var failed error // of yield
	err := l.guard(func() error {
		return l.db.View(func(tx *bbolt.Tx) error {
			return tx.Bucket(records).ForEach(func(key, value []byte) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				if !isRecord(key, value) {
					return fmt.Errorf("%w: a record has a wrong length", ErrCorrupt)
				}
				at := binary.BigEndian.Uint64(value)
				if at <= now {
					return nil
				}
				failed = yield(ledger.Record{
					Key: string(key), Value: bytes.Clone(value[timeLen:]), Expires: time.Unix(0, int64(min(at, 1<<63-1))),
				})
				return failed
			})
		})
	})
	if failed != nil {
		return failed
	}
	return err
}
