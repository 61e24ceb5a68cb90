package mojo

import (
	"encoding/json"
	"math"
	"net"
	"reflect"
	"strings"

	"github.com/mojosocket/mojo/internal/socketio"
)

// describeConn returns the handshake and the data of a connection as the JSON that
// Node servers in the cluster get from each other. The auth payload is left out,
// because clients send their tokens there, and so is what a Handshake does not
// have.
func describeConn(s *socketio.Socket) (handshake, data []byte) {
	c := connOf(s)
	return c.handshake().toHandshake(nil).describe(), c.describeValues()
}

// nodeHandshake is the property handshake of a socket on a Node server.
type nodeHandshake struct {
	Headers     map[string]string `json:"headers"` // the names in lower case
	Time        string            `json:"time"`
	Issued      int64             `json:"issued"` // milliseconds since 1970
	Address     string            `json:"address"`
	CrossDomain bool              `json:"xdomain"`
	URL         string            `json:"url"`
	Query       map[string]any    `json:"query"` // strings, or arrays of strings
	Auth        struct{}          `json:"auth"`
}

func (h Handshake) describe() []byte {
	d := nodeHandshake{
		Headers: make(map[string]string), Query: make(map[string]any),
		Time:   h.Time.UTC().Format("Mon Jan 02 2006 15:04:05") + " GMT+0000 (Coordinated Universal Time)",
		Issued: h.Time.UnixMilli(), Address: h.RemoteAddr, URL: "/socket.io/?" + h.query,
	}
	if host, _, err := net.SplitHostPort(h.RemoteAddr); err == nil {
		d.Address = host
	}
	header := h.Header()
	d.CrossDomain = header.Get("Origin") != ""
	for name, values := range header {
		d.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	for name, values := range h.Query() {
		if d.Query[name] = values; len(values) == 1 {
			d.Query[name] = values[0]
		}
	}
	text, _ := json.Marshal(d) // cannot fail
	return text
}

// describeValues returns the values of Conn.Set that are strings, numbers or
// bools under a string as a JSON object. Other goroutines may change other values
// meanwhile.
func (c *Conn) describeValues() []byte {
	values := make(map[string]any)
	c.mu.Lock()
	for key, value := range c.values {
		if name, isText := key.(string); isText {
			if plain := plainValue(value); plain != nil {
				values[name] = plain
			}
		}
	}
	c.mu.Unlock()
	text, _ := json.Marshal(values) // cannot fail
	return text
}

// plainValue returns a string, a number or a bool without the methods of its
// type. It is nil for other values, and for a number that JSON does not have.
func plainValue(value any) any {
	v := reflect.ValueOf(value)
	switch {
	case v.Kind() == reflect.String:
		return v.String()
	case v.Kind() == reflect.Bool:
		return v.Bool()
	case v.CanInt():
		return v.Int()
	case v.CanUint():
		return v.Uint()
	case v.CanFloat() && !math.IsNaN(v.Float()) && !math.IsInf(v.Float(), 0):
		return v.Float()
	}
	return nil
}
