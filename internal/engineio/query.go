package engineio

import (
	"net/url"
	"strings"

	"github.com/mojosocket/mojo/internal/engineio/codec"
)

// query has the parameters of a request that an engine uses.
type query struct {
	eio, transport, sid parameter
	base64              bool // the client has requested binary packets as text
	jsonp               bool // the client has requested a script, which calls it with the payload

	revision codec.Revision // set by Engine.ServeHTTP
}

// parameter is a query parameter, which may occur several times.
type parameter struct {
	value   string // the last value
	count   int    // how often it occurs
	differs bool   // it has two different values
}

// isSingle reports whether the parameter has one value, however often it
// occurs: some clients add a parameter that the URL has already.
func (p *parameter) isSingle() bool { return p.count > 0 && !p.differs }

// parseQuery parses the parameters that an engine uses. It ignores the others,
// of which there may be many, and takes no memory for them.
func parseQuery(raw string) query {
	var q query
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		var p *parameter
		switch name {
		case "EIO":
			p = &q.eio
		case "transport":
			p = &q.transport
		case "sid":
			p = &q.sid
		case "b64":
			q.base64 = value != "" && value != "0" && value != "false"
			continue
		case "j":
			q.jsonp = true
			continue
		default:
			continue
		}
		value, _ = url.QueryUnescape(value) // malformed: ""; no parameter may be empty
		p.differs = p.differs || p.count > 0 && value != p.value
		p.count++
		p.value = value
	}
	return q
}

func (q *query) isEmpty() bool { return q.eio.count+q.transport.count+q.sid.count == 0 }
