"""Validators: ETag and If-None-Match (RFC 9110 §8.8.3, §13.1.2).

    entity-tag    = [ weak ] opaque-tag
    opaque-tag    = DQUOTE *etagc DQUOTE
    If-None-Match = "*" / #entity-tag

Tags are strong, but for zip files: equal tags mean equal bytes. So boundaries of multipart bodies
are made from the digests of what they enclose and not by chance; no content can hold a digest of
itself.
"""

import re
from hashlib import sha256

from dicomweb_server.web.http import Reply, Request, header

_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')


def etag(*facts: object) -> str:
    """The tag of a body that depends on nothing but the facts; each is taken by its `repr`."""
    return f'"{fingerprint(*facts)}"'


def fingerprint(*facts: object) -> str:
    """32 hex digits that stand for the facts."""
    return sha256(repr(facts).encode()).hexdigest()[:32]


def not_modified(request: Request, tag: str, *headers: tuple[bytes, bytes]) -> Reply | None:
    """304 when the client has what `tag` stands for, else None."""
    asked = request.header(b"if-none-match")
    if asked is None:
        return None
    # §13.1.2: "A recipient MUST use the weak comparison function when comparing entity tags".
    if asked.strip() != "*" and tag.removeprefix("W/") not in _ENTITY_TAG.findall(asked):
        return None
    return Reply(304, (header("etag", tag), *headers))
