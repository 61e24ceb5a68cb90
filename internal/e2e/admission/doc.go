// Package admission tests from outside whom a Server admits: origins, cookies,
// Options.Identify, and what a client that is misconfigured is told.
package admission
