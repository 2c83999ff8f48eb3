//go:build tools

// Package helm imports the program that tests build, so that go.mod and go.sum cover it.
package helm

import _ "helm.sh/helm/v4/cmd/helm"
