package wire

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
)

// TestEveryFieldIsCarried: each message, with each of its fields set, comes out
// of Decode as it went into Encode.
func TestEveryFieldIsCarried(t *testing.T) {
	require.NotEmpty(t, makers)
	for k, newMessage := range makers {
		t.Run(reflect.TypeOf(newMessage()).Elem().Name(), func(t *testing.T) {
			require.Equal(t, k, newMessage().kind())
			for seed := range uint64(200) {
				want := newMessage()
				fill(reflect.ValueOf(want).Elem(), rand.New(rand.NewPCG(seed, 0)))

				got, err := Decode(Encode(want))

				require.NoError(t, err)
				require.Equal(t, want, got)
			}
		})
	}
}

// TestEncodeOnlyReads encodes the same messages in two goroutines, for the race
// detector: an Emit shares its selector with messages that are held for clients.
func TestEncodeOnlyReads(t *testing.T) {
	for _, newMessage := range makers {
		m := newMessage()
		fill(reflect.ValueOf(m).Elem(), rand.New(rand.NewPCG(1, 0)))
		encoded := make(chan []byte)
		for range 2 {
			go func() { encoded <- Encode(m) }()
		}
		require.Equal(t, <-encoded, <-encoded)
	}
}

// fill sets the fields of a message to values by chance, those at the bounds
// among them. The fields that are not sent stay zero.
func fill(v reflect.Value, r *rand.Rand) {
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		if r.IntN(4) > 0 {
			v.Set(reflect.ValueOf(time.Unix(r.Int64N(1<<33), r.Int64N(1e9)).UTC()))
		}
		return
	case reflect.TypeFor[command.Kind]():
		v.SetUint(r.Uint64N(uint64(command.NumKinds)))
		return
	case reflect.TypeFor[Shards]():
		defer func() { v.FieldByName("From").SetInt(3); v.FieldByName("To").SetInt(5) }()
	case reflect.TypeFor[command.RevokeIdentity]():
		defer v.FieldByName("Seen").SetInt(0)
	case reflect.TypeFor[[]byte]():
		if n := r.IntN(5); n > 0 {
			v.SetBytes([]byte("\x00\xffab")[: n-1 : n-1])
			if n == 1 {
				v.SetBytes(nil)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), r)
		}
	case reflect.Slice: // nil and empty are different
		if n := r.IntN(5); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n-1, n-1))
		}
		for i := range v.Len() {
			fill(v.Index(i), r)
		}
	case reflect.String:
		v.SetString([]string{"", "ann", "é\x00\xff", strconv.Itoa(r.Int())}[r.IntN(4)])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Uint64:
		v.SetUint([]uint64{0, 1, math.MaxUint64, r.Uint64()}[r.IntN(4)])
	case reflect.Uint8:
		v.SetUint(r.Uint64N(256))
	case reflect.Uint32:
		v.SetUint([]uint64{0, 1, math.MaxUint32, uint64(r.Uint32())}[r.IntN(4)])
	case reflect.Int64:
		v.SetInt([]int64{0, math.MaxInt64, -1, r.Int64()}[r.IntN(4)])
	case reflect.Int:
		v.SetInt([]int64{0, 1, 4001, math.MaxInt32}[r.IntN(4)])
	default:
		panic("fill does not know " + v.Type().String())
	}
}

// A message that is cut off anywhere is refused, or is one of an older version.
func TestCutMessages(t *testing.T) {
	for _, newMessage := range makers {
		m := newMessage()
		fill(reflect.ValueOf(m).Elem(), rand.New(rand.NewPCG(7, 0)))
		encoded := Encode(m)
		for i := range encoded {
			if got, err := Decode(encoded[:i]); err == nil {
				require.NotEqual(t, m, got, "%T, %d of %d bytes", m, i, len(encoded))
			}
		}
	}
}

func TestNewerVersions(t *testing.T) {
	later := append(Encode(&Heartbeat{Sequence: 1, Ready: true}), "a field that was added"...)

	got, err := Decode(later)

	require.NoError(t, err)
	require.Equal(t, &Heartbeat{Sequence: 1, Ready: true}, got)
	_, err = Decode([]byte{200, 1, 2, 3})
	require.ErrorIs(t, err, ErrUnknownKind)
}

// A count or a length that a message cannot have allocates nothing.
func TestImpossibleCounts(t *testing.T) {
	huge := binary.AppendUvarint(nil, math.MaxUint64)
	for name, encoded := range map[string][]byte{
		"entries":     append([]byte{byte(kindChanges), 1}, huge...),
		"rooms":       append(Encode(&Join{})[:6], huge...),
		"text":        append([]byte{byte(kindAnswer), 0, 0, 0, 0, 0, 0, 0, 0}, huge...),
		"no fields":   {byte(kindExtend)},
		"kind of key": {byte(kindChanges), 1, 2, byte(command.NumKinds), 0, 0, 0},
		"no message":  {},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			allocated := testing.AllocsPerRun(10, func() { _, err = Decode(encoded) })
			require.Error(t, err)
			require.LessOrEqual(t, allocated, 4.0)
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, newMessage := range makers {
		m := newMessage()
		fill(reflect.ValueOf(m).Elem(), rand.New(rand.NewPCG(1, 0)))
		f.Add(Encode(m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(Encode(m))
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}
