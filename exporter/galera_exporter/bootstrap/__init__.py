"""Who may form a Primary component, decided through etcd."""
