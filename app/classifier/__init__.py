"""The model: checkpoint in, logits out. It knows no HTTP and no Ray."""
