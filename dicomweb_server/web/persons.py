"""/api/v1/persons, /accounts, /roles, /tokens and /signing-identities: who may what, and signs with
what (access/). Listing persons is for all who have signed in; the rest for who manages accounts."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from dicomweb_server.access import accounts, persons, signing_identities, tokens
from dicomweb_server.access.accounts import Account
from dicomweb_server.access.caller import Act, acts_of
from dicomweb_server.access.persons import Person
from dicomweb_server.access.signing_identities import SigningIdentity
from dicomweb_server.access.tokens import Token
from dicomweb_server.records.moments import rfc3339
from dicomweb_server.web.http import Reply, Request
from dicomweb_server.web.orders import read_object, reply
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service
from dicomweb_server.web.wishes import day, flag, moment, only, text, texts

Result = TypeVar("Result")

_PERSON = ("name", "rank", "licence", "kind", "modalities", "qualified_until")


async def _read(service: Service, work: Callable[[Session], Result]) -> Result:
    def run() -> Result:
        with service.records.read() as session:
            return work(session)

    return await service.workers.run(run)


async def _write(service: Service, work: Callable[[Session], Result]) -> Result:
    """In one transaction; everybody's rights are looked at anew afterwards, and a refusal is in the
    audit."""

    def run() -> Result:
        service.archive.permit(Act.ACCOUNTS)
        with service.records.write() as session:
            done = work(session)
        service.doors.changed()
        return done

    return await service.workers.run(run)


# --- persons --------------------------------------------------------------------------------------


async def list_persons(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/persons."""
    found = await _read(service, persons.persons)
    return reply(200, {"persons": [_person(each) for each in found]})


