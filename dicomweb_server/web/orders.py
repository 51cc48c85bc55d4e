"""/api/v1/orders: examinations asked for, changed, cancelled, confirmed (archive/orders.py).

```json
{"patient": {"id": "P1", "name": "王^小红", "birth_date": "1980-05-01", "sex": "F",
             "pregnancy_status": "not_pregnant"},
 "procedure": {"description": "CT Thorax"}, "priority": "urgent",
 "step": {"station_aet": "CT1", "modality": "CT", "start": "2026-11-22T10:30"}}
```
"""

from datetime import UTC, datetime
from typing import Any

import orjson

from dicomweb_server.archive import orders
from dicomweb_server.archive.orders import Order
from dicomweb_server.web.bodies import read
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service

BODY_BYTES = 256 * 1024

_FILTERS = {
    "station_aet": "station",
    "modality": "modality",
    "accession_number": "accession",
    "patient_id": "patient_id",
    "study_uid": "study_uid",
    "since": "since",
    "until": "until",
}


async def create(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/orders."""
    wish = await read_object(request)
    order = await service.workers.run(orders.create, service.desk, wish)
    location = header("location", f"/api/v1/orders/{order.id}")
    return reply(201, _shown(order), location)


async def listed(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/orders: by scheduled time."""
    asked: dict[str, Any] = {}
    states: list[str] = []
    for name, value in request.query:
        if name == "status":
            states += value.split(",")
        elif name == "limit" and value.isdigit():
            asked["limit"] = min(int(value), 10_000)
        elif name in _FILTERS:
            asked[_FILTERS[name]] = value.replace("-", "") if name in ("since", "until") else value
        else:
            raise Problem(400, f"{name}={value[:80]} is no filter of orders", field=name[:80])
    for state in states:
        if state not in orders.STATES:
            raise Problem(
                400, f"'{state[:80]}' is none of {', '.join(orders.STATES)}", field="status"
            )
    found = await service.workers.run(orders.find, service.desk, states=states, **asked)
    return reply(200, [_shown(order) for order in found])


async def one(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/orders/{order}."""
    order = await service.workers.run(orders.get, service.desk, request.parameters["order"])
    return reply(200, _shown(order))


async def change(service: Service, request: Request) -> Reply:
    """Handler of PATCH /api/v1/orders/{order}: what is not said stays."""
    wish = await read_object(request)
    order = await service.workers.run(
        orders.change, service.desk, request.parameters["order"], wish
    )
    return reply(200, _shown(order))


async def cancel(service: Service, request: Request) -> Reply:
    """Handler of DELETE /api/v1/orders/{order}: it leaves the worklist and stays on record."""
    order = await service.workers.run(orders.cancel, service.desk, request.parameters["order"])
    return reply(200, _shown(order))


async def complete(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/orders/{order}/complete: the technologist confirms (ING-06)."""
    order = await service.workers.run(orders.confirm, service.desk, request.parameters["order"])
    return reply(200, _shown(order))


def _shown(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "status": order.status,
        **order.wish,
        "created": moment(order.created_us),
        "changed": moment(order.changed_us),
        "started": moment(order.started_us),
        "completed": moment(order.completed_us),
        "completed_by": order.completed_by,
    }


def moment(at_us: int | None) -> str | None:
    """RFC 3339, UTC."""
    return None if at_us is None else datetime.fromtimestamp(at_us / 1e6, UTC).isoformat()


def reply(status: int, body: object, *more: tuple[bytes, bytes]) -> Reply:
    """JSON that nobody may keep."""
    headers = (header("content-type", "application/json"), header("cache-control", "no-store"))
    return Reply(status, (*headers, *more), (orjson.dumps(body),))


async def read_object(request: Request) -> dict[str, Any]:
    """The request's body, a JSON object. Raises Problem."""
    body = await read(request, limit=BODY_BYTES)
    try:
        found = orjson.loads(body)
    except ValueError as error:
        raise Problem(400, f"the body is no JSON: {error}", field="body") from None
    if not isinstance(found, dict):
        raise Problem(400, "the body is no JSON object", field="body")
    return found
