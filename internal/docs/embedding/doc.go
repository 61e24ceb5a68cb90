// Package embedding mounts a Server in routers and behind middleware of other
// projects, as docs/embedding.md shows, and tests what works and what does not.
package embedding
