"""What the service tells of itself: log lines, request ids, the access log."""
