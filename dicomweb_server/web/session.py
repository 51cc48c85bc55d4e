"""/api/v1/session: signing in and out, and what somebody does with the own account.

A first sign-in where a second factor is required gives a session that may do nothing but enrol
one (`must_enrol`): POST /session/second-factor, then PUT it with the first code.
"""

from typing import Any

from dicomweb_server.access import sessions
from dicomweb_server.access.accounts import account
from dicomweb_server.access.caller import Caller
from dicomweb_server.access.persons import person
from dicomweb_server.access.sessions import Found
from dicomweb_server.access.tokens import SESSION
from dicomweb_server.records.moments import rfc3339
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.identity import caller_of, no_cookie, set_cookie
from dicomweb_server.web.orders import read_object, reply
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service
from dicomweb_server.web.wishes import only, text


async def show(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/session: who asks and what he may; never 401."""
    assert request.visit is not None
    return reply(200, await service.workers.run(_shown, service, request.visit.found))


async def sign_in(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/session: {"login", "password", "code"?}."""
    wish = await read_object(request)
    only(wish, "login", "password", "code")
    address = service.caller.address
    async with service.hashing:
        begun = await service.workers.run(
            sessions.sign_in,
            service.records,
            service.config,
            login=text(wish, "login"),
            password=text(wish, "password"),
            code=text(wish, "code", ""),
            address=address,
        )
    # Whoever was signed in with the cookie before is not any more.
    await service.workers.run(_sign_out, service)
    found = await service.workers.run(service.doors.find, begun.token, address=address)
    body = await service.workers.run(_shown, service, found)
    return reply(200, body, set_cookie(request, begun.token))


async def sign_out(service: Service, request: Request) -> Reply:
    """Handler of DELETE /api/v1/session."""
    await service.workers.run(_sign_out, service)
    return Reply(204, (no_cookie(), header("cache-control", "no-store")))


def _sign_out(service: Service) -> None:
    caller = service.caller
    if not caller.account_id or caller.session_id.startswith(SESSION):
        return
    service.doors.journal.ended(caller.session_id)
    with service.records.write() as session:
        sessions.sign_out(session, caller)
    service.doors.changed()


async def change_password(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/session/password: {"old", "new"}."""
    caller = _present(request)
    wish = await read_object(request)
    only(wish, "old", "new")
    async with service.hashing:
        await service.workers.run(
            sessions.change_password,
            service.records,
            service.config,
            caller,
            old=text(wish, "old"),
            new=text(wish, "new"),
        )
    service.doors.changed()
    return Reply(204)


async def propose_second_factor(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/session/second-factor: a secret to be enrolled."""
    caller = _present(request)

    def propose() -> dict[str, str]:
        with service.records.write() as session:
            secret, uri = sessions.propose_second_factor(session, caller)
        return {"secret": secret, "uri": uri}

    return reply(200, await service.workers.run(propose))


async def confirm_second_factor(service: Service, request: Request) -> Reply:
    """Handler of PUT /api/v1/session/second-factor: {"code"}."""
    caller = _present(request)
    wish = await read_object(request)
    only(wish, "code")
    await service.workers.run(
        sessions.confirm_second_factor, service.records, service.config, caller, text(wish, "code")
    )
    service.doors.changed()
    return Reply(204)


def _present(request: Request) -> Caller:
    """Somebody who has signed in, not a program with a token."""
    caller = caller_of(request)
    if not caller.account_id or caller.session_id.startswith(SESSION):
        raise Problem(403, "that is for who has signed in with a password", name="needs-sign-in")
    return caller


def _shown(service: Service, found: Found | None) -> dict[str, Any]:
    caller = service.caller if found is None else found.caller
    body: dict[str, Any] = {
        "open": service.doors.is_open(caller.address),
        "account": None,
        "person": None,
        "acts": sorted(act.value for act in caller.acts),
        "second_factor": False,
        "must_enrol": found is not None and found.enrolling,
        "idle_s": service.config.session_idle_s,
        "expires_at": None,
    }
    if found is None:
        return body
    with service.records.read() as session:
        own = account(session, caller.account_id)
        who = person(session, caller.person_id)
    return body | {
        "account": {"account_id": own.account_id, "login": own.login},
        "person": {
            "person_id": who.person_id,
            "name": who.name,
            "rank": who.rank.value,
            "licence": who.licence,
            "qualified_until": who.qualified_until and who.qualified_until.isoformat(),
        },
        "second_factor": own.second_factor,
        "expires_at": found.expires_at and rfc3339(found.expires_at),
    }
