package hub

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// run applies the same commands to a Hub and to its model. It reads the
// commands from bytes.
type run struct {
	t          *testing.T
	hub        *Hub
	model      *model
	clock      *clock
	namespaces map[string]*Namespace
	input      []byte
	lastSeatID int
	entries    map[Change]int // by the change without its Count; as taken from the hub
}

func (r *run) choose(n int) int {
	if len(r.input) == 0 {
		return 0
	}
	b := r.input[0]
	r.input = r.input[1:]
	return int(b) % n
}

func (r *run) session() string   { return []string{"", "s1", "s2", "s3", "s4", "s5"}[r.choose(6)] }
func (r *run) user() string      { return []string{"", "ann", "bob"}[r.choose(3)] }
func (r *run) namespace() string { return []string{"", "/a", "/b"}[r.choose(3)] }
func (r *run) room() string      { return []string{"x", "y", "z"}[r.choose(3)] }

func (r *run) identified() command.Identified {
	id := command.Identified{Identity: command.Identity{Session: r.session(), User: r.user()}}
	if r.choose(2) == 0 {
		id.Expires = r.clock.now.Add(time.Duration(r.choose(100)) * time.Second)
	}
	if r.choose(2) == 0 {
		id.LoginTime = time.Unix(r.clock.now.Unix(), 0).Add(-time.Duration(r.choose(20)) * time.Second)
	}
	return id
}

func (r *run) until() time.Time {
	if r.choose(8) == 0 {
		return time.Time{}
	}
	return r.clock.now.Add(time.Duration(r.choose(120)) * time.Second)
}

func (r *run) key() command.Key {
	if r.choose(2) == 0 {
		return command.Key{Kind: command.Session, ID: r.session()}
	}
	return command.Key{Kind: command.User, ID: r.user()}
}

func (r *run) conn() *modelConn {
	live := slices.DeleteFunc(slices.Clone(r.model.conns), func(c *modelConn) bool { return c.removed && r.choose(8) > 0 })
	if len(live) == 0 {
		return nil
	}
	return live[r.choose(len(live))]
}

func (r *run) seat() *modelSeat {
	c := r.conn()
	if c == nil || len(c.seats) == 0 {
		return nil
	}
	return c.seats[r.choose(len(c.seats))]
}

