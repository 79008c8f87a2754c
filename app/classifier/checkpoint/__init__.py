"""Checkpoint files, validated and loaded. Only `processor` and `weights` import transformers."""
