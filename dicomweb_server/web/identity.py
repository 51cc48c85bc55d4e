"""Who asks, as the request says it."""

from dicomweb_server.access.caller import EVERYTHING, Caller
from dicomweb_server.web.http import Request


def caller_of(request: Request) -> Caller:
    """Who asks; `NOBODY` when the request does not say."""
    return request.caller


def open_caller(address: str) -> Caller:
    """Anybody, on an archive without accounts."""
    return Caller("open", EVERYTHING, session_id=f"open {address}", address=address)
