"""The whole program on real servers: three mariadbd, three etcd, three sidecars, seen through /metrics."""
