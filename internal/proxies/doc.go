// Package proxies tests mojo behind real proxies: HAProxy and nginx, with a shared
// cache. The tests need the programs haproxy and nginx. Where one is missing its
// test is skipped, unless MOJO_INTEROP=require is set.
package proxies
