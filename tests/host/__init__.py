"""What the machine or the network does to a node, its sidecar and etcd: real servers on hosts of their own."""
