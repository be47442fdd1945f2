"""``galera-exporter etcd-member``: how each member of the chart's etcd starts, beside the etcd container."""
