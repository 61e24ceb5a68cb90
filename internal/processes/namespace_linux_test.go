package processes

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/redistest"
)

const inNamespace = "MOJO_NETWORK_NAMESPACE"

// One node has a network namespace of its own, with a network to the broker and
// one to its clients. The first one fails.
func TestBrokerInAnotherNamespace(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		t.Parallel()
		inNewNamespace(t)
		return
	}
	ip(t, "link set lo up")
	for i, network := range []string{"broker", "site"} {
		ip(t, "link add name %s type veth peer name %s", network, network+"peer")
		ip(t, "addr add 10.98.%d.1/30 dev %s", i, network)
		ip(t, "link set %s up", network)
	}
	broker := redistest.New(t, "--bind", "127.0.0.1 10.98.0.1", "--protected-mode", "no")
	_, port, err := net.SplitHostPort(broker.Addr)
	require.NoError(t, err)
	n := []*node{
		start(t, Config{Redis: broker.Addr, Grace: grace}),
		start(t, Config{Redis: broker.Addr, Grace: grace}),
		spawn(t, Config{Redis: net.JoinHostPort("10.98.0.1", port), Listen: "10.98.1.2:0", Grace: grace}, func(c *exec.Cmd) {
			c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		}),
	}
	for i, network := range []string{"brokerpeer", "sitepeer"} {
		pid := n[2].process.Process.Pid
		ip(t, "link set %s netns %d", network, pid)
		inNodes(t, pid, "addr add 10.98.%d.2/30 dev %s", i, network)
		inNodes(t, pid, "link set %s up", network)
	}
	n[2].meet()
	awaitWhole(t, n...)
	outage(t, n, n[2:], func() { ip(t, "link set broker down") }, func() { ip(t, "link set broker up") })
}

// inNewNamespace runs this test again, in a new network namespace and, if the
// user is not root, in a new user namespace.
func inNewNamespace(t *testing.T) {
	t.Helper()
	redistest.Require(t)
	if out, err := namespaced("ip", "link", "add", "probe", "type", "veth").CombinedOutput(); err != nil {
		t.Skipf("this machine permits no network namespace: %v %s", err, out)
	}
	out, err := namespaced(os.Args[0], "-test.run=^TestBrokerInAnotherNamespace$", "-test.v=true").CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}

func namespaced(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), inNamespace+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if uid := os.Getuid(); uid != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return c
}

// ip runs the command ip.
func ip(t *testing.T, format string, args ...any) {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(fmt.Sprintf(format, args...))...).CombinedOutput()
	require.NoError(t, err, string(out))
}

// inNodes is ip in the namespace of a node.
func inNodes(t *testing.T, pid int, format string, args ...any) {
	t.Helper()
	command := append([]string{fmt.Sprintf("--net=/proc/%d/ns/net", pid), "ip"}, strings.Fields(fmt.Sprintf(format, args...))...)
	out, err := exec.Command("nsenter", command...).CombinedOutput()
	require.NoError(t, err, string(out))
}
