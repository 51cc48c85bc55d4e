"""/api/v1/changes: what was stored, replaced, edited and deleted, in order, from any number on.

```json
{"changes": [{"sequence": 17, "kind": "stored", "at": "2026-11-22T10:30:00.123456Z",
              "study": "1.2", "series": "1.2.3", "instance": "1.2.3.4"}], "next": 17}
```

Every change has a number; numbers ascend without gaps, over all processes, and a change that was
read never changes. `after` is the number behind which to begin (0: from the beginning, `latest`:
only what comes now), `limit` how many at most; `next` is the `after` of the next request. With
`wait` (seconds) an empty answer waits for the first change.

As `text/event-stream` (HTML Living Standard §9.2) the changes keep coming; a client that comes back
with Last-Event-ID goes on where it was. A deletion names only what its scope names.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson

from dicomweb_server.access.caller import Act
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.changes import MOST, changes
from dicomweb_server.web.http import Reply, Request, content, header
from dicomweb_server.web.negotiate import Representation
from dicomweb_server.web.offers import Offer, selected
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service
from storage.model import Buffer, Change

LONGEST_WAIT_S = 60.0
POLL_S = 0.2
"""Between two looks at the number of the last change, which all processes share through the index:
one look, some microseconds, for all clients of a process."""

HEARTBEAT_S = 15.0
"""Behind a silence of so long a comment is sent: proxies keep the connection, and a client that has
gone is noticed."""

EVENT_STREAM = "text/event-stream"
_OFFERED = Offer((Representation("application/json"), Representation(EVENT_STREAM)))


async def feed(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/changes."""
    representation = selected(request, _OFFERED)
    asked = {name: value for name, value in request.query if name != "accept"}
    for name in asked:
        if name not in ("after", "limit", "wait"):
            raise Problem(400, f"{name[:80]} is no parameter of the change feed", field=name[:80])
    # What a client has seen counts, not what it was first told to begin with.
    after = request.header(b"last-event-id") or asked.get("after", "0")
    service.archive.permit(Act.SEARCH)
    index = service.archive.storage.index
    start = index.last_change() if after == "latest" else _number("after", after)
    limit = _number("limit", asked.get("limit", str(MOST)))
    if representation.media_type == EVENT_STREAM:
        headers = (header("content-type", EVENT_STREAM), header("cache-control", "no-store"))
        return Reply(200, headers, _events(service, start))
    wait_s = min(_seconds(asked.get("wait", "0")), LONGEST_WAIT_S)
    if wait_s and limit:
        with suppress(TimeoutError):
            await asyncio.wait_for(_beyond(service.archive, start), wait_s)
    found = await service.workers.run(changes, service.archive, after=start, limit=limit)
    body = {
        "changes": [_shown(change) for change in found],
        "next": found[-1].sequence if found else start,
    }
    return content(200, "application/json", orjson.dumps(body))


async def _events(service: Service, after: int) -> AsyncIterator[Buffer]:
    # The headers go out with the first message: that is what tells the client that it is connected.
    yield b": changes\n\n"
    while not service.archive.stopping.is_set():
        try:
            await asyncio.wait_for(_beyond(service.archive, after), HEARTBEAT_S)
        except TimeoutError:
            yield b":\n\n"
            continue
        found: Sequence[Change] = await service.workers.run(
            changes, service.archive, after=after, limit=MOST
        )
        if found:
            after = found[-1].sequence
            yield b"".join(map(_event, found))


def _event(change: Change) -> bytes:
    fields = (b"%d" % change.sequence, change.kind.value.encode(), orjson.dumps(_shown(change)))
    return b"id: %b\nevent: %b\ndata: %b\n\n" % fields


async def _beyond(archive: Archive, after: int) -> None:
    """Returns when there is a change behind `after`, or the process is told to stop."""
    while not archive.stopping.is_set() and archive.storage.index.last_change() <= after:
        await asyncio.sleep(POLL_S)


def _shown(change: Change) -> dict[str, Any]:
    at = datetime.fromtimestamp(change.at_us / 1e6, UTC)
    shown: dict[str, Any] = {
        "sequence": change.sequence,
        "kind": change.kind.value,
        "at": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "study": change.study_uid,
    }
    if change.series_uid:
        shown["series"] = change.series_uid
    if change.instance_uid:
        shown["instance"] = change.instance_uid
    return shown


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Problem(400, f"{name}={text[:80]} is no whole number from 0 on", field=name)
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise Problem(400, f"wait={text[:80]} is no number of seconds", field="wait")
    return seconds
