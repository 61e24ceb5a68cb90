// Package proxies tests mojo behind HAProxy, nginx and Caddy: with a shared
// cache, and with the configurations that docs/embedding.md shows. The tests
// need the programs haproxy, nginx and caddy. If a program is missing, its
// tests are skipped, or fail if MOJO_INTEROP=require is set.
package proxies
