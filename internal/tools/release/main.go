// Command release releases all modules of this repository with one version.
// From internal/tools:
//
//	go run ./release v0.1.0              # commit and tag; push nothing
//	go run ./release -proxy DIR v0.1.0   # write the tagged modules as a GOPROXY
//
// The first form needs a clean work tree. It makes the modules require each
// other in the new version and turns the section Unreleased of CHANGELOG.md
// into that of the version. It commits both changes, and makes a tag for each
// module, as the go command expects: v0.1.0 for the root, mojoprom/v0.1.0 for
// mojoprom.
//
// The second form writes the files that "go get" would find after a push. To
// test them before the push, put file://DIR in front of the other entries of
// GOPROXY.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	proxy := flag.String("proxy", "", "write the tagged modules as a GOPROXY into this `directory`")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: release [-proxy directory] version")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *proxy); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(version, proxy string) error {
	root, err := repositoryRoot()
	if err != nil {
		return err
	}
	r := repository{root}
	if proxy != "" {
		return r.writeProxy(version, proxy)
	}
	tags, err := r.release(version, time.Now())
	if err != nil {
		return err
	}
	fmt.Println("Committed and tagged. To publish:")
	fmt.Print("\n\tgit push origin HEAD")
	for _, tag := range tags {
		fmt.Print(" ", tag)
	}
	fmt.Println()
	return nil
}
