package mojonats

import (
	"bytes"
	"encoding/binary"
	"encoding/json"

	"github.com/mojosocket/mojo/cluster"
)

// The flags of an event, and of a command.
const (
	flagIDs = 1 << iota
	flagVolatile
	flagLatest
	flagClose
	flagsEnd
)

func flag(set bool, f byte) byte {
	if set {
		return f
	}
	return 0
}

// appendEvent appends an event to a buffer. Its address is first: most events
// that a node drops are dropped for it.
func appendEvent(b []byte, e *cluster.Event) []byte {
	b = append(b, flag(e.IDs, flagIDs)|flag(e.Volatile, flagVolatile)|flag(e.Latest, flagLatest))
	b = appendAddress(b, &e.Address)
	b = appendBytes(b, e.Key)
	b = appendBytes(b, e.Data)
	b = binary.AppendUvarint(b, uint64(len(e.Attachments)))
	for _, attachment := range e.Attachments {
		b = appendBytes(b, attachment)
	}
	return b
}

func appendAddress(b []byte, a *cluster.Address) []byte {
	b = appendBytes(b, a.Namespace)
	b = appendStrings(b, a.Rooms)
	return appendStrings(b, a.Except)
}

// decodeEvent decodes an event, which aliases the body. It returns nil if wanted
// returns false for the address.
func decodeEvent(body []byte, wanted func(*cluster.Address) bool) (*cluster.Event, error) {
	d := decoder{rest: body}
	flags := d.byte()
	e := &cluster.Event{Volatile: flags&flagVolatile != 0, Latest: flags&flagLatest != 0}
	e.Address = d.address(flags)
	if d.failed || flags >= flagsEnd {
		return nil, errFrame
	}
	if !wanted(&e.Address) {
		return nil, nil
	}
	e.Key = d.string()
	e.Data = d.bytes()
	if n := d.int(len(d.rest)); n > 0 {
		e.Attachments = make([][]byte, 0, n)
		for range n {
			e.Attachments = append(e.Attachments, d.bytes())
		}
	}
	if d.failed || len(d.rest) > 0 || !isEventData(e.Data) {
		return nil, errFrame
	}
	return e, nil
}

func (d *decoder) address(flags byte) cluster.Address {
	return cluster.Address{Namespace: d.string(), Rooms: d.strings(), Except: d.strings(), IDs: flags&flagIDs != 0}
}

// isEventData reports whether bytes are a JSON array that begins with the name of
// an event: a string or a number. Clients get them as they are.
func isEventData(data []byte) bool {
	list, isList := bytes.CutPrefix(data, []byte("["))
	list = bytes.TrimLeft(list, " \t\r\n")
	return isList && len(list) > 0 && (list[0] == '"' || list[0] == '-' || list[0] >= '0' && list[0] <= '9') && json.Valid(data)
}

// appendCommand appends a command to a buffer.
func appendCommand(b []byte, c *cluster.Command) []byte {
	b = append(b, flag(c.IDs, flagIDs)|flag(c.Close, flagClose), byte(c.Verb))
	b = appendAddress(b, &c.Address)
	return appendStrings(b, c.Names)
}

// decodeCommand decodes a command.
func decodeCommand(body []byte) (*cluster.Command, error) {
	d := decoder{rest: body}
	flags, verb := d.byte(), d.byte()
	c := &cluster.Command{Address: d.address(flags), Verb: cluster.Verb(verb), Names: d.strings(), Close: flags&flagClose != 0}
	if d.failed || len(d.rest) > 0 || flags >= flagsEnd {
		return nil, errFrame
	}
	return c, nil
}
