package mojo

import (
	"context"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// The methods of a zero view return nothing, and so do the methods of the views
// that they return.
func TestZeroViewsDoNothing(t *testing.T) {
	called := 0
	var requireNothing func(path string, v reflect.Value, depth int)
	requireNothing = func(path string, v reflect.Value, depth int) {
		switch {
		case v.Kind() == reflect.Func: // an iterator
			if v.Type().CanSeq2() {
				for range v.Seq2() {
					require.Fail(t, "it yields something", path)
				}
				return
			}
			for range v.Seq() {
				require.Fail(t, "it yields something", path)
			}
			return
		case v.Kind() == reflect.Slice, v.Kind() == reflect.Map:
			require.Zero(t, v.Len(), path)
			return
		case v.NumMethod() == 0 || v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer && v.IsNil():
			require.True(t, v.IsZero(), "%s returns %v", path, v)
			return
		case depth == 0:
			return
		}
		for i := range v.NumMethod() {
			name := path + "." + v.Type().Method(i).Name
			method := v.Method(i)
			var args []reflect.Value
			for n := range method.Type().NumIn() {
				in := method.Type().In(n)
				switch {
				case in == reflect.TypeFor[context.Context]():
					args = append(args, reflect.ValueOf(t.Context()))
				case method.Type().IsVariadic() && n == method.Type().NumIn()-1:
					args = append(args, reflect.Zero(in.Elem()))
				default:
					args = append(args, reflect.Zero(in))
				}
			}
			called++
			var results []reflect.Value
			require.NotPanics(t, func() { results = method.Call(args) }, name)
			for _, result := range results {
				requireNothing(name, result, depth-1)
			}
		}
	}
	for _, view := range []any{Broadcast{}, Sessions{}, Session{}, new(Channel), Handshake{}} {
		requireNothing(reflect.TypeOf(view).String(), reflect.ValueOf(view), 3)
	}
	require.Greater(t, called, 500)
}
