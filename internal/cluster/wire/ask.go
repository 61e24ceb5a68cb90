package wire

import "github.com/mojosocket/mojo/internal/command"

// An event with acks is an Ask. A node that gets it answers with one Asked or
// several, and then with Acks. The sender counts the IDs of its questions.

// Ask is an event for connections on any node, whose answers the sender wants.
type Ask struct {
	ID      uint64
	Timeout uint64 // milliseconds after which no answer is wanted
	command.Emit
}

func (*Ask) kind() kind { return kindAsk }
func (m *Ask) fields(c *codec) {
	c.uint(&m.ID)
	c.uint(&m.Timeout)
	emit(c, &m.Emit)
}

// EndAsk says that the sender wants no more answers.
type EndAsk struct{ ID uint64 }

func (*EndAsk) kind() kind        { return kindEndAsk }
func (m *EndAsk) fields(c *codec) { c.uint(&m.ID) }

// Notify is a notification for the code of the site on other nodes. With an ID
// each of them answers with Acks of one connection, the number 0.
type Notify struct {
	ID   uint64 // 0: no answer is wanted
	JSON []byte // the array of the name and the arguments
}

func (*Notify) kind() kind { return kindNotify }
func (m *Notify) fields(c *codec) {
	c.uint(&m.ID)
	c.bytes(&m.JSON)
}

// Asked says which connections were asked. They are numbered over all messages
// for one question.
type Asked struct {
	ID    uint64
	Conns []AskedConn
	Last  bool
}

// AskedConn is a connection that was asked.
type AskedConn struct {
	ID       string
	Identity command.Identified
}

func (*Asked) kind() kind { return kindAsked }
func (m *Asked) fields(c *codec) {
	c.uint(&m.ID)
	slice(c, &m.Conns, 5, func(c *codec, v *AskedConn) {
		c.string(&v.ID)
		identified(c, &v.Identity)
	})
	c.bool(&m.Last)
}

// Acks are answers to one question.
type Acks struct {
	ID   uint64
	Acks []Ack
}

// Ack is what came from one connection.
type Ack struct {
	Number      uint32 // of the connection
	Outcome     uint8  // see package answers
	Identity    command.Identified
	JSON        []byte // the encoded arguments
	Attachments [][]byte
}

func (*Acks) kind() kind { return kindAcks }
func (m *Acks) fields(c *codec) {
	c.uint(&m.ID)
	slice(c, &m.Acks, 8, func(c *codec, v *Ack) {
		smallInt(c, &v.Number)
		c.byte(&v.Outcome)
		identified(c, &v.Identity)
		c.bytes(&v.JSON)
		slice(c, &v.Attachments, 1, (*codec).bytes)
	})
}
