"""Log lines, request ids and the access log."""
