// Package proxies tests mojo behind HAProxy, nginx and Caddy: with a shared cache,
// and with the configurations that docs/embedding.md shows. The tests need the
// programs haproxy, nginx and caddy. Where one is missing its test is skipped,
// unless MOJO_INTEROP=require is set.
package proxies
