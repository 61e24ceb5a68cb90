package jsontype

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type target struct{ N int }

type recursive struct {
	Next   *recursive
	Target map[string][]target
}

type exported struct{ T target }

// TestFinds: a Search considers only what encoding/json encodes.
func TestFinds(t *testing.T) {
	search := NewSearch(func(t reflect.Type) bool { return t == reflect.TypeFor[target]() })
	for _, c := range []struct {
		value any
		want  bool
	}{
		{target{}, true},
		{&target{}, true},
		{[][2]target{}, true},
		{map[int]*target{}, true},
		{map[target]int{}, false},
		{exported{}, true},
		{struct{ exported }{}, true},
		{struct{ *exported }{}, true},
		{struct{ t target }{}, false},
		{struct {
			T target `json:"-"`
		}{}, false},
		{recursive{}, true},
		{struct{ A any }{}, false},
		{1, false},
	} {
		for range 2 { // the second result is cached
			require.Equal(t, c.want, search.Finds(reflect.TypeOf(c.value)), "%T", c.value)
		}
	}
}

func TestOmitsEmpty(t *testing.T) {
	fields := reflect.TypeOf(struct {
		A int `json:"a,omitempty"`
		B int `json:",string,omitempty"`
		C int `json:"omitempty"`
		D int `json:"d,omitzero"`
		E int
	}{})
	for i, want := range []bool{true, true, false, false, false} {
		require.Equal(t, want, OmitsEmpty(fields.Field(i)), fields.Field(i).Name)
	}
}

type pointerMarshaler struct{}

func (*pointerMarshaler) MarshalText() ([]byte, error) { return nil, nil }

func TestMarshals(t *testing.T) {
	require.True(t, Marshals(reflect.TypeFor[time.Time]()))
	require.True(t, Marshals(reflect.TypeFor[json.RawMessage]()))
	require.True(t, Marshals(reflect.TypeFor[pointerMarshaler]()))
	require.False(t, Marshals(reflect.TypeFor[target]()))
}

func TestIsAny(t *testing.T) {
	require.True(t, IsAny(reflect.TypeFor[any]()))
	require.False(t, IsAny(reflect.TypeFor[error]()))
	require.False(t, IsAny(reflect.TypeFor[int]()))
}
