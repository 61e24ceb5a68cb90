// Package e2e holds what the tests from outside share: apps that record their
// calls, servers, sites, browsers and cookies. The tests stand in the packages
// below it, one for each subject, and use the public API alone. Several packages
// run at the same time, and each can be run by itself.
package e2e