func (r *run) step() {
	t := r.t
	switch r.choose(17) {
	case 0:
		r.clock.advance(time.Duration(r.choose(20)) * time.Second)
		r.hub.EndGrace()
	case 14:
		r.clock.advance(time.Duration(r.choose(8)) * time.Second / 4)
		r.hub.EndGrace()
	case 15:
		r.stepOfClaim()
	case 16:
		id := r.identified().Identity
		if c := r.conn(); c != nil && r.choose(4) > 0 {
			id = c.bound.Identity
		}
		if id == (command.Identity{}) { // RevokeIdentity needs an identity
			return
		}
		cmd := command.RevokeIdentity{Identity: id, Seen: r.seen(), Invalidate: r.choose(2) == 0, Until: r.until()}
		requireSame(t, connsOf(r.model.revokeIdentity(cmd)), r.hub.RevokeIdentity(cmd).Ended)
	case 1, 2:
		c, id := &modelConn{conn: new(Conn)}, r.identified()
		seen, want := r.seen(), ErrChanged
		if !r.model.changedSince(seen, id.Session) {
			want = r.model.admit(c, id)
		}
		_, err := r.hub.Admit(c.conn, id, seen)
		require.ErrorIs(t, err, want)
	case 3, 4:
		c, name := r.conn(), []string{"/a", "/b"}[r.choose(2)]
		if c == nil {
			return
		}
		r.lastSeatID++
		s := &modelSeat{seat: seatOf(c.conn, r.namespaces[name], fmt.Sprint(r.lastSeatID)), conn: c, namespace: name, rooms: make(map[string]bool)}
		s.removed = c.removed
		c.seats = append(c.seats, s)
		if r.choose(4) > 0 {
			s.visible = !s.removed
			r.hub.Show(s.seat)
		}
	case 5:
		if s := r.seat(); s != nil {
			r.model.removeSeat(s)
			r.hub.Remove(s.seat)
		}
	case 6:
		s, room := r.seat(), r.room()
		if s == nil {
			return
		}
		var want error
		switch {
		case s.removed:
			want = ErrRemoved
		case !s.rooms[room] && len(s.rooms) == r.hub.config.MaxRooms:
			want = ErrTooManyRooms
		default:
			s.rooms[room] = true
		}
		require.ErrorIs(t, r.hub.JoinSeat(s.seat, []string{room, room}), want)
	case 7:
		if s, room := r.seat(), r.room(); s != nil {
			delete(s.rooms, room)
			r.hub.LeaveSeat(s.seat, []string{room})
		}
	case 8, 9:
		cmd := command.Rebind{From: command.Identity{Session: r.session(), User: r.user()}, To: r.identified(), Until: r.until()}
		if s := r.seat(); s != nil && r.choose(2) == 0 {
			cmd.SeatID = s.seat.ID()
		}
		if r.choose(2) == 0 {
			cmd.Others = []string{r.session(), r.session()}
			cmd.Others = slices.DeleteFunc(cmd.Others, func(s string) bool { return s == "" })
		}
		cmd.At = r.at()
		r.rebind(cmd)
	case 10:
		c, id := r.conn(), r.identified()
		if c == nil {
			return
		}
		if c.claim != nil && r.choose(4) > 0 {
			id = c.claim.to
		}
		claim := c.claim
		from, to, _ := r.hub.Prove(c.conn, id)
		require.Equal(t, r.model.prove(c, id), to != nil)
		if to != nil {
			require.Equal(t, claim.visibleAs, from.Identity)
		}
	case 11:
		cmd := command.Revoke{Key: r.key(), Except: r.session(), Invalidate: r.choose(2) == 0, Until: r.until(), At: r.at()}
		if r.choose(4) == 0 {
			cmd.Namespace = "/a"
		}
		if cmd.Key.ID == "" || cmd.Key == (command.Key{Kind: command.Session, ID: cmd.Except}) { // the layer above refuses these
			return
		}
		requireSame(t, connsOf(r.model.revoke(cmd)), r.hub.Revoke(cmd).Ended)
	case 12:
		c := r.conn()
		if c == nil {
			return
		}
		if r.choose(2) == 0 {
			r.model.remove(c)
			r.hub.Forget(c.conn)
			return
		}
		if c.removed {
			return
		}
		polling := r.choose(2) == 0
		lapse, _ := r.hub.Lapse(c.conn, polling)
		require.Equal(t, r.model.lapse(c, polling), lapse)
	case 13:
		c := r.conn()
		if c == nil || c.removed {
			return
		}
		if r.choose(2) == 0 {
			requireSame(t, connsOf(r.model.arrive(c)), r.hub.Arrived(c.conn).Ended)
			return
		}
		to := r.identified()
		to.Expires = r.clock.now.Add(time.Duration(r.choose(200)) * time.Second)
		if r.choose(4) > 0 {
			to.Identity = c.bound.Identity
		}
		if r.choose(2) == 0 {
			require.Equal(t, r.model.extend(c, to), r.hub.ExtendConn(c.conn, to))
			return
		}
		var want, got []*Conn
		for _, c := range r.model.under(command.Key{Kind: command.Session, ID: to.Session}) {
			if r.model.extend(c, to) {
				want = append(want, c.conn)
			}
		}
		for _, m := range r.hub.Extend(command.Extend{To: to}).Moved {
			got = append(got, m.Conn)
		}
		requireSame(t, want, got)
	}
}

// at returns the clock of a command. If it is zero, the hub takes one itself.
func (r *run) at() command.Clock {
	if r.choose(2) == 0 {
		return command.Clock{}
	}
	return r.hub.Clock()
}

// seen returns a number of changes in place, usually the current one.
func (r *run) seen() int {
	if r.choose(4) > 0 {
		return r.hub.ChangesInPlace()
	}
	return max(len(r.model.inPlace)-r.choose(100), 0)
}

// rebind applies a command to both, and compares the effects.
func (r *run) rebind(cmd command.Rebind) {
	t := r.t
	moved, outdated, want := r.model.rebind(cmd)
	effects, err := r.hub.Rebind(cmd)
	require.ErrorIs(t, err, want)
	var conns []*Conn
	for _, m := range effects.Moved {
		conns = append(conns, m.Conn)
	}
	requireSame(t, connsOf(moved), conns)
	requireSame(t, unique(connsOf(outdated)), unique(effects.Outdated)) // Others may have an id twice
}

func unique[T comparable](list []T) (found []T) {
	for _, v := range list {
		if !slices.Contains(found, v) {
			found = append(found, v)
		}
	}
	return found
}

// makeClaim gives a connection with a session a claim, if there is another
// valid session for it.
func (r *run) makeClaim() {
	c := r.conn()
	if c == nil || c.removed || c.bound.Session == "" {
		return
	}
	to := command.Identified{Identity: command.Identity{User: "ann"}}
	if c.bound.User == to.User {
		to.User = "bob"
	}
	for _, session := range []string{"s1", "s2", "s3", "s4", "s5"} {
		if _, retired := r.model.isRetired(session); !retired && session != c.bound.Session {
			to.Session = session
		}
	}
	if to.Session != "" {
		r.rebind(command.Rebind{From: c.bound.Identity, To: to, Until: r.clock.now.Add(time.Second)})
	}
}

