"""Converted models on disk, so that a start needs no torch. It knows no engine."""
