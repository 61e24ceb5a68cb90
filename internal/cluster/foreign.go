package cluster

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/answers"
	"github.com/mojosocket/mojo/internal/parser"
)

// Servers of another kind on the broker are asked by the Link, if it can: in
// their own way, apart from the question to the other nodes. Their answers have
// neither ids nor identities. How many there are is known when the servers have
// said so.

// askForeign puts a question for servers of another kind into the outbox, and
// adds their part to the answers. It is as large as content.
func (n *Node) askForeign(c *answers.Collection, content outgoing, ask func(ctx context.Context, asker cluster.Asker, r cluster.Replies)) {
	asker, ok := n.link.(cluster.Asker)
	if !ok {
		return
	}
	r := &replies{part: c.AddPart(), collection: c}
	ctx, cancel := context.WithCancel(context.Background())
	c.OnEnd(cancel)
	if !n.out.putEvent(outgoing{askSize: content.size(), ask: func(lost error) {
		if lost != nil {
			r.Done(lost)
			return
		}
		ask(ctx, asker, r)
	}}) {
		r.Done(ErrDown)
	}
}

// replies are the answers of servers of another kind. It implements
// cluster.Replies.
type replies struct {
	part       *answers.Part
	collection *answers.Collection

	mu       sync.Mutex
	expected int // guarded by mu
	next     int // guarded by mu: the number of the next answer
}

// Expect implements cluster.Replies.
func (r *replies) Expect(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n <= 0 || n > maxForeign-r.expected {
		return
	}
	r.expected += n
	r.part.Ask(n, func(int) answers.From { return answers.From{} })
}

// maxForeign bounds how many answers of servers of another kind are waited for:
// anybody on the broker can say a number.
const maxForeign = 1 << 20

// Reply implements cluster.Replies.
func (r *replies) Reply(data []byte, attachments [][]byte) {
	r.mu.Lock()
	number := r.next
	if number == r.expected {
		r.mu.Unlock()
		return
	}
	r.next++
	r.mu.Unlock()
	a := answers.Answer{Outcome: answers.Answered, Payload: parser.Payload{JSON: slices.Concat([]byte("["), data, []byte("]")), Attachments: attachments}}
	if !json.Valid(data) {
		a = answers.Answer{Outcome: answers.Ambiguous}
	}
	r.part.Answer(number, a)
}

// Done implements cluster.Replies.
func (r *replies) Done(err error) {
	if err == nil {
		r.part.Told()
		return
	}
	r.part.Lose()
}
