// Package e2e has the helpers of the black-box tests: apps that record their
// calls, servers, sites, browsers and cookies. The tests are in the packages
// below it, one for each subject, and use the public API alone. The packages
// run at the same time, and each can run alone.
package e2e
