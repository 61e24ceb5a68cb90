package socketio

import (
	"bytes"
	"time"

	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/parser"
)

// attachmentSilence is how long a packet waits for its next attachment.
const attachmentSilence = 20 * time.Second

// assembly is a packet whose header was read and whose attachments were not, or
// not all. A client has one for all its packets. client.mu guards it.
type assembly struct {
	active      bool
	socket      *Socket // nil: it has ended, and the packet is only skipped
	header      parser.Packet
	data        []byte
	attachments [][]byte
	size        int
	due         time.Time   // of the next attachment
	silence     *time.Timer // calls client.silent, at due or before
}

func (c *client) assemble(s *Socket, p parser.Packet) {
	var data []byte
	if s != nil {
		data = bytes.Clone(p.Data)
	}
	p.Namespace, p.Data = nil, nil // they alias the reader's bytes
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	a := c.parts
	if a == nil {
		a = &assembly{silence: time.AfterFunc(attachmentSilence, c.silent)}
		c.parts = a
	}
	*a = assembly{active: true, socket: s, header: p, data: data, due: time.Now().Add(attachmentSilence), silence: a.silence}
}

// silent ends the connection if an attachment is overdue. The timer is not set
// again for each attachment, so silent looks when the next one is due. If none
// is, the assembly is not used any more.
func (c *client) silent() {
	c.mu.Lock()
	a := c.parts
	switch {
	case a == nil:
		c.mu.Unlock()
		return
	case !a.active:
		c.parts = nil
		c.mu.Unlock()
		return
	}
	left := time.Until(a.due)
	if left > 0 {
		a.silence.Reset(left)
	}
	c.mu.Unlock()
	if left <= 0 {
		c.session.Close(engineio.ParseError)
	}
}

func (c *client) assembling() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parts != nil && c.parts.active
}

// attachment takes the next binary message, which only makes sense behind a
// header that announced it.
func (c *client) attachment(data []byte) error {
	a, err := c.addAttachment(data)
	if err != nil || a == nil || a.socket == nil {
		return err
	}
	return a.socket.receive(a.header, a.data, a.attachments)
}

// addAttachment adds an attachment. It returns the packet if that is complete.
func (c *client) addAttachment(data []byte) (*assembly, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.parts
	if a == nil || !a.active {
		if c.gone {
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

// drop stops the timer of an assembly, which may be nil.
func (a *assembly) drop() {
	if a != nil {
		a.silence.Stop()
	}
}