// stepOfClaim applies steps to a connection with a claim. If there is none, it
// makes a claim.
func (r *run) stepOfClaim() {
	claimants := slices.DeleteFunc(slices.Clone(r.model.conns), func(c *modelConn) bool { return c.removed || c.claim == nil })
	if len(claimants) == 0 {
		r.makeClaim()
		return
	}
	c := claimants[r.choose(len(claimants))]
	for range r.choose(6) {
		if c.removed {
			return
		}
		r.changeClaim(c)
		r.model.updatePresence()
	}
}

func (r *run) changeClaim(c *modelConn) {
	claim, want := c.conn.Binding().Claim, c.claim
	switch r.choose(6) {
	default:
		r.clock.advance(time.Duration(r.choose(4)) * time.Second)
		r.hub.EndGrace()
		polling := r.choose(2) == 0
		lapse, _ := r.hub.Lapse(c.conn, polling)
		require.Equal(r.t, r.model.lapse(c, polling), lapse)
	case 0:
		require.Equal(r.t, want.sent.IsZero(), claim.ValueSent())
		if want.sent.IsZero() {
			want.sent = r.clock.now.Add(max(want.since.Sub(r.clock.now)+1, 0)) // must be later than the claim
		}
	case 1:
		require.Equal(r.t, !want.attempted, claim.Attempted())
		want.attempted = true
	case 2:
		require.Equal(r.t, !want.pollsRejected, claim.PollsRejected())
		want.pollsRejected = true
	}
}

func connsOf(list []*modelConn) (conns []*Conn) {
	for _, c := range list {
		conns = append(conns, c.conn)
	}
	return conns
}

// check compares the results of all queries.
func (r *run) check() {
	t, h := r.t, r.hub
	r.model.updatePresence()
	for _, c := range r.model.conns {
		b := c.conn.Binding()
		require.Equal(t, c.bound, b.Identified)
		require.Equal(t, c.version, b.Version)
		if c.claim == nil {
			require.Nil(t, b.Claim)
			continue
		}
		require.Equal(t, c.claim.to, b.Claim.To)
		require.Equal(t, c.claim.visibleAs, b.Claim.From.Identity)
		r.checkClaimant(c, b.Claim)
	}
	id := r.identified().Identity
	live, seen := h.Live(id)
	isLive := slices.ContainsFunc(r.model.conns, func(c *modelConn) bool { return !c.removed && c.bound.Identity == id })
	require.Equal(t, isLive && id != command.Identity{}, live != nil)
	require.Equal(t, len(r.model.inPlace), seen)
	if r.choose(3) == 0 {
		r.checkEntries()
	}
	for _, namespace := range []string{"", "/a", "/b"} {
		require.Equal(t, len(r.model.seats(namespace, func(s *modelSeat) bool { return s.visible })), h.Len(namespace))
		r.checkPresence(namespace)
	}
	sel := command.Selector{Namespace: r.namespace()}
	for range r.choose(3) {
		key := r.key()
		if r.choose(2) == 0 && sel.Namespace != "" {
			key = command.Key{Kind: command.Room, ID: r.room()}
		}
		if key.ID != "" {
			sel.Keys = append(sel.Keys, key)
		}
	}
	sel.Requires = command.Kind(r.choose(int(command.NumKinds)))
	isRoom := func(k command.Key) bool { return k.Kind == command.Room }
	if sel.IsPersonal() && sel.Requires == command.Room && slices.ContainsFunc(sel.Keys, isRoom) {
		sel.Requires = command.User // see Selector.Keys
	}
	if r.choose(3) == 0 {
		sel.Except = []command.Key{{Kind: command.Room, ID: r.room()}, {Kind: command.User, ID: "bob"}}
	}
	if r.choose(3) == 0 {
		sel.ExceptIDs = []string{fmt.Sprint(r.choose(20)), fmt.Sprint(r.choose(20))}
	}
	selected := func(s *modelSeat) bool { return s.isSelected(&sel, s.conn.bound.Identity) }
	requireSame(t, r.model.seats(sel.Namespace, selected), h.Select(&sel))
	receives := func(s *modelSeat) bool {
		return selected(s) || sel.IsPersonal() && s.visible && s.conn.claim != nil && s.isSelected(&sel, s.conn.claim.to.Identity)
	}
	requireSame(t, r.model.seats(sel.Namespace, receives), h.Receivers(&sel))
}

