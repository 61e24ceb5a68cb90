// Package seal encrypts and authenticates the messages between the nodes of a
// cluster, with AES-256-GCM.
//
// A sealed message consists of
//
//	version      1 byte
//	key          4 bytes: which of the secrets sealed it
//	from         1 byte of length, and the name of the sender
//	incarnation  4 bytes, big-endian
//	number       8 bytes, big-endian: counts the messages of the incarnation
//	to           1 byte of length, and the name of the receiver; empty: every
//	             node
//	ciphertext   with its tag of 16 bytes
//
// HKDF derives a key for each incarnation of a node, so the number can be the
// nonce. All that stands in front of the ciphertext is authenticated, too.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"
)

// Origin says who sealed a message: one incarnation of a node. Names of nodes
// are random, so two processes never seal with the same key.
type Origin struct {
	Node        string
	Incarnation uint32
}

// MaxName is the most bytes of a node's name.
const MaxName = 64

const version = 1

// The errors of Opener.Open.
var (
	ErrMalformed = errors.New("not a sealed message")
	ErrUnknown   = errors.New("sealed with a key that this node does not have")
	ErrForged    = errors.New("sealed with another key than it says, or changed")
)

// Secret is what the nodes of a cluster share.
type Secret struct {
	id  [4]byte // tells which of several secrets sealed a message
	key []byte
}

// NewSecret derives a Secret from a key of any length.
func NewSecret(key []byte) Secret {
	id := derive(key, "mojo cluster key id", len(Secret{}.id))
	return Secret{id: [4]byte(id), key: derive(key, "mojo cluster", sha256.Size)}
}

func derive(key []byte, info string, length int) []byte {
	derived, err := hkdf.Key(sha256.New, key, nil, info, length)
	if err != nil {
		panic(err) // the length is a constant that HKDF permits
	}
	return derived
}

func (s *Secret) aead(o Origin) cipher.AEAD {
	info := binary.BigEndian.AppendUint32([]byte("node "+o.Node+" "), o.Incarnation)
	block, err := aes.NewCipher(derive(s.key, string(info), 32))
	if err != nil {
		panic(err) // the key has a length of AES
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the block size of GCM
	}
	return aead
}

func nonce(number uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 4, 12), number)
}

// Sealer seals the messages of one incarnation. It is not safe for concurrent
// use: the numbers of messages have to grow in the order of publication.
type Sealer struct {
	aead   cipher.AEAD
	header []byte // up to the number
	number uint64
}

// NewSealer returns a Sealer. The name of the node must have at most MaxName
// bytes.
func NewSealer(s Secret, o Origin) *Sealer {
	header := append([]byte{version}, s.id[:]...)
	header = append(append(header, byte(len(o.Node))), o.Node...)
	header = binary.BigEndian.AppendUint32(header, o.Incarnation)
	return &Sealer{aead: s.aead(o), header: header}
}

// Seal returns a sealed message for a node or, if the name is empty, for every
// node. It keeps no reference to the message.
func (s *Sealer) Seal(to string, message []byte) []byte {
	s.number++
	sealed := make([]byte, 0, len(s.header)+8+1+len(to)+len(message)+s.aead.Overhead())
	sealed = binary.BigEndian.AppendUint64(append(sealed, s.header...), s.number)
	sealed = append(append(sealed, byte(len(to))), to...)
	return s.aead.Seal(sealed, nonce(s.number), message, sealed)
}

// Opened is a message that was sealed by a node of the cluster. It may be a
// repetition: the receiver has to compare Number with those that it has seen.
type Opened struct {
	Origin  Origin
	Number  uint64 // grows with each message of the Origin
	To      string // the receiver; empty: every node
	Message []byte
}

// Opener opens the messages of all nodes. It is safe for concurrent use.
type Opener struct {
	secrets []Secret
	mu      sync.Mutex
	openerByMu
}

// openerByMu is guarded by Opener.mu.
type openerByMu struct {
	aeads map[aeadKey]cipher.AEAD // of origins whose messages were opened
}

type aeadKey struct {
	secret int
	Origin
}

// maxAEADs bounds what is kept. A cluster has far fewer nodes; those that have
// gone are dropped with the others when the bound is reached.
const maxAEADs = 1024

// NewOpener returns an Opener for messages that were sealed with any of the
// secrets.
func NewOpener(secrets ...Secret) *Opener {
	o := &Opener{secrets: secrets}
	o.aeads = make(map[aeadKey]cipher.AEAD)
	return o
}

// Open opens a message. It reuses the bytes of sealed for Opened.Message.
func (o *Opener) Open(sealed []byte) (Opened, error) {
	var m Opened
	r := reader{rest: sealed}
	if v := r.take(1); v == nil || v[0] != version {
		return m, ErrMalformed
	}
	id := r.take(4)
	m.Origin.Node = r.name()
	if b := r.take(4); b != nil {
		m.Origin.Incarnation = binary.BigEndian.Uint32(b)
	}
	if b := r.take(8); b != nil {
		m.Number = binary.BigEndian.Uint64(b)
	}
	m.To = r.name()
	if r.failed || m.Origin.Node == "" {
		return Opened{}, ErrMalformed
	}
	header := sealed[:len(sealed)-len(r.rest)]
	err := ErrUnknown
	for i := range o.secrets {
		if string(o.secrets[i].id[:]) != string(id) {
			continue
		}
		key := aeadKey{i, m.Origin}
		aead, kept := o.aead(key)
		message, failed := aead.Open(r.rest[:0], nonce(m.Number), r.rest, header)
		if failed != nil {
			err = ErrForged
			continue
		}
		if !kept {
			o.keep(key, aead)
		}
		m.Message = message
		return m, nil
	}
	return Opened{}, err
}

func (o *Opener) aead(key aeadKey) (aead cipher.AEAD, kept bool) {
	o.mu.Lock()
	aead, kept = o.aeads[key]
	o.mu.Unlock()
	if !kept {
		aead = o.secrets[key.secret].aead(key.Origin)
	}
	return aead, kept
}

// keep keeps what has opened a message, so strangers cannot fill the map.
func (o *Opener) keep(key aeadKey, aead cipher.AEAD) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.aeads) >= maxAEADs {
		clear(o.aeads)
	}
	o.aeads[key] = aead
}

// reader takes a header apart. After a failure it returns nothing.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if r.failed || len(r.rest) < n {
		r.failed = true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) name() string {
	length := r.take(1)
	if length == nil || length[0] > MaxName {
		r.failed = true
		return ""
	}
	return string(r.take(int(length[0])))
}
