"""/api/v1/transfers and /api/v1/pulls: what is to be sent to peers and fetched from them, in the
order it will be tried (archive/transfers.py). The DIMSE bridge does it."""

from typing import Any

import orjson
from pydicom.valuerep import STR_VR

from dicomweb_server.access.caller import Act
from dicomweb_server.archive import retrieve, transfers
from dicomweb_server.archive.transfers import Transfer
from dicomweb_server.dicom.attributes import key_named, key_of, vr_of
from dicomweb_server.dicom.uids import is_uid
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.orders import moment, read_object, reply
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service
from storage.model import Scope

QUERY_RETRIEVE_LEVEL = key_of("QueryRetrieveLevel")


async def listed(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/transfers?state=waiting&peer=AE&limit=100."""
    asked: dict[str, Any] = {}
    for name, value in request.query:
        if name in ("state", "peer"):
            asked[name] = value
        elif name == "limit" and value.isdigit():
            asked["limit"] = min(int(value), 10_000)
        else:
            raise Problem(400, f"{name}={value[:80]} is no filter of transfers", field=name[:80])
    found = await service.workers.run(transfers.queue, service.desk, **asked)
    return reply(200, [_shown(each) for each in found])


async def one(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/transfers/{transfer} and /api/v1/pulls/{transfer}."""
    name = request.parameters["transfer"]
    if not name.isdigit() or len(name) > 15:
        raise Problem(404, f"transfer {name[:80]} is not stored", field="transfer")
    found = await service.workers.run(transfers.get, service.desk, int(name))
    return reply(200, _shown(found))


async def send(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/transfers: {"peer", "study_uid", "series_uid"?, "instance_uid"?,
    "priority"?, "commit"?}; 202 with how many instances are queued."""
    wish = await read_object(request)
    peer, scope, urgent = _read(service, wish, {"commit"})
    if scope is None:
        raise Problem(400, "study_uid is missing", field="study_uid")

    def queue() -> int:
        service.desk.permit(Act.TRANSFER)
        instances = retrieve.instances(service.archive.own, scope)
        commit = bool(wish.get("commit"))
        transfers.send(service.desk, instances, peer=peer, urgent=urgent, commit=commit)
        return len(instances)

    return reply(202, {"peer": peer, "queued": await service.workers.run(queue)})


async def pull(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/pulls: {"peer", "study_uid", ...} or {"peer", "query": {keyword:
    value}} for all studies that match there; "by_move" asks the peer to send them here."""
    wish = await read_object(request)
    peer, scope, urgent = _read(service, wish, {"query", "by_move"})
    query = _query(wish.get("query") or {})
    if (scope is None) is not bool(query):
        either = "both study_uid and query say" if query else "neither study_uid nor query says"
        raise Problem(400, f"{either} what is to be fetched", field="query")
    number = await service.workers.run(
        transfers.pull,
        service.desk,
        scope,
        peer=peer,
        urgent=urgent,
        query=query,
        by_move=bool(wish.get("by_move")),
    )
    return reply(202, {"id": number}, header("location", f"/api/v1/pulls/{number}"))


def _query(asked: Any) -> dict[str, str]:
    """Keywords or tags, and the text that each is to match. Raises Problem."""
    if not isinstance(asked, dict):
        raise Problem(400, "query is no object of keywords and values", field="query")
    for name, value in asked.items():
        try:
            key = key_named(name)
        except KeyError:
            raise Problem(
                400,
                f"{name[:80]!r} is neither a keyword of PS3.6 nor a tag of 8 hex digits",
                field=f"query.{name[:80]}",
            ) from None
        # Below group 0008 are commands and file headers; the level is always that of studies.
        if vr_of(key) not in STR_VR or key < "0008" or key == QUERY_RETRIEVE_LEVEL:
            raise Problem(400, f"{name[:80]} is nothing to query for", field=f"query.{name[:80]}")
        if not isinstance(value, str):
            raise Problem(400, f"the value of {name[:80]} is no text", field=f"query.{name[:80]}")
    return asked


def _read(service: Service, wish: dict[str, Any], more: set[str]) -> tuple[str, Scope | None, bool]:
    """The peer, what it is about, and whether it is urgent. Raises Problem."""
    known = {"peer", "study_uid", "series_uid", "instance_uid", "priority", *more}
    for name in wish:
        if name not in known:
            raise Problem(400, f"there is no field {name[:80]}", field=name[:80])
    peer = wish.get("peer")
    titles = [row.get("aet") for row in orjson.loads(service.config.peers)]
    if peer not in titles:
        raise Problem(400, f"{str(peer)[:80]!r} is no peer of the configuration", field="peer")
    uids: list[str | None] = []
    for name in ("study_uid", "series_uid", "instance_uid"):
        uid = wish.get(name) or None
        if uid is not None and not (isinstance(uid, str) and is_uid(uid)):
            raise Problem(400, f"{name} {str(uid)[:80]!r} is no UID", field=name)
        uids.append(uid)
    study_uid, series_uid, instance_uid = uids
    if (series_uid and not study_uid) or (instance_uid and not series_uid):
        raise Problem(400, "the UIDs of the levels above are missing", field="study_uid")
    priority = wish.get("priority", "routine")
    if priority not in ("urgent", "routine"):
        raise Problem(
            400, f"{str(priority)[:80]!r} is neither urgent nor routine", field="priority"
        )
    scope = Scope(study_uid, series_uid, instance_uid) if study_uid else None
    return str(peer), scope, priority == "urgent"


def _shown(transfer: Transfer) -> dict[str, Any]:
    wish = dict(transfer.wish)
    return {
        "id": transfer.id,
        "kind": transfer.kind,
        "peer": transfer.peer,
        "query": dict(transfer.query),
        "study_uid": transfer.study_uid,
        "series_uid": transfer.series_uid,
        "instance_uid": transfer.instance_uid,
        "priority": "urgent" if transfer.urgent else "routine",
        "state": transfer.state,
        "attempts": transfer.attempts,
        "error": transfer.error,
        "created": moment(transfer.created_us),
        "due": moment(transfer.due_us),
        "done": moment(transfer.done_us),
        "result": wish.pop("result", None),
        **wish,
    }
