"""The ways in: HTTP, gRPC and Python, which all call the same core."""
