"""Checkpoint files: found, checked and read. Only `processor` and `weights` import transformers."""
