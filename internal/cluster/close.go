package cluster

import (
	"time"

	"github.com/mojosocket/mojo/internal/cluster/members"
)

// Close leaves the cluster. It waits until the other nodes can know that, but no
// longer than the given time. It may be called again.
func (n *Node) Close(wait time.Duration) { n.closing.Do(func() { n.close(wait) }) }

func (n *Node) close(wait time.Duration) {
	if wait > 0 {
		n.handOver(wait)
	}
	n.flushServing()
	n.change(func() members.Result { return n.members.Leave() })
	n.out.drain(wait)
	n.loseAsks(nil)
	n.stop()
	n.out.setDown(true)
	_ = n.link.Close() // the node leaves, whatever the broker says
	n.stopped.Wait()
	n.entries.close()
}
