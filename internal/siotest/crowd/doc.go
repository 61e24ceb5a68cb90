// Package crowd is for tests only: Socket.IO clients of which thousands fit
// into one process, and such a process, so that a server under test has its
// file descriptors, its heap and its scheduler to itself.
//
// A Client has no goroutine and next to no buffer, and speaks WebSocket alone;
// package siotest has clients that do everything. Clients come from several
// addresses of the loopback network, as one has ports for 28,000 connections,
// of which those of a minute ago are still taken.
package crowd
