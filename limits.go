package mojo

import (
	"cmp"
	"fmt"
)

// Limits bounds what a Server accepts from clients and keeps for them. The
// comment of each field says which values it may have and what 0 means.
type Limits struct {
	// MaxPayload is the number of bytes that one message, or one polling
	// request, from a client may have, from 1 KiB to 1 GiB. A client that sends
	// more is closed. 0: 1,000,000.
	MaxPayload int

	// MaxInbound is the number of bytes from one client that may wait for its
	// handlers, from 1 KiB to 1 GiB. Above it nothing more is read from the
	// client until handlers have caught up. 0: 1 MiB.
	MaxInbound int

	// MaxHandshake is the number of bytes of a handshake that are kept with its
	// connection, see Handshake, from 1 KiB to 1 GiB. 0: 8 KiB.
	MaxHandshake int

	// MaxAttachments is the number of binary attachments that one message from
	// a client may have, from 1 to 10. A client that sends more is closed. 0:
	// 10.
	MaxAttachments int

	// MaxAttachmentBytes is the number of bytes that the attachments of one
	// message from a client may have together, from 1 KiB to 1 GiB. A client
	// that sends more is closed. 0: MaxPayload.
	MaxAttachmentBytes int

	// MaxRate is the number of messages that one client may send in a second,
	// and at once, from 1. A client that sends more is closed with
	// ReasonRateLimit. 0: no limit.
	MaxRate int

	// MaxQueue is the number of bytes that may wait to be sent to one client,
	// from 1 KiB to 1 GiB. Messages that are emitted in OnConnect count. It is
	// also the largest size of one message. A client whose queue would grow
	// beyond it is closed with ReasonQueueOverflow, and the emit returns
	// ErrQueueFull. A client that reads nothing for Timeouts.PingTimeout is
	// closed with ReasonWriteTimeout, however short its queue is. 0: 16 MiB.
	//
	// Pings are sent ahead of queued messages, but cannot interrupt one. A
	// client gives up if it gets no ping for PingInterval and PingTimeout
	// together, so a message must reach it within that time over its network.
	MaxQueue int

	// MaxQueuedTotal is the number of bytes that may wait to be sent to all
	// clients of the Server together, from MaxQueue to 1 GiB. A message that
	// waits for several clients counts for each. Above it clients are closed
	// with ReasonTotalOverflow until an eighth of it is free: those with the
	// longest queues that have read nothing for the longest time. Emits do not
	// wait for that. 0: 256 MiB, or MaxQueue if that is more.
	MaxQueuedTotal int

	// MaxConns is the number of connections of the Server, from 1. Clients
	// above it get 503 and try again. 0: no limit.
	MaxConns int

	// MaxUnconnected is the number of connections that have not connected to an
	// app yet, from 1. Clients above it get 503 and try again. 0: 50,000.
	MaxUnconnected int

	// MaxConnsPerSession is the number of connections of one browser session,
	// from 1, however many come at once. A tab is one connection, for any
	// number of apps. It needs Options.Cookies or Identify. See ConnPolicy. 0:
	// no limit.
	MaxConnsPerSession int

	// MaxConnsPerUser is the number of connections of one user over all
	// sessions, from 1, counted as for MaxConnsPerSession. A LogIn closes no
	// connection, even if its user has more after it. It needs Options.Cookies
	// or Identify. See ConnPolicy. 0: no limit.
	MaxConnsPerUser int

	// ConnPolicy says what happens to a connection above MaxConnsPerSession or
	// MaxConnsPerUser.
	ConnPolicy ConnPolicy

	// MaxRooms is the number of rooms that one Conn may be in, from 1. 0:
	// 1,000.
	MaxRooms int

	// MaxRoomName is the number of bytes that the name of a room may have, from
	// 1. 0: 256.
	MaxRoomName int

	// MaxPendingAcks is the number of answers of one Conn that the Server may
	// wait for, see Conn.EmitWithAck and Broadcast.EmitWithAck, from 1. 0: 1,000.
	MaxPendingAcks int
}

// ConnPolicy says what happens to a connection above Limits.MaxConnsPerSession
// or MaxConnsPerUser. The zero value is RefuseNew.
type ConnPolicy int

