"""GET /health: whether the process lives, and whether it can answer from its archive.

Liveness says only that requests are answered; readiness that the index can be read, in time.
"""

import asyncio

import orjson

from dicomweb_server import __version__
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.service import Service

TIMEOUT_S = 5.0
"""A check that takes longer counts as failed."""


async def live(service: Service, request: Request) -> Reply:
    """Handler of GET /health/live."""
    return _reply(200, {"status": "ok"})


async def health(service: Service, request: Request) -> Reply:
    """Handler of GET /health and /health/ready."""
    try:
        counting = service.workers.run(service.archive.storage.index.counts)
        found = await asyncio.wait_for(counting, TIMEOUT_S)
    except Exception as error:
        return _reply(
            503, {"status": "failing", "reason": str(error) or f"no answer in {TIMEOUT_S:g} s"}
        )
    state: dict[str, object] = {"status": "ok", "version": __version__}
    if service.caller.name:  # how much there is is for nobody else
        state |= {
            "studies": found.studies,
            "series": found.series,
            "instances": found.instances,
        }
    return _reply(200, state)


def _reply(status: int, body: dict[str, object]) -> Reply:
    headers = (header("content-type", "application/json"), header("cache-control", "no-store"))
    return Reply(status, headers, (orjson.dumps(body),))
