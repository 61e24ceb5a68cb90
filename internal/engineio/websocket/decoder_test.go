package websocket

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// frame returns a frame of a client, masked.
func frame(op ws.OpCode, fin bool, payload string) []byte {
	return ws.MustCompileFrame(ws.MaskFrameWith(ws.NewFrame(op, fin, []byte(payload)), [4]byte{1, 2, 3, 4}))
}

// claim returns the header of a frame that claims to have length bytes.
func claim(op ws.OpCode, length uint64) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{0x80 | byte(op), 0xff}, length), 0, 0, 0, 0)
}

// decode decodes bytes that arrive in the given pieces. It returns a line for
// each frame, and the error.
func decode(d *Decoder, limit int, pieces ...[]byte) (lines []string, err error) {
	var scratch Scratch
	for _, p := range pieces {
		p = slices.Clone(p)
		for len(p) > 0 {
			var f Frame
			if f, p, err = d.Next(p, &scratch, limit); err != nil {
				return append(lines, err.Error()), err
			}
			if err := f.CheckText(); err != nil {
				return append(lines, err.Error()), err
			}
			if f.Op != Continuation {
				lines = append(lines, fmt.Sprintf("%d %q", f.Op, f.Payload))
			}
			clear(f.Payload) // a caller may modify it
			f.Release()
		}
	}
	return lines, nil
}

// stream has every kind of frame.
func stream() []byte {
	return slices.Concat(
		frame(ws.OpText, true, "first"),
		frame(ws.OpPing, true, "payload"),
		frame(ws.OpText, false, ""),
		frame(ws.OpPong, true, ""),
		frame(ws.OpContinuation, false, "\xc3"), // within a character
		frame(ws.OpPing, true, strings.Repeat("p", 125)),
		frame(ws.OpContinuation, true, "\xa9"),
		frame(ws.OpBinary, true, ""),
		frame(ws.OpBinary, true, strings.Repeat("b", 126)),
		frame(ws.OpBinary, true, strings.Repeat("c", 70_000)),
		frame(ws.OpClose, true, "\x03\xe8bye"),
	)
}

func TestDecoderDecodesEveryKindOfFrame(t *testing.T) {
	lines, err := decode(new(Decoder), 1<<20, stream())
	require.NoError(t, err)
	require.Equal(t, []string{
		`1 "first"`, `9 "payload"`, `10 ""`, fmt.Sprintf("9 %q", strings.Repeat("p", 125)), `1 "é"`, `2 ""`,
		fmt.Sprintf("2 %q", strings.Repeat("b", 126)), fmt.Sprintf("2 %q", strings.Repeat("c", 70_000)), `8 "\x03\xe8bye"`,
	}, lines)
}

// TestDecoderOfPieces: the pieces in which a stream arrives do not change the
// frames. Between two messages the Decoder holds no memory.
func TestDecoderOfPieces(t *testing.T) {
	want, err := decode(new(Decoder), 1<<20, stream())
	require.NoError(t, err)
	for _, size := range []int{1, 2, 3, 7, 1000, 65_536} {
		var d Decoder
		got, err := decode(&d, 1<<20, slices.Collect(slices.Chunk(stream(), size))...)
		require.NoError(t, err)
		require.Equal(t, want, got, "pieces of %d", size)
		require.Nil(t, d.message)
		require.Nil(t, d.control)
		require.Zero(t, d.fragments)
	}
}

func TestDecoderReturnsOneFrameAtATime(t *testing.T) {
	var d Decoder
	var scratch Scratch
	second := frame(ws.OpBinary, true, "second")
	f, rest, err := d.Next(slices.Concat(frame(ws.OpText, true, "first"), second), &scratch, 100)
	require.NoError(t, err)
	require.Equal(t, "first", string(f.Payload))
	require.Equal(t, second, rest)
	require.Equal(t, 1, scratch.Frames)
}

