package mojo

import "os"

// rounds is how often a test repeats what depends on timing: in full with MOJO_LONG=1.
func rounds() int {
	if os.Getenv("MOJO_LONG") == "1" {
		return 1000
	}
	return 20
}
