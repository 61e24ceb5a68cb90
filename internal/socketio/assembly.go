package socketio

import (
	"bytes"
	"time"

	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/parser"
)

// attachmentSilence is how long a packet waits for its next attachment.
const attachmentSilence = 20 * time.Second

// assembly is a packet whose header has come and whose attachments are coming.
type assembly struct {
	socket      *Socket // nil: it has ended, and the packet is only skipped
	header      parser.Packet
	data        []byte
	attachments [][]byte
	size        int
	silence     *time.Timer
}

func (c *client) assemble(s *Socket, p parser.Packet) {
	a := &assembly{socket: s, header: p}
	if s != nil {
		a.data = bytes.Clone(p.Data)
	}
	a.header.Namespace, a.header.Data = nil, nil // they alias the reader's bytes
	a.silence = time.AfterFunc(attachmentSilence, func() { c.session.Close(engineio.ParseError) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		a.drop()
		return
	}
	c.parts = a
}

func (c *client) assembling() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parts != nil
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

// addAttachment returns the packet if it is complete now.
func (c *client) addAttachment(data []byte) (*assembly, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.parts
	if a == nil {
		if c.gone {
			return nil, nil
		}
		return nil, errUnexpected
	}
	if a.size += len(data); a.size > c.server.opts.MaxAttachmentBytes {
		return nil, errUnexpected
	}
	if a.socket == nil {
		data = nil
	}
	a.attachments = append(a.attachments, append([]byte{}, data...))
	if len(a.attachments) < a.header.Attachments {
		a.silence.Reset(attachmentSilence)
		return nil, nil
	}
	a.drop()
	c.parts = nil
	return a, nil
}

// drop stops waiting for attachments, if anything does.
func (a *assembly) drop() {
	if a != nil {
		a.silence.Stop()
	}
}
