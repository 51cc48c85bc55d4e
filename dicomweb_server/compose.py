"""Where the parts meet: configuration -> storage -> archive -> ASGI application.

Server processes are started by importing `app` here; what they serve comes to them as environment
variables (`Config.environment`).
"""

import logging
import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.config import Config, load
from dicomweb_server.web.app import application

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def app() -> ASGIApp:
    """The application of one server process, as its environment configures it."""
    config = load()
    set_up_logging(config)
    archive = open_archive(config)
    return closing(application(archive, config), archive)


def closing(inner: ASGIApp, archive: Archive) -> ASGIApp:
    """`inner`, and the archive closed once it has shut down."""

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_closing(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                archive.close()
            await send(message)

        await inner(scope, receive, send_closing if scope["type"] == "lifespan" else send)

    return outer


def set_up_logging(config: Config) -> None:
    """One line an event on standard error."""
    logging.basicConfig(
        level=config.log_level.upper(), format=LOG_FORMAT, stream=sys.stderr, force=True
    )
    # Requests are not logged line by line: that costs 40 us each (ARCHITECTURE, decision 7).
    logging.getLogger("uvicorn.access").disabled = True
