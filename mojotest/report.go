package mojotest

import (
	"fmt"
	"testing"
)

// reporter is t, or a stand-in that panics where there is no test.
func reporter(t testing.TB) testing.TB {
	if t == nil {
		return noTest{}
	}
	return t
}

// noTest has what this package and siotest use of a testing.TB.
type noTest struct{ testing.TB }

func (noTest) Helper()                           {}
func (noTest) Cleanup(func())                    {}
func (noTest) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (noTest) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
