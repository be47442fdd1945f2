"""The edge to one MariaDB node: one connection, and pure parsers of what it says."""
