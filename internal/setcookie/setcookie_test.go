package setcookie

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Set replaces the line of a cookie with the same name, path and domain, and no
// other.
func TestSet(t *testing.T) {
	header := http.Header{}
	Set(header, http.Cookie{Name: "a", Value: "1", Path: "/"})
	Set(header, http.Cookie{Name: "a", Value: "2", Path: "/app"})
	Set(header, http.Cookie{Name: "ab", Value: "3", Path: "/"})

	Set(header, http.Cookie{Name: "a", Value: "4", Path: "/"})

	require.Equal(t, []string{"a=2; Path=/app", "ab=3; Path=/", "a=4; Path=/"}, header["Set-Cookie"])
}

// KeepFromCaches adds missing directives, and does not change stricter headers.
func TestKeepFromCaches(t *testing.T) {
	for name, test := range map[string]struct{ header, want http.Header }{
		"no headers":       {http.Header{}, http.Header{"Vary": {"Cookie"}, "Cache-Control": {`no-cache="Set-Cookie"`}}},
		"other headers":    {http.Header{"Vary": {"Origin"}, "Cache-Control": {"max-age=60"}}, http.Header{"Vary": {"Origin", "Cookie"}, "Cache-Control": {"max-age=60", `no-cache="Set-Cookie"`}}},
		"stricter headers": {http.Header{"Vary": {"Origin, *"}, "Cache-Control": {"private, No-Cache"}}, http.Header{"Vary": {"Origin, *"}, "Cache-Control": {"private, No-Cache"}}},
	} {
		t.Run(name, func(t *testing.T) {
			KeepFromCaches(test.header)
			KeepFromCaches(test.header)

			require.Equal(t, test.want, test.header)
		})
	}
}

// A Writer calls KeepFromCaches if the response sets one of its cookies. It
// calls BeforeHeader, then HeaderWritten, each once.
func TestWriter(t *testing.T) {
	var calls []string
	response := httptest.NewRecorder()
	owner := new(int)
	w := &Writer{ResponseWriter: response, Owner: owner, Names: []string{"ours"}}
	w.BeforeHeader = func() {
		calls = append(calls, "BeforeHeader")
		Set(w.Header(), http.Cookie{Name: "ours", Value: "1"})
	}
	w.HeaderWritten = func() { calls = append(calls, "HeaderWritten") }
	wrapped := http.ResponseWriter(&struct{ *Writer }{w}) // has the promoted Unwrap method
	require.Nil(t, Find(wrapped, new(int)))
	require.Nil(t, Find(response, owner))

	require.False(t, w.Written())
	_, err := w.Write([]byte("x"))
	require.NoError(t, err)
	w.Finish()

	require.True(t, w.Written())
	require.Equal(t, []string{"BeforeHeader", "HeaderWritten"}, calls)
	require.Equal(t, `no-cache="Set-Cookie"`, response.Header().Get("Cache-Control"))
	require.Same(t, w, Find(w, owner))
}

// The lines that remove a cookie from other scopes come before the line that
// sets it, and their size is bounded.
func TestRemoveOtherScopes(t *testing.T) {
	cookie := http.Cookie{Name: "ours", Value: "new", Path: "/"}
	r := httptest.NewRequest(http.MethodGet, "https://a.example.com/app/page", nil)
	r.Header["Cookie"] = []string{"ours=1; ours=2"}
	header := http.Header{}
	Set(header, cookie)

	RemoveOtherScopes(header, r, RequestCookie{Cookie: cookie, Verified: 2})

	lines := header["Set-Cookie"]
	require.Equal(t, "ours=new; Path=/", lines[len(lines)-1])
	require.Contains(t, lines, "ours=; Path=/app; Max-Age=0")
	require.Contains(t, lines, "ours=; Path=/; Domain=example.com; Max-Age=0")
	require.NotContains(t, lines, "ours=; Path=/; Max-Age=0")

	long := httptest.NewRequest(http.MethodGet, "https://a.example.com"+strings.Repeat("/directory", 100), nil)
	long.Header = r.Header
	RemoveOtherScopes(header, long, RequestCookie{Cookie: cookie, Verified: 2})
	size := 0
	for _, line := range header["Set-Cookie"] {
		if strings.Contains(line, "Max-Age=0") {
			size += len(line)
		}
	}
	require.LessOrEqual(t, size, 2*maxRemovedBytes)

	header = http.Header{}
	Set(header, cookie)
	RemoveOtherScopes(header, r, RequestCookie{Cookie: cookie, Verified: 1}) // the other cookie may belong to another program
	require.Equal(t, []string{"ours=new; Path=/"}, header["Set-Cookie"])
}
