// Package interop tests mojo with real clients: releases of the official
// socket.io-client, from 1.7 to 4.8, in Node, and a browser. It exports nothing.
//
//	go test ./internal/interop/
//
// runs all tests. They need Node 18 or later with npm. They install the
// packages of package-lock.json into node_modules themselves, and again when
// that file has changed. Without Node, or without a network for the first
// install, they are skipped with a message. Set
//
//	MOJO_INTEROP=require
//
// to make them fail instead, for instance in CI.
//
// TestClients serves a mojo.Server on a TCP port and runs run.mjs in Node, once
// for each client and each transport (websocket, polling, or polling with an
// upgrade). run.mjs runs the scenarios in scenarios/ one after the other. Each
// scenario is a subtest:
//
//	go test ./internal/interop/ -run 'TestClients/client-3.1/upgrade/acks/fromServer'
//
// runs one of them. With DEBUG=engine*,socket.io-client* in the environment and
// go test -v, the output has the log of the clients. A scenario uses the apps
// of apps_test.go. It sends requests about the server to the test over HTTP,
// for instance for the reason why a connection has ended. Scenarios with logins
// or revocations repeat them 20 times. With MOJO_LONG=1 in the environment they
// repeat them 1,000 times, which needs go test -timeout 1h.
//
// In TestBrowser several users with a real browser use the chat example.
//
// The directory suiteserver has a program for the official protocol suites. Its
// README says how to run them.
package interop
