package cluster

import (
	"fmt"

	"github.com/mojosocket/mojo/internal/parser"
)

// Encode encodes the name and arguments of an event for [Event]. It is for
// programs that publish events and are no Server. The arguments are those of
// mojo.Broadcast.Emit: encoding/json encodes them, and a []byte that is an
// argument, or a mojo.Binary anywhere in one, becomes an attachment. The
// attachments alias the arguments.
func Encode(event string, args ...any) (data []byte, attachments [][]byte, err error) {
	payload, err := parser.EncodeEvent(event, args)
	if err != nil {
		return nil, nil, fmt.Errorf("cluster: event %q: %w", event, err)
	}
	return payload.JSON, payload.Attachments, nil
}
