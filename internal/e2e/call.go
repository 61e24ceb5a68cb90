package e2e

import (
	"context"

	"github.com/mojosocket/mojo"
)

// CallResult is the result of an EmitWithAck.
type CallResult struct {
	Message *mojo.Message
	Err     error
}

// StartCall calls EmitWithAck and returns a channel for its result.
func StartCall(ctx context.Context, c *mojo.Conn, event string, args ...any) <-chan CallResult {
	result := make(chan CallResult, 1)
	go func() {
		m, err := c.EmitWithAck(ctx, event, args...)
		result <- CallResult{m, err}
	}()
	return result
}
