"""The HTTP side: a hardened server, its authentication, and the status page."""
