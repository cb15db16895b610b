module warmgate.dev/test/cluster/fluid

go 1.23.7

require github.com/fluid-cloudnative/fluid v1.0.8
