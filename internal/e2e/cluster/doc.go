// Package cluster tests from outside what several Servers do together.
package cluster
