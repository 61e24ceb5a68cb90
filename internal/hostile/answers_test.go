package hostile

import (
	"bufio"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/e2e"
)

// answerCounter counts requests and their answers. An answer is a response or a
// hijack.
type answerCounter struct {
	next                      http.Handler
	started, ended            atomic.Int64
	unanswered, answeredTwice atomic.Int64
}

func (w *answerCounter) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.started.Add(1)
	defer w.ended.Add(1)
	counted := &countedWriter{ResponseWriter: rw}
	w.next.ServeHTTP(counted, r)
	switch {
	case counted.answers == 0:
		w.unanswered.Add(1)
	case counted.answers > 1:
		w.answeredTwice.Add(1)
	}
}

// requireAnswered waits until each request has been answered, and requires that
// each got one answer.
func (w *answerCounter) requireAnswered(t *testing.T) {
	t.Helper()
	e2e.WaitUntil(t, "every request is answered", func() bool { return w.started.Load() == w.ended.Load() })
	require.Zero(t, w.unanswered.Load(), "requests without an answer")
	require.Zero(t, w.answeredTwice.Load(), "requests with more than one answer")
}

type countedWriter struct {
	http.ResponseWriter
	answers int
}

func (w *countedWriter) WriteHeader(status int) {
	w.answers++
	w.ResponseWriter.WriteHeader(status)
}

func (w *countedWriter) Write(p []byte) (int, error) {
	if w.answers == 0 {
		w.answers++
	}
	return w.ResponseWriter.Write(p)
}

func (w *countedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.answers++
	}
	return conn, rw, err
}

func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
