"""The dashboards of deploy/grafana/, from one description."""
