"""A preview of a dashboard without Grafana: its queries are run, and its panels drawn, from its JSON alone.

It knows the part of Grafana that these dashboards use, and refuses the rest. It is a preview, not Grafana.
"""
