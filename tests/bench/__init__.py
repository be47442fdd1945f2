"""The benchmark: the sidecar beside Debian's prometheus-mysqld-exporter, and the alert rules over many clusters."""
