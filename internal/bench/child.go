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

// A server runs in a process of its own and takes commands from its standard
// input: a letter and four bytes with a number, least significant first. It
// first prints a line with its address, and answers some commands with a line
// of JSON.
const (
	cmdBroadcast = 'b' // send an event to everybody
	cmdEmit      = 'u' // send one to the user of the number
	cmdConns     = 'c' // answer with the number of connections
	cmdStats     = 's' // answer with all of childStats
	cmdCollect   = 'g' // give free memory back to the system, and answer
	cmdProfile   = 'p' // begin to profile the CPU, 1, or end it, 0, and answer
	cmdHeap      = 'm' // write a profile of the heap, and answer
	commandSize  = 5
)

// childStats is what a server reports.
type childStats struct {
	Address    string `json:"address,omitempty"` // only in the first line
	Conns      int    `json:"conns"`
	Goroutines int    `json:"goroutines"`
	Heap       uint64 `json:"heap"`  // bytes in use
	Stacks     uint64 `json:"stack"` // likewise
}

// child is the main function of such a process. It returns when its standard
// input ends.
func child(name string, beat servers.Heartbeat, cpuProfile, memProfile string) error {
	if memProfile != "" {
		runtime.MemProfileRate = memProfileRate // before there is much to see
	}
	s, known, err := servers.New(name, beat)
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
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(listener) }()
	say := json.NewEncoder(os.Stdout)
	if err := say.Encode(childStats{Address: listener.Addr().String()}); err != nil {
		return err
	}
	commanded := make(chan error, 1)
	go func() { commanded <- obey(s, say, cpuProfile, memProfile) }()
	select {
	case err := <-ended:
		return err
	case err := <-commanded:
		return err
	}
}

// memProfileRate is of how many bytes one is seen in a heap profile.
// Connections are small.
const memProfileRate = 4 << 10

// obey runs commands until there are no more.
func obey(s *servers.Server, say *json.Encoder, cpuProfile, memProfile string) error {
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
			err = say.Encode(childStats{Conns: s.Conns()})
		case cmdStats: // which stops the world for a moment
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			err = say.Encode(childStats{Conns: s.Conns(), Goroutines: runtime.NumGoroutine(), Heap: m.HeapAlloc, Stacks: m.StackInuse})
		case cmdCollect:
			collect()
			err = say.Encode(childStats{})
		case cmdProfile:
			if err = profile(number != 0, cpuProfile); err == nil {
				err = say.Encode(childStats{})
			}
		case cmdHeap:
			if err = writeHeapProfile(memProfile); err == nil {
				err = say.Encode(childStats{})
			}
		default:
			err = fmt.Errorf("command %q", command[0])
		}
		if err != nil {
			return err
		}
	}
}

// commandInput is the standard input without a thread that blocks in it: waking
// one would cost more than a command.
func commandInput() *os.File {
	_ = syscall.SetNonblock(0, true)
	return os.NewFile(0, "commands")
}

// collect gives free memory back. The second round gets what finalizers and
// pools held on to.
func collect() {
	for range 2 {
		debug.FreeOSMemory()
		time.Sleep(50 * time.Millisecond)
	}
}

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
