// Package wire encodes the messages that the nodes of a cluster send each
// other: who is there, who is connected where, and the commands.
//
// A message is a byte for its kind and the fields of its type, in order.
// Numbers are varints, texts and lists are preceded by their length. A version
// of mojo may add fields at the end of a message, which older ones ignore, and
// kinds, which older ones drop. So nodes of two versions can form a cluster
// while a site is updated.
package wire

import "errors"

// Message is one of the types of this package, as a pointer.
type Message interface {
	kind() kind
	fields(c *codec)
}

type kind byte

// The kinds. Their values are part of the wire.
const (
	kindHello       kind = 1
	kindChallenge   kind = 2
	kindAnswer      kind = 3
	kindWelcome     kind = 4
	kindHeartbeat   kind = 5
	kindGoodbye     kind = 6
	kindProbe       kind = 7
	kindChanges     kind = 8
	kindWholeQuery  kind = 9
	kindShards      kind = 10
	kindLedgerQuery kind = 11
	kindLedger      kind = 12
	kindConfirm     kind = 13
	kindHandover    kind = 14
	kindAsked       kind = 15
	kindAcks        kind = 16

	kindEmit           kind = 32
	kindJoin           kind = 33
	kindLeave          kind = 34
	kindDisconnect     kind = 35
	kindExtend         kind = 36
	kindRebind         kind = 37
	kindRevoke         kind = 38
	kindRevokeIdentity kind = 39
	kindAsk            kind = 40
	kindEndAsk         kind = 41
	kindNotify         kind = 42
)

var makers = map[kind]func() Message{
	kindHello:       func() Message { return new(Hello) },
	kindChallenge:   func() Message { return new(Challenge) },
	kindAnswer:      func() Message { return new(Answer) },
	kindWelcome:     func() Message { return new(Welcome) },
	kindHeartbeat:   func() Message { return new(Heartbeat) },
	kindGoodbye:     func() Message { return new(Goodbye) },
	kindProbe:       func() Message { return new(Probe) },
	kindChanges:     func() Message { return new(Changes) },
	kindWholeQuery:  func() Message { return new(WholeQuery) },
	kindShards:      func() Message { return new(Shards) },
	kindLedgerQuery: func() Message { return new(LedgerQuery) },
	kindLedger:      func() Message { return new(Ledger) },
	kindConfirm:     func() Message { return new(Confirm) },
	kindHandover:    func() Message { return new(Handover) },
	kindAsked:       func() Message { return new(Asked) },
	kindAcks:        func() Message { return new(Acks) },

	kindEmit:           func() Message { return new(Emit) },
	kindJoin:           func() Message { return new(Join) },
	kindLeave:          func() Message { return new(Leave) },
	kindDisconnect:     func() Message { return new(Disconnect) },
	kindExtend:         func() Message { return new(Extend) },
	kindRebind:         func() Message { return new(Rebind) },
	kindRevoke:         func() Message { return new(Revoke) },
	kindRevokeIdentity: func() Message { return new(RevokeIdentity) },
	kindAsk:            func() Message { return new(Ask) },
	kindEndAsk:         func() Message { return new(EndAsk) },
	kindNotify:         func() Message { return new(Notify) },
}

// ErrUnknownKind is returned by Decode for a message of a later version.
var ErrUnknownKind = errors.New("the kind of message is not known")

// Encode returns the bytes of a message.
func Encode(m Message) []byte {
	c := codec{b: []byte{byte(m.kind())}}
	m.fields(&c)
	return c.b
}

// Decode returns the message that the bytes are. It refers to them.
func Decode(b []byte) (Message, error) {
	if len(b) == 0 {
		return nil, errTruncated
	}
	newMessage := makers[kind(b[0])]
	if newMessage == nil {
		return nil, ErrUnknownKind
	}
	c := codec{reading: true, b: b[1:]}
	m := newMessage()
	m.fields(&c)
	if c.err != nil {
		return nil, c.err
	}
	return m, nil
}
