"""The coordinator against a real etcd; the wrapper's part is played by files."""
