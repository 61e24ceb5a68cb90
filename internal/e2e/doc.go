// Package e2e holds what the tests from outside share: apps that record what they are
// told, sites, browsers and cookies. The tests stand in the packages below it, one for
// each subject, and use the public API alone. They are packages of their own so that
// each runs by itself in a quarter of the time, and several run at once.
package e2e
