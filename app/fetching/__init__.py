"""Images by URL, fetched from public hosts alone. It knows no image format and no route."""
