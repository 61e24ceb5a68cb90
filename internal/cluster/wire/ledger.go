package wire

import "github.com/mojosocket/mojo/internal/hub/ledger"

// LedgerQuery asks a node for what is not valid any more.
type LedgerQuery struct{}

func (*LedgerQuery) kind() kind      { return kindLedgerQuery }
func (*LedgerQuery) fields(c *codec) {}

// Ledger is a part of the answer to a LedgerQuery.
type Ledger struct {
	Part    int  // the number of this one, from 0
	Last    bool // no other Ledger follows
	Entries []ledger.Entry
}

func (*Ledger) kind() kind { return kindLedger }
func (m *Ledger) fields(c *codec) {
	smallInt(c, &m.Part)
	c.bool(&m.Last)
	slice(c, &m.Entries, 8, ledgerEntry)
}

func ledgerEntry(c *codec, e *ledger.Entry) {
	smallInt(c, &e.Kind)
	c.string(&e.ID)
	clock(c, &e.At)
	c.time(&e.Until)
	identified(c, &e.To)
	c.strings(&e.Exempt)
	c.bool(&e.InPlace)
}
