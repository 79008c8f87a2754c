"""Vitrine: a fine-tuned Vision Transformer as a typed HTTP service. See docs/architecture.md."""
