"""Explanations: where a checkpoint looked. Only `support` is free of torch and transformers."""
