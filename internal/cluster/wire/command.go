package wire

import "github.com/mojosocket/mojo/internal/command"

// A command with an ID that is not 0 is confirmed by each node that has applied
// it. The sender counts its IDs.

// Confirm tells the sender of a command that it was applied.
type Confirm struct {
	ID       uint64
	Sessions []string // for Revoke: the sessions that it revoked on this node
}

func (*Confirm) kind() kind { return kindConfirm }
func (m *Confirm) fields(c *codec) {
	c.uint(&m.ID)
	c.strings(&m.Sessions)
}

// Emit is an event for connections on any node.
type Emit struct{ command.Emit }

func (*Emit) kind() kind        { return kindEmit }
func (m *Emit) fields(c *codec) { emit(c, &m.Emit) }

func emit(c *codec, v *command.Emit) {
	selector(c, &v.Selector)
	c.bytes(&v.JSON)
	slice(c, &v.Attachments, 1, (*codec).bytes)
	c.bool(&v.Delivery.Volatile)
	c.bool(&v.Delivery.Latest)
	c.string(&v.Delivery.Key)
}

// Join is command.Join.
type Join struct{ command.Join }

func (*Join) kind() kind { return kindJoin }
func (m *Join) fields(c *codec) {
	selector(c, &m.Selector)
	c.strings(&m.Rooms)
}

// Leave is command.Leave.
type Leave struct{ command.Leave }

func (*Leave) kind() kind { return kindLeave }
func (m *Leave) fields(c *codec) {
	selector(c, &m.Selector)
	c.strings(&m.Rooms)
}

// Disconnect is command.Disconnect.
type Disconnect struct{ command.Disconnect }

func (*Disconnect) kind() kind        { return kindDisconnect }
func (m *Disconnect) fields(c *codec) { selector(c, &m.Selector) }

// Extend is command.Extend.
type Extend struct{ command.Extend }

func (*Extend) kind() kind        { return kindExtend }
func (m *Extend) fields(c *codec) { identified(c, &m.To) }

// Rebind is command.Rebind.
type Rebind struct {
	ID uint64
	command.Rebind
}

func (*Rebind) kind() kind { return kindRebind }
func (m *Rebind) fields(c *codec) {
	c.uint(&m.ID)
	clock(c, &m.At)
	identity(c, &m.From)
	c.strings(&m.Others)
	identified(c, &m.To)
	c.time(&m.Until)
	c.string(&m.SeatID)
}

// Reason is why connections are closed, as their clients are told.
type Reason struct {
	Code      int
	Reason    string
	Message   string
	Reconnect bool
}

func (r *Reason) fields(c *codec) {
	smallInt(c, &r.Code)
	c.string(&r.Reason)
	c.string(&r.Message)
	c.bool(&r.Reconnect)
}

// Revoke is command.Revoke.
type Revoke struct {
	ID uint64
	command.Revoke
	Why Reason
}

func (*Revoke) kind() kind { return kindRevoke }
func (m *Revoke) fields(c *codec) {
	c.uint(&m.ID)
	clock(c, &m.At)
	c.string(&m.Namespace)
	key(c, &m.Key)
	c.string(&m.Except)
	c.bool(&m.Invalidate)
	c.time(&m.Until)
	m.Why.fields(c)
}

// RevokeIdentity is command.RevokeIdentity. Its field Seen, which another hub
// knows nothing of, is not sent.
type RevokeIdentity struct {
	ID uint64
	command.RevokeIdentity
	Why Reason
}

func (*RevokeIdentity) kind() kind { return kindRevokeIdentity }
func (m *RevokeIdentity) fields(c *codec) {
	c.uint(&m.ID)
	clock(c, &m.At)
	identity(c, &m.Identity)
	c.bool(&m.Invalidate)
	c.time(&m.Until)
	m.Why.fields(c)
}

func clock(c *codec, v *command.Clock) {
	c.int64(&v.Time)
	c.string(&v.Node)
}

func key(c *codec, v *command.Key) {
	kindOfKey(c, &v.Kind)
	c.string(&v.ID)
}

// kindOfKey refuses kinds that the hub does not have.
func kindOfKey(c *codec, v *command.Kind) {
	smallInt(c, v)
	if *v >= command.NumKinds {
		c.fail()
		*v = 0
	}
}

func identity(c *codec, v *command.Identity) {
	c.string(&v.Session)
	c.string(&v.User)
}

func identified(c *codec, v *command.Identified) {
	identity(c, &v.Identity)
	c.time(&v.Expires)
	c.time(&v.LoginTime)
}

func selector(c *codec, v *command.Selector) {
	c.string(&v.Namespace)
	slice(c, &v.Keys, 2, key)
	c.strings(&v.IDs)
	kindOfKey(c, &v.Requires)
	slice(c, &v.Except, 2, key)
	c.strings(&v.ExceptIDs)
}
