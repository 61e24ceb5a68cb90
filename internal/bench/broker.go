package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// broker is a redis-server that connects the nodes of a cluster. Its methods
// are called by one goroutine.
type broker struct {
	cmd     *exec.Cmd
	dir     string
	address string
	client  *redis.Client
}

// startBroker starts a redis-server that stores nothing, and waits until it
// answers.
func startBroker() (*broker, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().(*net.TCPAddr)
	listener.Close() // another program may take the port, and the broker does not start then
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	b := &broker{dir: dir, address: address.String()}
	b.cmd = exec.Command("redis-server", "--bind", "127.0.0.1", "--port", strconv.Itoa(address.Port), "--dir", dir,
		"--save", "", "--appendonly", "no", "--loglevel", "warning")
	b.cmd.Stderr = os.Stderr
	if err := b.cmd.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	b.client = redis.NewClient(&redis.Options{Addr: b.address})
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		err := b.client.Ping(context.Background()).Err()
		if err == nil {
			return b, nil
		}
		if time.Since(begin) > patience {
			b.stop()
			return nil, fmt.Errorf("redis-server does not answer: %w", err)
		}
	}
}

// stop ends the broker. It does nothing if b is nil.
func (b *broker) stop() {
	if b == nil {
		return
	}
	_ = b.client.Close()
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
	_ = os.RemoveAll(b.dir)
}

// usage is what a broker has used since it was started.
type usage struct {
	cpu     time.Duration
	in, out float64 // bytes
}

// usage returns what the broker has used.
func (b *broker) usage() (u usage, err error) {
	if u.cpu, err = processCPU(b.cmd.Process.Pid); err != nil {
		return u, err
	}
	info, err := b.client.Info(context.Background(), "stats").Bytes()
	if err != nil {
		return u, err
	}
	in, errIn := infoField(info, "total_net_input_bytes")
	out, errOut := infoField(info, "total_net_output_bytes")
	u.in, u.out = in, out
	return u, errors.Join(errIn, errOut)
}

// infoField returns a number of the answer to INFO.
func infoField(info []byte, name string) (float64, error) {
	for line := range bytes.Lines(info) {
		if value, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			return strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
		}
	}
	return 0, fmt.Errorf("INFO has no %s", name)
}
