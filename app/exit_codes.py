"""Exit codes of the commands; 0 is that all went well."""

EXIT_FAILED = 1
"""The command has ended, but an image has a problem, or a goal was missed."""

EXIT_NOT_STARTED = 2
"""It cannot start or go on: a line says why."""

EXIT_INTERRUPTED = 130
"""Ctrl-C, as shells have it."""
