package mojoredis

import "sync"

// answers are the answers to other servers that wait to be encoded and published.
type answers struct {
	wake chan struct{} // has an element if there may be some

	mu      sync.Mutex
	waiting []answer // guarded by mu
	size    int      // of waiting in bytes; guarded by mu
}

// answer is an answer that waits.
type answer struct {
	namespace string
	encode    func() ([]byte, error)
	size      int // of what it keeps in bytes
}

// maxAnswers bounds the bytes of answers that wait.
const maxAnswers = 16 << 20

func newAnswers() *answers { return &answers{wake: make(chan struct{}, 1)} }

// put adds an answer. It reports false if too many wait.
func (q *answers) put(a answer) bool {
	const overhead = 200
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.size > maxAnswers {
		return false
	}
	q.waiting = append(q.waiting, a)
	q.size += a.size + overhead
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// take returns all answers.
func (q *answers) take() []answer {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.waiting
	q.waiting, q.size = nil, 0
	return waiting
}
