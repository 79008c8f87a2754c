"""Trains the bundled checkpoint and writes its files into app/demo."""
