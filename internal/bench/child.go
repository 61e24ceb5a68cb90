package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/mojosocket/mojo/internal/bench/servers"
)

// A server runs in a process of its own. It first prints a line of JSON with
// its address. Then it reads commands from its standard input: a letter, and a
// number of four bytes in little-endian order. It answers some commands with a
// line of JSON.
const (
	cmdBroadcast = 'b' // send an event to all clients
	cmdEmit      = 'u' // send an event to the user with the number
	cmdConns     = 'c' // answer with the number of connections
	cmdStats     = 's' // answer with the other fields of childStats
	cmdCollect   = 'g' // return free memory to the system, and answer
	cmdProfile   = 'p' // 1: begin a CPU profile; 0: end it; and answer
	cmdHeap      = 'm' // write a heap profile, and answer
	cmdCluster   = 'n' // answer with the fields of childStats about the cluster
	cmdKnows     = 'k' // answer whether the user with the number is connected to a node
	commandSize  = 5
)

// childStats is a line of JSON that a server prints.
type childStats struct {
	Address    string `json:"address,omitempty"` // only in the first line
	Conns      int    `json:"conns"`
	Goroutines int    `json:"goroutines"`
	Heap       uint64 `json:"heap"`  // bytes in use
	Stacks     uint64 `json:"stack"` // bytes in use

	Nodes    int    `json:"nodes"`    // that this one knows, itself among them
	Users    int    `json:"users"`    // that are connected to any node
	Known    bool   `json:"known"`    // the answer to cmdKnows
	Messages uint64 `json:"messages"` // that have come from the broker
	Bytes    uint64 `json:"bytes"`    // likewise
}

// child is the main function of the process of a server. It returns when its
// standard input ends.
func child(name string, config servers.Config, cpuProfile, memProfile string) error {
	if memProfile != "" {
		runtime.MemProfileRate = memProfileRate // before the server allocates memory
	}
	s, known, err := servers.New(name, config)
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("no server %q", name)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	answers := json.NewEncoder(os.Stdout)
	if err := answers.Encode(childStats{Address: listener.Addr().String()}); err != nil {
		return err
	}
	commandsEnded := make(chan error, 1)
	go func() { commandsEnded <- runCommands(s, answers, cpuProfile, memProfile) }()
	select {
	case err := <-served:
		return err
	case err := <-commandsEnded:
		return err
	}
}

// memProfileRate is the average number of bytes between two samples of a heap
// profile. It is smaller than the default, because connections are small.
const memProfileRate = 4 << 10

// runCommands runs commands until the standard input ends.
func runCommands(s *servers.Server, answers *json.Encoder, cpuProfile, memProfile string) error {
	in := bufio.NewReader(commandInput())
	var command [commandSize]byte
	for {
		if _, err := io.ReadFull(in, command[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		number := binary.LittleEndian.Uint32(command[1:])
		var err error
		switch command[0] {
		case cmdBroadcast:
			s.Broadcast()
		case cmdEmit:
			s.EmitTo(int(number))
		case cmdConns:
			err = answers.Encode(childStats{Conns: s.Conns()})
		case cmdStats: // ReadMemStats stops all goroutines for a moment
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			err = answers.Encode(childStats{Conns: s.Conns(), Goroutines: runtime.NumGoroutine(), Heap: m.HeapAlloc, Stacks: m.StackInuse})
		case cmdCollect:
			collect()
			err = answers.Encode(childStats{})
		case cmdCluster:
			stats := childStats{Nodes: s.Nodes(), Users: s.Users()}
			stats.Messages, stats.Bytes = s.Received()
			err = answers.Encode(stats)
		case cmdKnows:
			err = answers.Encode(childStats{Known: s.Knows(int(number))})
		case cmdProfile:
			if err = profile(number != 0, cpuProfile); err == nil {
				err = answers.Encode(childStats{})
			}
		case cmdHeap:
			if err = writeHeapProfile(memProfile); err == nil {
				err = answers.Encode(childStats{})
			}
		default:
			err = fmt.Errorf("unknown command %q", command[0])
		}
		if err != nil {
			return err
		}
	}
}

// commandInput returns the standard input as a non-blocking file. A thread that
// blocks in a read would have to be woken, which costs more than a command.
func commandInput() *os.File {
	_ = syscall.SetNonblock(0, true)
	return os.NewFile(0, "commands")
}

// collect runs the garbage collector and returns free memory to the system. The
// second round frees what finalizers and pools have kept.
func collect() {
	for range 2 {
		debug.FreeOSMemory()
		time.Sleep(50 * time.Millisecond)
	}
}

// profile begins a CPU profile in a file, or ends it.
func profile(begin bool, path string) error {
	if !begin {
		pprof.StopCPUProfile()
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f)
}

func writeHeapProfile(path string) error {
	collect()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
}
