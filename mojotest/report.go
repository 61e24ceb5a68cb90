package mojotest

import (
	"fmt"
	"testing"
)

// reporter returns t, or noTest if t is nil.
func reporter(t testing.TB) testing.TB {
	if t == nil {
		return noTest{}
	}
	return t
}

// noTest is the testing.TB of callers without a test. It has the methods that
// this package and siotest call; failures panic.
type noTest struct{ testing.TB }

func (noTest) Helper()                           {}
func (noTest) Cleanup(func())                    {}
func (noTest) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (noTest) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
