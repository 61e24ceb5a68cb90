package directory

import (
	"math"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// Claims is the namespace for connections that have not proved their claim yet.
// Messages to the claimed session or user must reach their node, which keeps
// them until the proof. Only NodesOf finds these entries: the id is not
// present.
const Claims = "claims"

// Entry is the number of connections that a session or user has in a namespace,
// on one node.
type Entry struct {
	command.Key
	Namespace string
	Count     int // 0: there is no such entry
}

// Valid reports whether the entry can be in a Directory.
func (e Entry) Valid() bool {
	return isIdentity(e.Kind) && e.ID != "" && e.Namespace != "" && e.Count >= 0 && e.Count <= math.MaxInt32
}

// isIdentity reports whether entries can have keys of a kind.
func isIdentity(k command.Kind) bool { return k == command.Session || k == command.User }

// Transition is the event that an id gets its first entry on any node, or loses
// its last one.
type Transition struct {
	presence.Key
	Present bool // whether the id has an entry now
}

// Shards is the number of shards. The protocol between nodes depends on it, on
// ShardOf, on Digest.Checksum, and on the values of command.Kind: a change of
// any of them needs a new version of the protocol.
const Shards = 1024

// ShardOf returns the shard of a key, from 0 to Shards-1.
func ShardOf(k command.Key) int { return shardOf(hash(k)) }

func shardOf(hash uint64) int { return int(hash % Shards) }

// hash returns the 64-bit FNV-1a hash of the kind and the id. It is mixed
// because the low bits of FNV are weak.
func hash(k command.Key) uint64 {
	const basis, prime = 0xcbf29ce484222325, 0x100000001b3
	h := (basis ^ uint64(k.Kind)) * prime
	for i := range len(k.ID) {
		h = (h ^ uint64(k.ID[i])) * prime
	}
	return mix(h)
}

// mix makes every bit of the result depend on every bit of x.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// checksum returns the hash of an entry, given the hash of its key. It is 0 if
// the count is 0.
func checksum(key uint64, ns *namespace, count int32) uint64 {
	if count == 0 {
		return 0
	}
	const odd = 0x9e3779b97f4a7c15
	return mix(key ^ mix(ns.hash+odd*uint64(count)))
}
