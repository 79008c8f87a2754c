"""Images: encoded bytes in, pixels out, in worker processes. It knows no model, HTTP or Ray."""
