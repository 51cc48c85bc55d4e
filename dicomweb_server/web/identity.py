"""Who asks, as the request says it."""

from dicomweb_server.access.caller import Caller
from dicomweb_server.web.http import Request


def caller_of(request: Request) -> Caller:
    """Who asks; `NOBODY` when the request does not say."""
    return request.caller
