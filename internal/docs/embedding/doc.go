// Package embedding mounts a Server in routers and behind middleware of others,
// as docs/embedding.md tells it, and tests what works and what does not.
package embedding
