package ownership

import (
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/hub/presence"
)

// node is a member of the cluster.
type node struct {
	name   string
	hash   uint64
	joined time.Time // when this node learned of it
}

// view is a set of members.
type view []node

// owner returns the name of the member that owns the key with a hash. The
// protocol between nodes depends on it, on hash, and on the values of
// command.Kind: a change of any of them needs a new version of the protocol.
func (v view) owner(key uint64) string { return v.ownerAmong(key, anyNode) }

func anyNode(*node) bool { return true }

func (v view) find(name string) (node, bool) {
	i := slices.IndexFunc(v, func(m node) bool { return m.name == name })
	if i < 0 {
		return node{}, false
	}
	return v[i], true
}

// without returns the other members.
func (v view) without(name string) view {
	return slices.DeleteFunc(slices.Clone(v), func(m node) bool { return m.name == name })
}

// ownerAmong is like owner among some of the members.
func (v view) ownerAmong(key uint64, counts func(*node) bool) (name string) {
	var highest uint64
	for i := range v {
		m := &v[i]
		score := mix(m.hash ^ key)
		if counts(m) && (name == "" || score > highest || score == highest && m.name > name) {
			name, highest = m.name, score
		}
	}
	return name
}

const basis, prime = 0xcbf29ce484222325, 0x100000001b3

// hash returns the hash of a key: the 64-bit FNV-1a hash of its kind,
// namespace and id. It is mixed because the low bits of FNV are weak.
func hash(k presence.Key) uint64 {
	h := (basis ^ uint64(k.Kind)) * prime
	return mix(fnv(fnv(h, k.Namespace)*prime, k.ID))
}

func hashName(name string) uint64 { return mix(fnv(basis, name)) }

func fnv(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return h
}

// mix makes every bit of the result depend on every bit of x.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
