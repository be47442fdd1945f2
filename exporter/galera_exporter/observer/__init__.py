"""The observer, one for each cluster on Kubernetes: the write pod's label, events on pods, and the three-way view."""
