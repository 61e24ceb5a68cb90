package mojoredis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// pipelineLen is how many entries are sent before the answers are read.
const pipelineLen = 1000

// publisher publishes over one connection, one call after the other, so that
// the order of the entries is kept. It makes a new connection after an error.
type publisher struct {
	connect func(context.Context) (*connection, error)
	timeout time.Duration
	closing context.Context
	turn    chan struct{} // has an element while a call has its turn

	// These belong to that call.

	conn *connection       // nil if there is none
	last *redis.ClientInfo // of the last connection; nil if Redis has not told
}

// publish returns when Redis has accepted all entries. After an error some of
// the entries may not have been published, and will not be later.
func (p *publisher) publish(ctx context.Context, entries []entry) error {
	return p.inTurn(ctx, func(ctx context.Context) error {
		for part := range slices.Chunk(entries, pipelineLen) {
			err := p.send(ctx, func(pipe redis.Pipeliner) {
				for _, e := range part {
					pipe.Publish(ctx, e.channel, e.body)
				}
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// numSub returns how many subscribers channels have.
func (p *publisher) numSub(ctx context.Context, channels ...string) (map[string]int64, error) {
	var counts *redis.MapStringIntCmd
	err := p.inTurn(ctx, func(ctx context.Context) error {
		return p.send(ctx, func(pipe redis.Pipeliner) { counts = pipe.PubSubNumSub(ctx, channels...) })
	})
	if err != nil {
		return nil, err
	}
	return counts.Val(), nil
}

// inTurn calls f when no other call has its turn.
func (p *publisher) inTurn(ctx context.Context, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return ctx.Err()
	case <-p.closing.Done():
		return errClosed
	}
	return f(ctx)
}

// send sends commands. It tries again if the connection was lost before.
func (p *publisher) send(ctx context.Context, commands func(redis.Pipeliner)) error {
	for range 2 {
		if p.conn != nil && p.conn.isAborted() { // its context ended just after the last call
			p.drop()
		}
		if err := p.ensure(ctx); err != nil {
			return err
		}
		err := p.exec(ctx, commands)
		var answer redis.Error
		if err == nil || errors.As(err, &answer) { // the connection is all right
			return err
		}
		lost := p.conn.isSpent()
		p.drop()
		if !lost {
			return err
		}
	}
	return errSpent
}

// ensure makes a connection if there is none. Then it ends the one before, which
// may still be on its way through a slow network or a proxy: what it carries
// must not be published after what the new one does.
func (p *publisher) ensure(ctx context.Context) (err error) {
	if p.closing.Err() != nil {
		return errClosed
	}
	if p.conn != nil {
		return nil
	}
	if p.conn, err = p.connect(ctx); err != nil {
		return err
	}
	var info *redis.ClientInfoCmd
	err = p.exec(ctx, func(pipe redis.Pipeliner) {
		if p.last != nil {
			// With the address it cannot be another client of a Redis that has
			// been restarted.
			pipe.ClientKillByFilter(ctx, "ID", strconv.FormatInt(p.last.ID, 10), "ADDR", p.last.Addr)
		}
		info = pipe.ClientInfo(ctx)
	})
	var answer redis.Error
	switch {
	case err == nil:
		p.last = info.Val()
	case errors.As(err, &answer) && p.conn.isReady(): // it is old, or does not permit this
		return nil
	default:
		p.drop()
	}
	return err
}

// exec executes commands, until ctx is done or the link is closed.
func (p *publisher) exec(ctx context.Context, f func(redis.Pipeliner)) error {
	conn := p.conn
	defer context.AfterFunc(ctx, conn.abort)()
	defer context.AfterFunc(p.closing, conn.abort)()
	_, err := conn.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		f(pipe)
		return nil
	})
	switch {
	case err == nil:
		return nil
	case p.closing.Err() != nil:
		return errClosed
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

func (p *publisher) drop() {
	if p.conn != nil {
		p.conn.abort()
		p.conn = nil
	}
}

// close ends the connection after the last call. closing must be done.
func (p *publisher) close() {
	p.turn <- struct{}{}
	p.drop()
	<-p.turn
}
