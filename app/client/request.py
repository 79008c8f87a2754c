"""The bytes of a request, made once and sent again and again."""

TEST_HOST = "vitrine.test"


def make_head(start: str, *headers: str, host: str = TEST_HOST) -> bytes:
    """Return the head of a request on a connection that is kept; empty headers are left out."""
    lines = (f"{start} HTTP/1.1", f"Host: {host}", *filter(None, headers), "", "")
    return "\r\n".join(lines).encode("latin-1")


def make_post(
    path: str, content_type: str, body: bytes, *headers: str, host: str = TEST_HOST
) -> bytes:
    """Return the bytes of a request whose length is announced."""
    about = (f"Content-Type: {content_type}", *headers, f"Content-Length: {len(body)}")
    return make_head(f"POST {path}", *about, host=host) + body


def make_form(content: bytes, media_type: str, boundary: str) -> bytes:
    """Return the body of a multipart form with an image as its part named `file`."""
    head = (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="file"; filename="image"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
