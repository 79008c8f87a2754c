"""Images by URL, fetched from public hosts only. It knows no image format and no HTTP API."""
