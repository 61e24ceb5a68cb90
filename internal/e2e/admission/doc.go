// Package admission tests from outside which requests a Server admits, by their
// origin, their cookies and Options.Identify, and how it advises the operator
// of a misconfigured site.
package admission
