"""Prometheus exporter and etcd registry for MariaDB Galera Cluster."""

__version__ = "0.1.0"
