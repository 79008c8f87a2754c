"""The demonstration checkpoint: how it is trained, and the files that training writes."""
