"""``galera-exporter etcd-member`` beside real etcd processes on loopback."""
