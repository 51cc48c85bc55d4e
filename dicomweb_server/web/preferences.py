"""/api/v1/preferences: hanging protocols and keyboard of whoever is signed in, and those that are
for everybody (access/preferences.py).

```json
{"name": "keyboard", "value": {"length": "d"}, "revision": 3}
```

PUT `{"value": {...}}` needs `If-Match` with the entity tag that GET gave, also the first time.
"""

from typing import Any

import orjson

from dicomweb_server.access import preferences
from dicomweb_server.access.preferences import VALUE_BYTES, Preference
from dicomweb_server.web.bodies import if_match, json_of
from dicomweb_server.web.etags import not_modified
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.orders import reply
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Handler, Service
from dicomweb_server.web.wishes import only


def shower(*, shared: bool) -> Handler:
    """Handler of GET /api/v1/preferences[/shared]/{name}."""

    async def show(service: Service, request: Request) -> Reply:
        caller = service.caller
        if not shared:
            _person(service)
        name = request.parameters["name"]

        def read() -> Preference:
            with service.records.read() as session:
                return preferences.preference(session, caller, name, shared=shared)

        found = await service.workers.run(read)
        return not_modified(request, _tag(found.revision)) or _reply(found)

    return show


def setter(*, shared: bool) -> Handler:
    """Handler of PUT /api/v1/preferences[/shared]/{name}: {"value": {...}}."""

    async def put(service: Service, request: Request) -> Reply:
        caller = service.caller
        if not shared:
            _person(service)
        revision = _revision(request)
        wish = await json_of(request, limit=VALUE_BYTES)
        only(wish, "value")
        value = wish.get("value")
        if not isinstance(value, dict):
            raise Problem(400, "value is no JSON object", name="malformed", field="value")
        written = orjson.dumps(value).decode()
        name = request.parameters["name"]
        found = await service.workers.run(
            service.records.writing,
            lambda session: preferences.set_preference(
                session, caller, name, written, shared=shared, revision=revision
            ),
        )
        return _reply(found)

    return put


def _person(service: Service) -> None:
    if not service.caller.person_id:
        raise Problem(
            403,
            "preferences are kept with a person's account, and nobody's is asked with",
            name="person-required",
        )


def _tag(revision: int) -> str:
    return f'"{revision}"'


def _revision(request: Request) -> int:
    """The revision that If-Match names; -1, which none has, for another tag."""
    tag = if_match(request)
    if tag is None:
        raise Problem(
            428, "name the revision in If-Match", name="if-match-required", field="If-Match"
        )
    number = tag.strip('"')
    plain = number.isascii() and number.isdecimal() and len(number) < 10
    return int(number) if plain and tag == _tag(int(number)) else -1


def _reply(found: Preference) -> Reply:
    body: dict[str, Any] = {
        "name": found.name,
        "value": None if found.value is None else orjson.Fragment(found.value),
        "revision": found.revision,
    }
    return reply(200, body, header("etag", _tag(found.revision)))