async def add_person(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/persons."""
    wish = await read_object(request)
    only(wish, *_PERSON)
    text(wish, "name")
    given = _given(wish)
    found = await _write(service, lambda s: persons.add_person(s, service.caller, **given))
    return reply(201, _person(found))


async def change_person(service: Service, request: Request) -> Reply:
    """Handler of PATCH /api/v1/persons/{person}."""
    wish = await read_object(request)
    only(wish, *_PERSON, "left")
    given, who = _given(wish), request.parameters["person"]
    found = await _write(service, lambda s: persons.change_person(s, service.caller, who, **given))
    return reply(200, _person(found))


def _given(wish: dict[str, Any]) -> dict[str, Any]:
    """What of a person is said."""
    given = dict(wish)
    if "qualified_until" in wish:
        given["qualified_until"] = day(wish, "qualified_until")
    if "modalities" in wish:
        given["modalities"] = tuple(texts(wish, "modalities"))
    return given


def _person(person: Person) -> dict[str, Any]:
    return {
        "person_id": person.person_id,
        "name": person.name,
        "rank": person.rank.value,
        "licence": person.licence,
        "kind": person.kind,
        "modalities": list(person.modalities),
        "qualified_until": person.qualified_until and person.qualified_until.isoformat(),
        "left_at": person.left_at and rfc3339(person.left_at),
    }


# --- accounts -------------------------------------------------------------------------------------


async def list_accounts(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/accounts."""
    await service.workers.run(service.archive.permit, Act.ACCOUNTS)
    found = await _read(service, accounts.accounts)
    return reply(200, {"accounts": [_account(each) for each in found]})


async def add_account(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/accounts: {"login", "person_id", "roles", "password"?}; without a
    password it is a program's, which comes with a token."""
    wish = await read_object(request)
    only(wish, "login", "person_id", "roles", "password")
    password = None if wish.get("password") is None else text(wish, "password")
    login, person_id, roles = text(wish, "login"), text(wish, "person_id"), texts(wish, "roles")
    async with service.hashing:
        found = await _write(
            service,
            lambda s: accounts.add_account(
                s,
                service.caller,
                login=login,
                person_id=person_id,
                roles=roles,
                password=password,
            ),
        )
    return reply(201, _account(found))


async def change_account(service: Service, request: Request) -> Reply:
    """Handler of PATCH /api/v1/accounts/{account}: {"roles"?, "disabled"?, "unlock"?, "password"?,
    "reset_second_factor"?}."""
    wish = await read_object(request)
    only(wish, "roles", "disabled", "unlock", "password", "reset_second_factor")
    name = request.parameters["account"]
    for each in ("disabled", "unlock", "reset_second_factor"):
        flag(wish, each)
    roles, password = texts(wish, "roles"), text(wish, "password", "")
    caller = service.caller

    def change(session: Session) -> Account:
        login = accounts.account(session, name).login
        if wish.get("disabled") and login == caller.name:
            raise Problem(422, "nobody disables the own account", field="disabled", name="own")
        if "roles" in wish:
            accounts.set_roles(session, caller, login, roles)
        if "password" in wish:
            accounts.set_password(session, caller, login, password)
        if "disabled" in wish:
            accounts.set_disabled(session, caller, login, wish["disabled"])
        if wish.get("unlock"):
            accounts.unlock(session, caller, login)
        if wish.get("reset_second_factor"):
            accounts.reset_second_factor(session, caller, login)
        session.flush()
        return accounts.account(session, login)

    async with service.hashing:
        found = await _write(service, change)
    return reply(200, _account(found))


def _account(account: Account) -> dict[str, Any]:
    return {
        "account_id": account.account_id,
        "login": account.login,
        "person_id": account.person_id,
        "roles": list(account.roles),
        "second_factor": account.second_factor,
        "disabled_at": account.disabled_at and rfc3339(account.disabled_at),
        "locked_until": account.locked_until and rfc3339(account.locked_until),
        "created_at": rfc3339(account.created_at),
    }


# --- roles ----------------------------------------------------------------------------------------


async def list_roles(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/roles."""
    await service.workers.run(service.archive.permit, Act.ACCOUNTS)
    found = await _read(service, accounts.roles)
    shown = [{"name": name, "acts": sorted(a.value for a in acts)} for name, acts in found.items()]
    return reply(200, {"roles": shown, "acts": [act.value for act in Act]})


async def put_role(service: Service, request: Request) -> Reply:
    """Handler of PUT /api/v1/roles/{role}: {"acts": [...]}."""
    wish = await read_object(request)
    only(wish, "acts")
    asked, name = texts(wish, "acts"), request.parameters["role"]
    known = {act.value for act in Act}
    for each in asked:
        if each not in known:
            shown = ", ".join(sorted(known))
            raise Problem(422, f"{each[:80]!r} is no act, only {shown}", field="acts")
    acts = acts_of(",".join(asked))
    await _write(service, lambda s: accounts.set_role(s, service.caller, name, acts))
    return reply(200, {"name": name, "acts": sorted(act.value for act in acts)})


# --- tokens ---------------------------------------------------------------------------------------


async def list_tokens(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/tokens: the own ones; who manages accounts sees all."""
    found = await _read(service, lambda s: tokens.tokens(s, service.caller))
    return reply(200, {"tokens": [_token(each) for each in found]})


async def add_token(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/tokens: {"name", "acts", "expires_at"?, "login"?}; the answer is the
    only place where the token is."""
    wish = await read_object(request)
    only(wish, "name", "acts", "expires_at", "login")
    caller = service.caller
    name, acts, expires_at = text(wish, "name"), texts(wish, "acts"), moment(wish, "expires_at")
    login = text(wish, "login", caller.name)

    def add() -> tuple[Token, str]:
        with service.records.write() as session:
            return tokens.add_token(
                session, caller, login=login, name=name, acts=acts, expires_at=expires_at
            )

    made, shown = await service.workers.run(add)
    return reply(201, {**_token(made), "token": shown})


async def revoke_token(service: Service, request: Request) -> Reply:
    """Handler of DELETE /api/v1/tokens/{token}."""

    def revoke() -> None:
        with service.records.write() as session:
            tokens.revoke_token(session, service.caller, request.parameters["token"])
        service.doors.changed()

    await service.workers.run(revoke)
    return Reply(204)


def _token(token: Token) -> dict[str, Any]:
    return {
        "token_id": token.token_id,
        "login": token.login,
        "name": token.name,
        "acts": sorted(act.value for act in token.acts),
        "expires_at": token.expires_at and rfc3339(token.expires_at),
        "created_at": rfc3339(token.created_at),
    }


# --- signing identities ---------------------------------------------------------------------------


async def list_identities(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/signing-identities?person=: public halves only."""
    person_id = dict(request.query).get("person", "")
    found = await _read(
        service, lambda s: signing_identities.signing_identities(s, person_id=person_id)
    )
    return reply(200, {"signing_identities": [_identity(each) for each in found]})


async def enrol_identity(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/signing-identities: {"person_id", "driver"?, "certificate"?,
    "valid_to"?}."""
    wish = await read_object(request)
    only(wish, "person_id", "driver", "certificate", "valid_to")
    given = {
        "person_id": text(wish, "person_id"),
        "driver": text(wish, "driver", signing_identities.LOCAL),
        "certificate": text(wish, "certificate", ""),
    }
    ends = moment(wish, "valid_to")
    found = await _write(
        service, lambda s: signing_identities.enrol(s, service.caller, **given, valid_to=ends)
    )
    return reply(201, _identity(found))


async def approve_identity(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/signing-identities/{identity}/actions/approve."""
    name = request.parameters["identity"]
    found = await _write(service, lambda s: signing_identities.approve(s, service.caller, name))
    return reply(200, _identity(found))


async def revoke_identity(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/signing-identities/{identity}/actions/revoke: {"reason"}."""
    wish = await read_object(request)
    only(wish, "reason")
    reason, name = text(wish, "reason"), request.parameters["identity"]

    def revoke() -> SigningIdentity:
        with service.records.write() as session:
            return signing_identities.revoke(session, service.caller, name, reason=reason)

    return reply(200, _identity(await service.workers.run(revoke)))


def _identity(identity: SigningIdentity) -> dict[str, Any]:
    return {
        "id": identity.id,
        "person_id": identity.person_id,
        "driver": identity.driver,
        "algorithm": identity.algorithm,
        "certificate": identity.certificate,
        "enrolled_by": identity.enrolled_by,
        "approved_by": identity.approved_by,
        "valid_from": rfc3339(identity.valid_from),
        "valid_to": rfc3339(identity.valid_to),
        "revoked_at": identity.revoked_at and rfc3339(identity.revoked_at),
    }
