package mojobolt

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/mojosocket/mojo/ledger"
)

// lockTime is how long Open waits for another process to close the file, such as
// one that is being replaced.
const lockTime = time.Second

// Open opens a file, or makes one that only its owner may read. The folder must
// exist, on a disk of this machine. It checks the whole file, which takes up to a
// second for 262,144 records. Close the Ledger when the Server has ended.
//
// The error is an ErrInUse if the file is open already, after a second, and an
// ErrCorrupt if it is damaged.
func Open(path string) (*Ledger, error) {
	l := &Ledger{path: path, saving: make(chan struct{}, 1)}
	err := l.guard(func() (err error) {
		l.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout: lockTime, FreelistType: bbolt.FreelistMapType, NoStatistics: true, OpenFile: l.openFile,
		})
		if err != nil && !errors.Is(err, bbolterrors.ErrTimeout) && !errors.As(err, new(syscall.Errno)) { // what the file says
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return err
	})
	if err == nil {
		err = l.guard(l.prepare)
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// openFile opens the file for bbolt, which does not close it when it panics.
func (l *Ledger) openFile(name string, flag int, mode os.FileMode) (*os.File, error) {
	file, err := os.OpenFile(name, flag, mode)
	l.file = file
	return file, err
}

// Close closes the file. It waits until a Save that runs has ended. The methods
// return an error after that. It may be called again. Call it after
// Server.Shutdown or Close. A file that was found to be damaged may stay locked
// until the process ends, but it can be removed.
func (l *Ledger) Close() error {
	if l.db == nil || l.damaged.Load() != nil {
		_ = l.file.Close() // bbolt may hold its locks for ever; nil: it was not opened
		return nil
	}
	return l.wrap(l.db.Close())
}

// prepare checks the file, and makes the buckets if it is new.
func (l *Ledger) prepare() error {
	isNew := false
	err := l.db.View(func(tx *bbolt.Tx) error {
		if first, _ := tx.Cursor().First(); first == nil {
			isNew = true
			return nil
		}
		return l.check(tx)
	})
	if err != nil || !isNew {
		return err
	}
	return l.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{records, expires} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return nil
	})
}

// check counts the records, and returns an error if they do not fit together.
// Where pages do not, bbolt panics. It does not find values that have changed;
// the Server does. Tx.Check would find more, but it has a goroutine of its own, in
// which a fault ends the process.
func (l *Ledger) check(tx *bbolt.Tx) error {
	records, expires := tx.Bucket(records), tx.Bucket(expires)
	if records == nil || expires == nil {
		return fmt.Errorf("%w: a bucket is missing", ErrCorrupt)
	}
	err := records.ForEach(func(key, value []byte) error {
		if !isRecord(key, value) {
			return fmt.Errorf("%w: a record has a wrong length", ErrCorrupt)
		}
		if expires.Get(append(value[:timeLen:timeLen], key...)) == nil {
			return fmt.Errorf("%w: the expiry of a record is missing", ErrCorrupt)
		}
		l.count++
		return nil
	})
	if err != nil {
		return err
	}
	entries := 0
	err = expires.ForEach(func([]byte, []byte) error {
		entries++
		return nil
	})
	if err == nil && entries != l.count {
		err = fmt.Errorf("%w: it has %d records and %d expiries", ErrCorrupt, l.count, entries)
	}
	return err
}

// isRecord reports whether a key and a value of the file may be a record.
func isRecord(key, value []byte) bool {
	return len(key) > 0 && len(key) <= ledger.MaxKey && len(value) >= timeLen && len(value) <= timeLen+ledger.MaxValue
}

// guard calls a function of bbolt, and names the file in its error. bbolt panics
// where a damaged file makes no sense, and where it reads behind the end of a
// file that somebody has cut off. It may hold locks then, so it is not called any
// more.
func (l *Ledger) guard(f func() error) (err error) {
	if damaged := l.damaged.Load(); damaged != nil {
		return *damaged
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
			defer l.damaged.Store(&err)
		}
		err = l.wrap(err)
	}()
	return f()
}

// wrap adds the names of the package and of the file to an error.
func (l *Ledger) wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bbolterrors.ErrTimeout):
		err = ErrInUse
	case errors.Is(err, bbolterrors.ErrDatabaseNotOpen):
		err = os.ErrClosed
	}
	return fmt.Errorf("mojobolt: %s: %w", l.path, err)
}
