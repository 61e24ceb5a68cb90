package msgjson_test

import (
	"strings"
	"testing"

	"github.com/mojosocket/mojo/internal/msgjson"
)

func BenchmarkConvert(b *testing.B) {
	for name, text := range map[string]string{
		"small": `["said",{"user":"ada","text":"hello, world","at":1764540000}]`,
		"large": `["list",[` + strings.Repeat(`{"user":"ada","text":"hello, world","at":1764540000},`, 1000) + `0]]`,
	} {
		b.Run("encode/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				_ = msgjson.NewWriter().JSON([]byte(text), nil)
			}
		})
		data := encode(b, text)
		b.Run("decode/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				_, _, _ = decode(data)
			}
		})
	}
}
