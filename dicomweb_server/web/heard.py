"""Requests that have been read before: their bytes, and what the parser made of those.

A viewer sends the same bytes for a frame each time it wants it. Parsing them anew, header by header
into Python, is a fifth of what a stored frame costs.
"""

from dataclasses import dataclass
from typing import Any

from dicomweb_server.archive.caches import Cache

HEARD_BYTES = 16 * 2**20
"""Of requests that are kept: some 8,000."""

LONGEST_BYTES = 8192

END = b"\r\n\r\n"

_WEIGHT_OF_BYTE, _WEIGHT_OF_REQUEST = 2, 1000
"""About: a request is kept as it was and as names and values."""

_OF_CONNECTION = frozenset({"server", "client", "scheme", "state"})


@dataclass(frozen=True, slots=True)
class Heard:
    """What the bytes of a request alone say of its ASGI scope: all but `_OF_CONNECTION`."""

    scope: dict[str, Any]


_heard: Cache[bytes, Heard] = Cache(HEARD_BYTES)
"""Of the process: the same bytes say the same on every connection."""


def recall(data: bytes) -> Heard | None:
    """What was learned of exactly these bytes."""
    return _heard.get(data)


def learn(data: bytes, scope: dict[str, Any]) -> None:
    """Keeps what `data`, one whole request without a body, was parsed into."""
    if len(data) > LONGEST_BYTES or not data.endswith(END) or data.count(END) > 1:
        return
    said = {name: value for name, value in scope.items() if name not in _OF_CONNECTION}
    weight = _WEIGHT_OF_REQUEST + _WEIGHT_OF_BYTE * len(data)
    _heard.put(data, Heard(said), weight=weight)
