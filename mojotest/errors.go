package mojotest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/mojosocket/mojo/internal/siotest"
)

// ConnectError is the server's refusal of a namespace, which socket.io-client
// passes to the connect_error event of a page.
type ConnectError struct {
	Namespace string
	Message   string          // of the mojo.ClientError, "internal error" or "Invalid namespace"
	Data      json.RawMessage // of the mojo.ClientError; nil for none
}

// Error returns a text with the namespace and the message.
func (e *ConnectError) Error() string {
	return fmt.Sprintf("mojotest: %s was refused: %s", e.Namespace, e.Message)
}

// Decode decodes Data with json.Unmarshal.
func (e *ConnectError) Decode(dst any) error { return json.Unmarshal(e.Data, dst) }

func connectError(namespace string, err error) error {
	if refused, ok := errors.AsType[*siotest.ConnectError](err); ok {
		return &ConnectError{Namespace: namespace, Message: refused.Message, Data: refused.Data}
	}
	return fmt.Errorf("mojotest: connect to %s: %w", namespace, err)
}

// HandshakeError is the refusal of a connection by the mojo.Server, or by the
// site around it, for instance because the session was revoked.
type HandshakeError struct {
	Status  int    // of HTTP: 403, 503, ...
	Message string // for instance "Forbidden"
}

// Error returns a text with the status and the message.
func (e *HandshakeError) Error() string {
	text := fmt.Sprintf("mojotest: the handshake was refused: %d %s", e.Status, e.Message)
	if e.Status == http.StatusNotFound {
		text += "; is the mojo.Server mounted at DialOptions.Path, with a slash at the end?"
	}
	return text
}

func handshakeError(path string, err error) error {
	refused, ok := errors.AsType[*siotest.HTTPError](err)
	if !ok {
		return fmt.Errorf("mojotest: handshake at %s: %w", path, err)
	}
	var answer struct{ Message string }
	if json.Unmarshal([]byte(refused.Body), &answer) != nil {
		answer.Message = strings.TrimSpace(refused.Body)
	}
	return &HandshakeError{Status: refused.Status, Message: answer.Message}
}
