"""Entity tags: whether a client already has what it asks for."""


def is_known(if_none_match: str, etag: str) -> bool:
    """Compare entity tags weakly (RFC 9110, 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags
