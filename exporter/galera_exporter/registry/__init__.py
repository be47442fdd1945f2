"""Nodes in etcd: records, a lease kept by heartbeat, and the view of all nodes."""
