package mojoredis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mojosocket/mojo/ledger"
)

// LedgerOptions are the options of a Ledger. The zero value is ready to use.
type LedgerOptions struct {
	// Key is the key of the sorted set that has the records. The Servers of a
	// cluster must have the same. The default is "mojo:ledger".
	Key string
}

// Ledger is a ledger.Store in Redis, for mojo.Options.Ledger. Make it with
// NewLedger. It is safe for concurrent use, and may be used by several Servers.
type Ledger struct {
	client redis.UniversalClient
	key    string
}

var _ ledger.Store = (*Ledger)(nil)

// NewLedger returns a Ledger in the Redis that a client is connected to: a single
// one, one that Sentinel watches, or a Redis Cluster. It uses the client, with
// its timeouts and hooks, and does not close it.
//
// The records outlive the Redis if it writes them to its disk: appendonly should
// be on. They have one key without an expiry, which a Redis with the
// maxmemory-policy noeviction or volatile-* does not evict. The user of Redis
// needs the commands ZADD, ZREMRANGEBYSCORE, ZREMRANGEBYRANK and ZSCAN for it.
func NewLedger(client redis.UniversalClient, options LedgerOptions) *Ledger {
	if options.Key == "" {
		options.Key = "mojo:ledger"
	}
	return &Ledger{client, options.Key}
}

// separator separates the key and the value of a record in a member of the set.
// The score is the expiry in milliseconds since 1970.
const separator = ":"

func score(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }

// Save implements ledger.Store. It also removes the records that have expired,
// and those that expire first if there are too many.
func (l *Ledger) Save(ctx context.Context, records []ledger.Record) error {
	members := make([]redis.Z, len(records))
	for i, r := range records {
		members[i] = redis.Z{Score: float64(score(r.Expires)), Member: r.Key + separator + string(r.Value)}
	}
	return within(ctx, func() error {
		_, err := l.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			if len(members) > 0 {
				p.ZAdd(ctx, l.key, members...)
			}
			p.ZRemRangeByScore(ctx, l.key, "-inf", strconv.FormatInt(time.Now().UnixMilli(), 10))
			p.ZRemRangeByRank(ctx, l.key, 0, -ledger.MaxRecords-1)
			return nil
		})
		return err
	})
}

// Load implements ledger.Store.
func (l *Ledger) Load(ctx context.Context, yield func(ledger.Record) error) error {
	now := time.Now()
	for cursor := uint64(0); ; {
		var scan *redis.ScanCmd
		err := within(ctx, func() error {
			scan = l.client.ZScan(ctx, l.key, cursor, "", 1000)
			return scan.Err()
		})
		if err != nil {
			return err
		}
		var page []string // members and scores in turn
		page, cursor = scan.Val()
		for ; len(page) > 1; page = page[2:] {
			key, value, found := strings.Cut(page[0], separator)
			expires, err := strconv.ParseFloat(page[1], 64)
			if at := time.UnixMilli(int64(expires)); err == nil && found && now.Before(at) {
				if err := yield(ledger.Record{Key: key, Value: []byte(value), Expires: at}); err != nil {
					return err
				}
			}
		}
		if cursor == 0 {
			return nil
		}
	}
}

// within calls f, and returns when ctx ends: a client does not, by default.
func within(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("mojoredis: ledger: %w", err)
	}
	result := make(chan error, 1)
	go func() { result <- f() }()
	select {
	case err := <-result:
		if err != nil {
			return fmt.Errorf("mojoredis: ledger: %w", err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("mojoredis: ledger: %w", ctx.Err())
	}
}
