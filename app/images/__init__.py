"""Encoded bytes in, pixels of the model's size out. It knows no model, no HTTP and no Ray."""
