//go:build netfaults

package faults

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

const inNamespace = "MOJO_NETWORK_NAMESPACE"

// TestPacketFaults runs the tests of TestNetworkFaults with faults below TCP:
// in its own network namespace it delays, reorders, loses, duplicates or drops
// the packets between the two ends, both of which are in the kernel.
func TestPacketFaults(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		inNewNamespace(t)
		return
	}
	w := newWire(t)
	networkFaults(t, func(t *testing.T, h http.Handler) (*siotest.Site, network) {
		w.restore()
		site := siotest.Serve(t, siotest.TCP, h)
		listener, err := net.Listen("tcp4", near+":0")
		require.NoError(t, err)
		server := &http.Server{Handler: h}
		served := make(chan error)
		go func() { served <- server.Serve(listener) }()
		t.Cleanup(func() {
			_ = server.Close()
			<-served
		})
		_, port, err := net.SplitHostPort(listener.Addr().String())
		require.NoError(t, err)
		return site, &path{w, net.JoinHostPort(far, port)}
	})
	t.Logf("%d segments were retransmitted", retransmitted(t))
	require.NotZero(t, retransmitted(t))
}

// retransmitted returns the number of segments that the kernel has sent again
// in this network namespace.
func retransmitted(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/net/snmp")
	require.NoError(t, err)
	var lines [][]string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "Tcp:") {
			lines = append(lines, strings.Fields(line))
		}
	}
	require.Len(t, lines, 2, "a line of names and a line of values")
	n, err := strconv.Atoi(lines[1][slices.Index(lines[0], "RetransSegs")])
	require.NoError(t, err)
	return n
}

// inNewNamespace runs this test again, in a new network namespace and, if the
// user is not root, in a new user namespace.
func inNewNamespace(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestPacketFaults$", "-test.v=true")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}

// wire is a TUN device that receives the packets that the kernel sends to far.
// It returns each packet to the kernel with swapped addresses. So a packet to a
// port of far arrives at that port of near, with far as its source, and the
// answers return the same way. The checksums stay correct when the addresses
// are swapped.
type wire struct {
	device *os.File

	mu    sync.Mutex // guards the fields below
	fault fault
}

type fault uint8

const (
	none fault = iota
	delayed
	dropped
	resetting
)

const near, far = "10.99.0.1", "10.99.0.2"

func newWire(t *testing.T) *wire {
	t.Helper()
	const tunSetIff, iffTUN, iffNoPI = 0x400454ca, 0x0001, 0x1000 // linux/if_tun.h
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	var request [40]byte // struct ifreq
	copy(request[:], "wire")
	binary.NativeEndian.PutUint16(request[16:], iffTUN|iffNoPI)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), tunSetIff, uintptr(unsafe.Pointer(&request)))
	require.Zero(t, errno)
	w := &wire{device: os.NewFile(uintptr(fd), "wire")}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"addr", "add", near, "peer", far, "dev", "wire"},
		{"link", "set", "wire", "up"},
	} {
		out, err := exec.Command("ip", args...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.carry()
	}()
	t.Cleanup(func() {
		w.device.Close()
		<-done
	})
	return w
}

// carry reads and returns packets until the device is closed.
func (w *wire) carry() {
	var late sync.WaitGroup
	defer late.Wait()
	for {
		p := make([]byte, 1<<16)
		n, err := w.device.Read(p)
		if err != nil {
			return
		}
		p = p[:n]
		if n < 40 || p[0]>>4 != 4 || p[9] != syscall.IPPROTO_TCP {
			continue
		}
		w.mu.Lock()
		fault := w.fault
		w.mu.Unlock()
		switch fault {
		case none:
			w.deliver(p)
		case delayed:
			for range copies() {
				late.Add(1)
				time.AfterFunc(time.Duration(1+rand.IntN(10))*time.Millisecond, func() {
					defer late.Done()
					w.deliver(p)
				})
			}
		case resetting:
			w.reject(p)
		}
	}
}

// copies returns how often a packet arrives: of fifty packets about one is lost
// and one is duplicated.
func copies() int {
	switch rand.IntN(50) {
	case 0:
		return 0
	case 1:
		return 2
	}
	return 1
}

// deliver gives a packet to the kernel, with its addresses swapped.
func (w *wire) deliver(p []byte) { _, _ = w.device.Write(swapped(p)) } // after an error the packet is lost

// reject answers a packet with a reset, and forwards a reset instead of the
// packet. Both have the addresses of the packet, because far and near are the
// same host.
func (w *wire) reject(p []byte) {
	header := int(p[0]&15) * 4
	tcp := p[header:]
	const rst, ack = 4, 16
	if tcp[13]&rst != 0 {
		return
	}
	forwarded := segment(p[:20], tcp[0:2], tcp[2:4], tcp[4:8], tcp[8:12], rst|ack)
	w.deliver(forwarded)
	answer := segment(p[:20], tcp[2:4], tcp[0:2], tcp[8:12], tcp[4:8], rst)
	w.deliver(answer)
}

// swapped returns a packet in the other direction.
func swapped(p []byte) []byte {
	q := append([]byte(nil), p...)
	copy(q[12:16], p[16:20])
	copy(q[16:20], p[12:16])
	return q
}

// segment returns a TCP segment without data, in a packet with the addresses of
// another.
func segment(ip, from, to, seq, ack []byte, flags byte) []byte {
	p := make([]byte, 40)
	copy(p, ip)
	p[0] = 0x45
	binary.BigEndian.PutUint16(p[2:], 40)
	binary.BigEndian.PutUint16(p[10:], 0)
	binary.BigEndian.PutUint16(p[10:], checksum(p[:20], 0))
	tcp := p[20:]
	copy(tcp[0:], from)
	copy(tcp[2:], to)
	copy(tcp[4:], seq)
	copy(tcp[8:], ack)
	tcp[12], tcp[13] = 5<<4, flags
	binary.BigEndian.PutUint16(tcp[16:], checksum(append(p[12:20:20], tcp...), syscall.IPPROTO_TCP+20))
	return p
}

// checksum is the checksum of IP and, with the pseudo header in front, of TCP.
func checksum(b []byte, sum uint32) uint16 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func (w *wire) set(f fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

func (w *wire) restore() { w.set(none) }

// path is a wire to one server.
type path struct {
	*wire
	address string
}

func (p *path) dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp4", p.address)
}

func (p *path) delayAndLose(*testing.T) { p.set(delayed) }
func (p *path) cut(*testing.T)          { p.set(dropped) }
func (p *path) reset(*testing.T)        { p.set(resetting) }
