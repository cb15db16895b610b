module warmgate.dev/test/cluster/guest

go 1.26.0
