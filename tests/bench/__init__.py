"""The benchmark: the sidecar and Debian's prometheus-mysqld-exporter on the same servers, in one run."""
