//go:build tools

// Package tools pins what hack/setup builds: crictl and critest of cri-tools, and ginkgo, which runs
// critest's specs side by side.
// critest is a test package, which cannot be imported; these are the packages that it is made of.
package tools

import (
	_ "github.com/onsi/ginkgo/v2/ginkgo"
	_ "sigs.k8s.io/cri-tools/cmd/crictl"
	_ "sigs.k8s.io/cri-tools/pkg/benchmark"
	_ "sigs.k8s.io/cri-tools/pkg/framework"
	_ "sigs.k8s.io/cri-tools/pkg/validate"
)