func TestDecoderRefuses(t *testing.T) {
	fragments := bytes.Repeat(frame(ws.OpContinuation, false, ""), MaxFragments)
	for name, c := range map[string]struct {
		bytes []byte
		err   *Error
	}{
		"reserved bit":                   {append([]byte{0xc1}, frame(ws.OpText, true, "a")[1:]...), ErrProtocol},
		"unmasked":                       {ws.MustCompileFrame(ws.NewTextFrame([]byte("a"))), ErrProtocol},
		"reserved opcode":                {frame(3, true, ""), ErrProtocol},
		"continuation without a message": {frame(ws.OpContinuation, true, "a"), ErrProtocol},
		"text within a message":          {slices.Concat(frame(ws.OpText, false, "a"), frame(ws.OpText, true, "b")), ErrProtocol},
		"ping in fragments":              {frame(ws.OpPing, false, ""), ErrProtocol},
		"ping of 126 bytes":              {frame(ws.OpPing, true, strings.Repeat("a", 126)), ErrProtocol},
		"close of one byte":              {frame(ws.OpClose, true, "a"), ErrProtocol},
		"close with status 1005":         {frame(ws.OpClose, true, "\x03\xed"), ErrProtocol},
		"2^64-1 bytes":                   {claim(ws.OpText, 1<<64-1), ErrProtocol},
		"2^62 bytes":                     {claim(ws.OpText, 1<<62), ErrTooBig},
		"one byte too many":              {claim(ws.OpBinary, 1001), ErrTooBig},
		"too many in fragments":          {slices.Concat(frame(ws.OpText, false, strings.Repeat("a", 900)), claim(ws.OpContinuation, 101)), ErrTooBig},
		"too many fragments":             {slices.Concat(frame(ws.OpText, false, ""), fragments), ErrFragments},
		"not UTF-8":                      {frame(ws.OpText, true, "\xff"), ErrNotUTF8},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decode(new(Decoder), 1000, c.bytes)
			require.Equal(t, c.err, err)
		})
	}
}

func TestDecoderDoesNotAllocate(t *testing.T) {
	var d Decoder
	var scratch Scratch
	p := slices.Concat(frame(ws.OpText, true, "message"), frame(ws.OpPing, true, "ping"))
	q := make([]byte, len(p))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		copy(q, p)
		for rest := q; len(rest) > 0; {
			_, next, err := d.Next(rest, &scratch, 100)
			if err != nil {
				t.Error(err)
			}
			rest = next
		}
	}))
}

func TestAppendHeaderEqualsTheLibrary(t *testing.T) {
	for _, length := range []int{0, 1, 125, 126, 65_535, 65_536, 1 << 30} {
		for _, op := range []Opcode{Text, Binary, Pong} {
			var want bytes.Buffer
			require.NoError(t, ws.WriteHeader(&want, ws.Header{Fin: true, OpCode: op, Length: int64(length)}))
			require.Equal(t, "before"+want.String(), string(AppendHeader([]byte("before"), op, length)))
		}
	}
	require.Equal(t, "\x88\x02\x03\xe8", string(AppendClose(nil, StatusNormal)))
}

// FuzzDecoder: the pieces in which the bytes arrive do not change the frames
// and the error. An incomplete message takes at most a small multiple of its
// limit.
func FuzzDecoder(f *testing.F) {
	f.Add(stream()[:500], []byte{1, 0, 7}) // small, so that the fuzzer is fast
	f.Add(slices.Concat(frame(ws.OpText, false, "4"), frame(ws.OpText, true, "4a")), []byte{3})
	f.Add(claim(ws.OpText, 1<<63), []byte{9, 1})
	f.Add(frame(ws.OpClose, true, "\x03\xe8bye"), []byte{2})
	f.Fuzz(func(t *testing.T, p, cuts []byte) {
		want, wantErr := decode(new(Decoder), 1000, p)
		var pieces [][]byte
		for i := 0; len(p) > 0; i++ {
			n := len(p)
			if len(cuts) > 0 {
				n = min(n, 1+int(cuts[i%len(cuts)]))
			}
			pieces = append(pieces, p[:n])
			p = p[n:]
		}
		var d Decoder
		got, err := decode(&d, 1000, pieces...)
		require.Equal(t, wantErr, err)
		require.Equal(t, want, got)
		require.LessOrEqual(t, cap(d.message), 4096)
	})
}
