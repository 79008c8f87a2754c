"""Chaos: each promise on faults and overload is a scenario that anyone can run."""
