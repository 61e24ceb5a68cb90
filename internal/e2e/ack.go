package e2e

import (
	"context"

	"github.com/mojosocket/mojo"
)

// Answered is the result of an EmitWithAck.
type Answered struct {
	M   *mojo.Message
	Err error
}

func GoCall(ctx context.Context, c *mojo.Conn, event string, args ...any) <-chan Answered {
	result := make(chan Answered, 1)
	go func() {
		m, err := c.EmitWithAck(ctx, event, args...)
		result <- Answered{m, err}
	}()
	return result
}
