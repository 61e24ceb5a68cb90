package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mojosocket/mojo/internal/bench/servers"
)

// process is a server that runs in a child process. Its methods are called by
// one goroutine.
type process struct {
	cmd      *exec.Cmd
	commands *os.File
	queued   []byte // commands that send has not written yet
	lines    *bufio.Reader
	address  netip.AddrPort
}

// launch says how to start servers.
type launch struct {
	heartbeat  servers.Heartbeat
	cpuProfile string // a file, "" for none
	memProfile string
	redis      string // the address of the broker; "" for a server that is alone
}

// nodeServer is the name of the server that is not in Go.
const nodeServer = "node"

func (l *launch) command(name string) (*exec.Cmd, error) {
	if name == nodeServer {
		script, packages, err := nodeScript(l.redis != "")
		if err != nil {
			return nil, err
		}
		return exec.Command("node", "--expose-gc", script, packages,
			strconv.FormatInt(l.heartbeat.Interval.Milliseconds(), 10), strconv.FormatInt(l.heartbeat.Timeout.Milliseconds(), 10),
			servers.EventJSON("note"), l.redis), nil
	}
	if name == aloneServer {
		name = "mojo"
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.Command(self, "-child", name, "-ping", l.heartbeat.Interval.String(), "-pong", l.heartbeat.Timeout.String(),
		"-cpuprofile", l.cpuProfile, "-memprofile", l.memProfile, "-redis", l.redis), nil
}

// start starts a server and waits until it listens.
func (l *launch) start(name string) (*process, error) {
	cmd, err := l.command(name)
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), childEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	in, commands, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	cmd.Stdin = in
	if err := cmd.Start(); err != nil {
		commands.Close()
		return nil, err
	}
	p := &process{cmd: cmd, commands: commands, lines: bufio.NewReader(out)}
	first, err := p.answer()
	if err == nil {
		p.address, err = netip.ParseAddrPort(first.Address)
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("%s did not start: %w", name, err)
	}
	return p, nil
}

// stop ends the server, which may take a moment because of profiles. It kills
// the server after 20 seconds.
func (p *process) stop() {
	p.commands.Close()
	kill := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_ = p.cmd.Wait()
}

// queue queues a command. The next call of send sends it.
func (p *process) queue(command byte, number int) {
	p.queued = binary.LittleEndian.AppendUint32(append(p.queued, command), uint32(number))
}

func (p *process) send() error {
	if len(p.queued) == 0 {
		return nil
	}
	_, err := p.commands.Write(p.queued)
	p.queued = p.queued[:0]
	return err
}

func (p *process) answer() (childStats, error) {
	var s childStats
	line, err := p.lines.ReadBytes('\n')
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(line, &s)
}

// ask sends a command and waits for its answer.
func (p *process) ask(command byte, number int) (childStats, error) {
	p.queue(command, number)
	if err := p.send(); err != nil {
		return childStats{}, err
	}
	return p.answer()
}

// cpu returns the CPU time that the process has used, in user and system mode.
func (p *process) cpu() (time.Duration, error) { return processCPU(p.cmd.Process.Pid) }

func processCPU(pid int) (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED, which counts nanoseconds; /proc/<pid>/stat counts ticks of 10 ms
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &t); err != nil {
		return 0, fmt.Errorf("CPU time: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

// resident returns the resident memory of the process, in bytes.
func (p *process) resident() (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("Rss:")); ok {
			kib, err := strconv.ParseUint(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("smaps_rollup has no Rss")
}

// raiseFileLimit lets this process and its child processes open as many files
// as the system permits. It returns that number.
func raiseFileLimit() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return int(min(limit.Max, 1<<30)), nil
}
