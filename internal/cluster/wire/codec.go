package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// codec writes a message or reads one: each method does either for one value,
// so that the fields of a message are listed once, in Message.fields. After a
// failure to read it does nothing.
type codec struct {
	reading bool
	b       []byte // written so far, or yet to be read
	err     error
}

var errTruncated = errors.New("the message is too short")

// fail notes the first failure.
func (c *codec) fail() {
	if c.err == nil {
		c.err, c.b = errTruncated, nil
	}
}

func (c *codec) byte(v *byte) {
	switch {
	case !c.reading:
		c.b = append(c.b, *v)
	case len(c.b) == 0:
		c.fail()
	default:
		*v, c.b = c.b[0], c.b[1:]
	}
}

func (c *codec) bool(v *bool) {
	var b byte
	if *v {
		b = 1
	}
	c.byte(&b)
	if c.reading { // what is encoded is shared with readers
		*v = b != 0
	}
}

func (c *codec) uint(v *uint64) {
	if !c.reading {
		c.b = binary.AppendUvarint(c.b, *v)
		return
	}
	read, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail()
		return
	}
	*v, c.b = read, c.b[n:]
}

func (c *codec) int64(v *int64) {
	if !c.reading {
		c.b = binary.AppendVarint(c.b, *v)
		return
	}
	read, n := binary.Varint(c.b)
	if n <= 0 {
		c.fail()
		return
	}
	*v, c.b = read, c.b[n:]
}

// smallInt is for values that are not negative and fit into 32 bits.
func smallInt[T ~int | ~uint8 | ~uint32](c *codec, v *T) {
	u := uint64(*v)
	c.uint(&u)
	switch {
	case !c.reading:
	case u > math.MaxUint32 || T(u) < 0 || uint64(T(u)) != u:
		c.fail()
	default:
		*v = T(u)
	}
}

func (c *codec) fixed64(v *uint64) {
	switch {
	case !c.reading:
		c.b = binary.BigEndian.AppendUint64(c.b, *v)
	case len(c.b) < 8:
		c.fail()
	default:
		*v, c.b = binary.BigEndian.Uint64(c.b), c.b[8:]
	}
}

// bytes reads a slice of the message itself, nil if it is empty.
func (c *codec) bytes(v *[]byte) {
	n := uint64(len(*v))
	c.uint(&n)
	switch {
	case !c.reading:
		c.b = append(c.b, *v...)
	case n > uint64(len(c.b)):
		c.fail()
	case n > 0:
		*v, c.b = c.b[:n:n], c.b[n:]
	}
}

func (c *codec) string(v *string) {
	if !c.reading {
		n := uint64(len(*v))
		c.uint(&n)
		c.b = append(c.b, *v...)
		return
	}
	var b []byte
	c.bytes(&b)
	*v = string(b)
}

func (c *codec) strings(v *[]string) { slice(c, v, 1, (*codec).string) }

// slice keeps apart what is nil and what is empty. An item has at least `least`
// bytes, so a count cannot make slice allocate more than a small multiple of the
// message.
func slice[T any](c *codec, v *[]T, least uint64, item func(*codec, *T)) {
	n := uint64(0)
	if *v != nil {
		n = uint64(len(*v)) + 1
	}
	c.uint(&n)
	if c.reading {
		if n == 0 || c.err != nil {
			return
		}
		if n-1 > uint64(len(c.b))/least {
			c.fail()
			return
		}
		*v = make([]T, n-1)
	}
	for i := range *v {
		item(c, &(*v)[i])
	}
}

// time has nanoseconds. The zero time is kept.
func (c *codec) time(v *time.Time) {
	ns := int64(math.MinInt64)
	if !v.IsZero() {
		ns = v.UnixNano()
	}
	c.int64(&ns)
	switch {
	case !c.reading:
	case ns == math.MinInt64:
		*v = time.Time{}
	default:
		*v = time.Unix(0, ns).UTC()
	}
}
