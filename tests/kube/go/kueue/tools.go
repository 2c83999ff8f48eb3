//go:build tools

// Package kueue imports the program that tests build, so that go.mod and go.sum cover it.
package kueue

import _ "sigs.k8s.io/kueue/cmd/kueue"
