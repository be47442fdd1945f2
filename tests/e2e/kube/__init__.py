"""A Kubernetes of this project's own: a control plane and nodes in namespaces of one machine, and no more."""
