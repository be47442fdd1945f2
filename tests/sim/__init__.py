"""Simulation of the bootstrap protocol: the product's pure core in a world of nodes, disks, networks and one etcd."""
