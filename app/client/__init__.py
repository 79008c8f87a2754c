"""What asks a running service: connections and a generator of requests, `load/` and `top/`."""
