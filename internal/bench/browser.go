package main

import (
	"fmt"
	"strings"

	"github.com/mojosocket/mojo/internal/bench/servers"
)

// browserHeaders returns a function that returns the header lines of the
// browser of user n: about 1 KB, with cookies. All lines are made at once,
// before anything is measured.
func browserHeaders(clients int) (func(n int) string, error) {
	headers := make([]string, clients)
	for n := range headers {
		cookies, err := servers.MojoCookies(n)
		if err != nil {
			return nil, err
		}
		headers[n] = browserLines + "Cookie: " + cookies + "\r\n"
	}
	return func(n int) string { return headers[n] }, nil
}

// browserLines are the header lines that a browser sends, without cookies.
var browserLines = strings.Join([]string{
	"Pragma: no-cache",
	"Cache-Control: no-cache",
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
	`sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"`,
	"sec-ch-ua-mobile: ?0",
	`sec-ch-ua-platform: "Linux"`,
	"Sec-Fetch-Dest: websocket",
	"Sec-Fetch-Mode: websocket",
	"Sec-Fetch-Site: same-origin",
	"Accept-Encoding: gzip, deflate, br, zstd",
	"Accept-Language: en-GB,en-US;q=0.9,en;q=0.8,de;q=0.7",
	"DNT: 1",
	"",
}, "\r\n")

// userQuery returns the query parameter that names user n, for servers that
// cannot read the cookies.
func userQuery(n int) string { return fmt.Sprintf("&%s=%d", servers.UserQuery, n) }
