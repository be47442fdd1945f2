"""The shipped rules, in a real Prometheus and a real Alertmanager, on a real cluster with real faults."""
