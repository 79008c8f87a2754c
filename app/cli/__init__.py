"""The command line: `vitrine COMMAND`."""
