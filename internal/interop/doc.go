// Package interop tests mojo with the clients that pages really use: the official socket.io-client,
// releases 4.8 and 3.1, in Node, and a real browser. It contains nothing to import.
//
//	go test ./internal/interop/
//
// runs everything. The tests need Node 18 or later with npm; they install the packages that
// package-lock.json names into node_modules by themselves, and again whenever that file has changed.
// Without Node, or without a network for the first install, they are skipped with a message. Where they
// must run, in CI for instance, set
//
//	MOJO_INTEROP=require
//
// and they fail instead.
//
// A test serves a mojo.Server on a TCP port and runs run.mjs in Node, once for each combination of a client
// and a transport (websocket, polling, or polling with an upgrade). That runs the scenarios of scenarios/
// one after the other and prints a line of JSON for each, which become subtests:
//
//	go test ./internal/interop/ -run 'TestClients/client-3.1/upgrade/acks/fromServer'
//
// runs one of them. Node prints what the clients do, too, with DEBUG=engine*,socket.io-client* in the
// environment and go test -v. A scenario talks to the apps of apps_test.go, and asks the test over HTTP what the
// server has seen: for which reason a connection ended, for instance. Those that log in and out, or revoke, do so
// 20 times; with MOJO_LONG=1 in the environment, 1,000 times, for which go test needs a -timeout of 1h.
//
// TestBrowser has people with a real browser each use the chat example.
//
// The directory suiteserver is a program for the official protocol suites; its README tells how to run
// those.
package interop
