package load

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// sourceAddresses is the number of addresses from which clients connect. One
// address has 28,000 ports, but the ports of earlier connections stay in use
// for a minute.
const sourceAddresses = 16

// dial begins to connect to the server. The index of the client determines its
// source address.
func dial(server netip.AddrPort, index int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	for _, o := range []struct{ level, name int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY},
		{unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT}, // the port is chosen for the pair of addresses
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, 1); err != nil {
			return -1, fmt.Errorf("socket option: %w", err)
		}
	}
	from := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + index%sourceAddresses)}}
	if err := unix.Bind(fd, from); err != nil {
		return -1, fmt.Errorf("bind: %w", err)
	}
	to := &unix.SockaddrInet4{Addr: server.Addr().As4(), Port: int(server.Port())}
	if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// abort makes a later close of fd reset the connection, so that its port is
// free at once.
func abort(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// write writes p to a socket. Clients send so little at a time that the socket
// is never full.
func write(fd int, p []byte) error {
	n, err := unix.Write(fd, p)
	if err == nil && n < len(p) {
		err = errors.New("the server does not read")
	}
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
