"""Requests that have been read before: their bytes, and what the parser made of those.

A viewer sends the same bytes for a frame each time it wants it. Parsing them anew, header by header
into Python, is a fifth of what a stored frame costs.
"""

from typing import Any

from dicomweb_server.archive.caches import Cache

HEARD_BYTES = 16 * 2**20
"""Of requests that are kept: some 8,000."""

LONGEST_BYTES = 8192
"""What is longer is mostly the beginning of an upload, whose hash is 50 us of looking it up."""

END = b"\r\n\r\n"

_WEIGHT_OF_BYTE, _WEIGHT_OF_REQUEST = 2, 1000
"""About: a request is kept as it was and as names and values."""

_OF_CONNECTION = frozenset({"server", "client", "scheme", "state"})

_heard: Cache[bytes, dict[str, Any]] = Cache(HEARD_BYTES)
"""Of the process: the same bytes say the same on every connection."""


def recall(data: bytes) -> dict[str, Any] | None:
    """What exactly these bytes say of a request's ASGI scope: all but `_OF_CONNECTION`. None when
    they have not been learned."""
    return _heard.get(data) if len(data) <= LONGEST_BYTES else None


def learn(data: bytes, scope: dict[str, Any]) -> None:
    """Keeps what `data`, one whole request without a body, was parsed into."""
    if len(data) > LONGEST_BYTES or not data.endswith(END) or data.count(END) > 1:
        return
    said = {name: value for name, value in scope.items() if name not in _OF_CONNECTION}
    weight = _WEIGHT_OF_REQUEST + _WEIGHT_OF_BYTE * len(data)
    _heard.put(data, said, weight=weight)
