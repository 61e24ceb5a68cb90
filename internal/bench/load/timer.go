package load

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// timer is a source that is ready at an interval.
type timer struct {
	fd int
	id int32
	f  func(times int)
}

// Every makes the Loop call f at an interval, with the number of intervals
// since the last call: more than one if the Loop was late. stop ends that.
func (l *Loop) Every(interval time.Duration, f func(times int)) (stop func(), err error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timer: %w", err)
	}
	t := &timer{fd: fd, f: f}
	spec := unix.NsecToTimespec(interval.Nanoseconds())
	err = unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: spec, Value: spec}, nil)
	if err == nil {
		t.id, err = l.add(fd, t, unix.EPOLLIN)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("timer: %w", err)
	}
	return func() { l.remove(t.fd, t.id) }, nil
}

// ready implements source.
func (t *timer) ready(*Loop, uint32) {
	var times [8]byte
	if _, err := unix.Read(t.fd, times[:]); err == nil {
		t.f(int(binary.NativeEndian.Uint64(times[:])))
	}
}
