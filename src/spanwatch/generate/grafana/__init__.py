"""Grafana dashboards as data, derived from the registry of metrics; `render.py` writes them as Grafana's JSON."""
