"""The demo: everything on one machine, on loopback, and a tour that breaks it and mends it."""