// The policies.
const (
	// RefuseNew refuses the new connection: it gets a connect_error on every
	// app, with the message "too many connections of this session" (or user)
	// and the number as data.limit, and does not reconnect by itself. A
	// connection counts until its OnDisconnect is called. If a page has lost
	// its network, that is up to Timeouts.PingTimeout later, so set the limit a
	// little higher.
	RefuseNew ConnPolicy = iota
	// CloseOldest accepts the new connection and, when it connects to its first
	// app, closes the oldest one. So a phone that has changed its network need
	// not wait for the timeout of its previous connection. The client of the
	// closed connection gets a RevokedEvent with CodeReplaced and does not
	// reconnect by itself; OnDisconnect gets ReasonReplaced.
	CloseOldest
)

const (
	defaultQueue   = 16 << 20
	maxAttachments = 10 // what socket.io-client accepts
)

func (l *Limits) check() error {
	if err := cmp.Or(
		checkSize("Limits.MaxPayload", l.MaxPayload),
		checkSize("Limits.MaxInbound", l.MaxInbound),
		checkSize("Limits.MaxHandshake", l.MaxHandshake),
		checkSize("Limits.MaxAttachmentBytes", l.MaxAttachmentBytes),
		checkSize("Limits.MaxQueue", l.MaxQueue),
		checkSize("Limits.MaxQueuedTotal", l.MaxQueuedTotal),
		checkCount("Limits.MaxRate", l.MaxRate),
		checkCount("Limits.MaxConns", l.MaxConns),
		checkCount("Limits.MaxUnconnected", l.MaxUnconnected),
		checkCount("Limits.MaxConnsPerSession", l.MaxConnsPerSession),
		checkCount("Limits.MaxConnsPerUser", l.MaxConnsPerUser),
		checkCount("Limits.MaxRooms", l.MaxRooms),
		checkCount("Limits.MaxRoomName", l.MaxRoomName),
		checkCount("Limits.MaxPendingAcks", l.MaxPendingAcks),
	); err != nil {
		return err
	}
	switch queue := cmp.Or(l.MaxQueue, defaultQueue); {
	case l.MaxQueuedTotal != 0 && l.MaxQueuedTotal < queue:
		return fmt.Errorf("mojo: Options.Limits.MaxQueuedTotal is %d bytes; want at least MaxQueue, which is %d", l.MaxQueuedTotal, queue)
	case l.MaxAttachments < 0 || l.MaxAttachments > maxAttachments:
		return fmt.Errorf("mojo: Options.Limits.MaxAttachments is %d; want from 0 to %d", l.MaxAttachments, maxAttachments)
	case l.ConnPolicy != RefuseNew && l.ConnPolicy != CloseOldest:
		return fmt.Errorf("mojo: Options.Limits.ConnPolicy is %d; want RefuseNew or CloseOldest", l.ConnPolicy)
	}
	return nil
}

func (l *Limits) fillIn() {
	setDefault(&l.MaxPayload, 1_000_000)
	setDefault(&l.MaxInbound, 1<<20)
	setDefault(&l.MaxHandshake, 8<<10)
	setDefault(&l.MaxAttachments, maxAttachments)
	setDefault(&l.MaxAttachmentBytes, l.MaxPayload)
	setDefault(&l.MaxQueue, defaultQueue)
	setDefault(&l.MaxQueuedTotal, max(256<<20, l.MaxQueue))
	setDefault(&l.MaxUnconnected, 50_000)
	setDefault(&l.MaxRooms, 1000)
	setDefault(&l.MaxRoomName, 256)
	setDefault(&l.MaxPendingAcks, 1000)
}

func checkSize(field string, n int) error {
	if n != 0 && (n < minBytes || n > maxBytes) {
		return fmt.Errorf("mojo: Options.%s is %d bytes; want 0, or from %d to %d", field, n, minBytes, maxBytes)
	}
	return nil
}

func checkCount(field string, n int) error {
	if n < 0 {
		return fmt.Errorf("mojo: Options.%s is %d; want 0 or more", field, n)
	}
	return nil
}