// checkClaimant compares a connection with a claim. Due must be in the future
// until the time for the proof is over, because the caller calls Hub.Lapse at
// that time.
func (r *run) checkClaimant(c *modelConn, claim *Claim) {
	found := r.hub.Claimant(claim.Value)
	if c.removed {
		require.Nil(r.t, found)
		return
	}
	require.Same(r.t, c.conn, found)
	over := r.model.isOver(c.claim.modelProof, false)
	require.True(r.t, over || claim.Due().After(r.clock.now), "the caller would call Lapse in a busy loop")
	require.False(r.t, claim.Due().After(claim.since.Add(proofTime)))
}

// checkEntries takes the changes of the index, and compares the entries.
func (r *run) checkEntries() {
	for more := true; more; {
		list := r.hub.TakeChanges(nil)
		for _, change := range list {
			count := change.Count
			change.Count = 0
			r.entries[change] = count
			if count == 0 {
				delete(r.entries, change)
			}
		}
		more = len(list) > 0
	}
	require.False(r.t, r.hub.ChangesWait())
	require.Equal(r.t, r.model.entries(), r.entries)
}

func (r *run) checkPresence(namespace string) {
	for k, ids := range map[command.Kind][]string{command.Session: {"s1", "s2", "s3", "s4", "s5"}, command.User: {"ann", "bob"}} {
		var online, connected []string
		for _, id := range ids {
			if until, ok := r.model.online[presence.Transition{Namespace: namespace, Key: command.Key{Kind: k, ID: id}, Online: true}]; ok {
				online = append(online, id)
				if until.IsZero() {
					connected = append(connected, id)
				}
			}
		}
		require.Equal(r.t, online, r.hub.Online(namespace, k, ids))
		requireSame(r.t, connected, r.hub.IDs(namespace, k))
	}
}

// end removes all connections, and compares the transitions.
func (r *run) end() {
	for _, c := range r.model.conns {
		r.model.remove(c)
		r.hub.Forget(c.conn)
	}
	r.model.updatePresence()
	r.clock.advance(r.model.config.PresenceGrace)
	work := r.hub.EndGrace()
	require.Zero(r.t, work.EndGraceAfter, "there are no grace periods")
	r.model.endGrace()
	var got []presence.Transition
	for {
		transition, ok := r.hub.NextTransition()
		if !ok {
			break
		}
		got = append(got, transition)
	}
	byKey := func(a, b presence.Transition) int {
		return strings.Compare(fmt.Sprint(a.Namespace, a.Key), fmt.Sprint(b.Namespace, b.Key))
	}
	slices.SortStableFunc(got, byKey)
	slices.SortStableFunc(r.model.transitions, byKey)
	require.Equal(r.t, r.model.transitions, got)
	requireEmpty(r.t, r.hub)
	r.checkEntries()
	require.Empty(r.t, r.entries)
	for _, namespace := range []string{"", "/a", "/b"} {
		r.checkPresence(namespace)
	}
}

// compareWithModel runs the commands of the input on a hub and on its model.
func compareWithModel(t *testing.T, input []byte) {
	clock := newClock()
	r := &run{t: t, clock: clock, input: input, entries: make(map[Change]int)}
	config := clock.config()
	config.AskTime = 2 * time.Second
	config.MaxRooms, config.PresenceGrace, config.WatchPresence, config.Revalidate = 2, 10*time.Second, true, true
	config.TrackEntries, config.Node = true, []string{"", "here"}[r.choose(2)]
	config.RequireSession = r.choose(4) == 0
	config.CloseOldest = r.choose(2) == 0
	config.MaxPerSession, config.MaxPerUser = r.choose(4), r.choose(4)
	r.hub, r.model = New(config), newModel(clock, config)
	r.namespaces = map[string]*Namespace{"/a": r.hub.Namespace("/a", true), "/b": r.hub.Namespace("/b", true)}
	for len(r.input) > 0 {
		r.step()
		r.check()
	}
	r.end()
}

// FuzzHub runs commands in any order on a hub and on a simple model. It
// compares their effects and the results of all queries.
func FuzzHub(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(randomBytes(seed, 300))
	}
	f.Fuzz(compareWithModel)
}

// TestHubAgreesWithItsModel is FuzzHub with long random inputs.
func TestHubAgreesWithItsModel(t *testing.T) {
	for seed := range uint64(20) {
		compareWithModel(t, randomBytes(1000+seed, 20_000))
	}
}

func randomBytes(seed uint64, n int) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	input := make([]byte, n)
	for i := range input {
		input[i] = byte(random.Uint32())
	}
	return input
}
