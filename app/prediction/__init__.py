"""The core: encoded images in, predictions out. It knows no HTTP, Ray or torch."""
