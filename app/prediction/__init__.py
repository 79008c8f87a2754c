"""The core: bytes in, prediction out. It knows no HTTP, no Ray and no torch."""
