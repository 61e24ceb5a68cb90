package mojotest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/mojosocket/mojo/internal/siotest"
)

// ConnectError says that the server has refused a namespace. socket.io-client
// passes it to the connect_error event of a page. mojotest does not change it
// later.
type ConnectError struct {
	Namespace string
	Message   string          // that of the mojo.ClientError, "internal error" or "Invalid namespace"
	Data      json.RawMessage // that of the mojo.ClientError; nil if it has none
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

// HandshakeError says that the mojo.Server, or the site around it, has refused
// a connection, for instance because the session was revoked. mojotest does not
// change it later.
type HandshakeError struct {
	Status  int    // the HTTP status: 403, 503, ...
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
