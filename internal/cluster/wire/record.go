package wire

import (
	"errors"

	"github.com/mojosocket/mojo/internal/hub/ledger"
)

// recordVersion is the first byte of an encoded entry of a ledger. It changes
// together with ledgerEntry, and DecodeRecord reads all earlier versions, too.
const recordVersion = 1

// The errors of DecodeRecord for what it can read.
var (
	ErrUnknownVersion = errors.New("the version of the record is not known")
	errNoFact         = errors.New("the record has no id, time or kind that is known")
)

// EncodeRecord returns the bytes of an entry for a store, where they stay longer
// than this version of mojo. Equal entries have the same bytes.
func EncodeRecord(e ledger.Entry) []byte {
	c := codec{b: []byte{recordVersion}}
	ledgerEntry(&c, &e)
	return c.b
}

// DecodeRecord returns the entry that the bytes are. Bytes that a later version
// has added at the end are not read. It returns no entry that a hub must not
// merge.
func DecodeRecord(b []byte) (ledger.Entry, error) {
	switch {
	case len(b) == 0:
		return ledger.Entry{}, errTruncated
	case b[0] != recordVersion:
		return ledger.Entry{}, ErrUnknownVersion
	}
	c := codec{reading: true, b: b[1:]}
	var e ledger.Entry
	ledgerEntry(&c, &e)
	if c.err != nil {
		return ledger.Entry{}, c.err
	}
	// A hub never gives a command an earlier clock than the latest that it has
	// seen, so a clock near the end of an int64 would be the last one.
	if e.ID == "" || e.Kind > ledger.CutOff || e.At.Time <= 0 || e.At.Time > maxTime {
		return ledger.Entry{}, errNoFact
	}
	return e, nil
}

// maxTime is the latest clock of a record, in the year 2116.
const maxTime = 1 << 62
