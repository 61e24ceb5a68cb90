// Package restart tests from outside what Servers with Options.Ledger know after
// a restart of the process, or of all processes of a cluster.
package restart
