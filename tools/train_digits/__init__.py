"""Training of the bundled checkpoint; writes its files into app/demo."""
