package socketio

import (
	"bytes"
	"time"

	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/parser"
)

// attachmentSilence is how long the server waits for the next attachment of a
// packet.
const attachmentSilence = 20 * time.Second

// assembly is a packet whose header was read, and whose attachments have not
// all been read. A client uses one assembly for all its packets. client.mu
// guards it.
type assembly struct {
	active      bool
	socket      *Socket // nil: it has ended, and the attachments are dropped
	header      parser.Packet
	data        []byte
	attachments [][]byte
	size        int
	due         time.Time   // when the next attachment has to arrive
	silence     *time.Timer // calls client.checkSilence at due, or earlier
}

func (c *client) beginAssembly(s *Socket, p parser.Packet) {
	var data []byte
	if s != nil {
		data = bytes.Clone(p.Data)
	}
	p.Namespace, p.Data = nil, nil // they are in the buffer of the reader
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	a := c.assembly
	if a == nil {
		a = &assembly{silence: time.AfterFunc(attachmentSilence, c.checkSilence)}
		c.assembly = a
	}
	*a = assembly{active: true, socket: s, header: p, data: data, due: time.Now().Add(attachmentSilence), silence: a.silence}
}

// checkSilence closes the connection if an attachment is overdue. The timer is
// not reset for each attachment, so checkSilence resets it if the next one is
// not due yet. If the client has sent no header since, it frees the assembly.
func (c *client) checkSilence() {
	c.mu.Lock()
	a := c.assembly
	switch {
	case a == nil:
		c.mu.Unlock()
		return
	case !a.active:
		c.assembly = nil
		c.mu.Unlock()
		return
	}
	remaining := time.Until(a.due)
	if remaining > 0 {
		a.silence.Reset(remaining)
	}
	c.mu.Unlock()
	if remaining <= 0 {
		c.session.Close(engineio.ParseError)
	}
}

func (c *client) assembling() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.assembly != nil && c.assembly.active
}

// receiveAttachment handles a binary message, which must follow a header.
func (c *client) receiveAttachment(data []byte) error {
	a, err := c.addAttachment(data)
	if err != nil || a == nil || a.socket == nil {
		return err
	}
	return a.socket.receive(a.header, a.data, a.attachments)
}

// addAttachment adds an attachment. It returns the packet if it is complete.
func (c *client) addAttachment(data []byte) (*assembly, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.assembly
	if a == nil || !a.active {
		if c.closed {
			return nil, nil
		}
		return nil, errUnexpected
	}
	if a.size += len(data); a.size > c.server.opts.MaxAttachmentBytes {
		return nil, errBinarySize
	}
	if a.socket == nil {
		data = nil
	}
	a.attachments = append(a.attachments, append([]byte{}, data...))
	if len(a.attachments) < a.header.Attachments {
		a.due = time.Now().Add(attachmentSilence)
		return nil, nil
	}
	whole := *a
	*a = assembly{silence: a.silence}
	return &whole, nil
}

// stop stops the timer of an assembly, which may be nil.
func (a *assembly) stop() {
	if a != nil {
		a.silence.Stop()
	}
}
