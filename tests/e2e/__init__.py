"""The Helm chart on a real Kubernetes of three nodes: ``make e2e``, or ``python -m e2e help``."""
