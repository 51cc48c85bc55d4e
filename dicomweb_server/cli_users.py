"""`dicomweb-server users` and `dicomweb-server audit`: persons, accounts, tokens and the audit, by
who owns the directory of the archive. Beside a running server: it sees what changed at once.

A password is asked for on a terminal, else read as one line of standard input; it is never an
argument, which other users of the machine could see.
"""

import argparse
import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from dicomweb_server.access import accounts, persons, tokens
from dicomweb_server.access.audit import verify
from dicomweb_server.access.caller import SYSTEM, Act
from dicomweb_server.access.doors import Doors, open_doors
from dicomweb_server.archive.archive import open_archive
from dicomweb_server.config import Config
from dicomweb_server.records.moments import now, rfc3339


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user has no name
        return str(os.getuid())


COMMAND_LINE = replace(SYSTEM, name=f"command line ({_user()})")

Run = Callable[[argparse.Namespace, Config], int]
Result = TypeVar("Result")


@contextmanager
def _doors(config: Config) -> Iterator[Doors]:
    archive = open_archive(config)
    try:
        doors = open_doors(config, archive.directory)
        try:
            yield doors
        finally:
            doors.close()
    finally:
        archive.close()


def _changed(config: Config, work: Callable[[Session], Result]) -> Result:
    """What `work` returns, done in one transaction that running servers learn of."""
    with _doors(config) as doors:
        with doors.records.write() as session:
            done = work(session)
        doors.changed()
        return done


def _password(login: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass(f"password of {login}: ")
    if getpass.getpass("once more: ") != first:
        raise ValueError("the two are not the same")
    return first


def _add(asked: argparse.Namespace, config: Config) -> int:
    password = None if asked.no_password else _password(asked.login)

    def work(session: Session) -> None:
        person_id = asked.person
        if person_id is None:
            made = persons.add_person(
                session,
                COMMAND_LINE,
                name=asked.name or asked.login,
                rank=asked.rank,
                licence=asked.licence or "",
                kind="ai" if "ai" in asked.role else "human",
            )
            person_id = made.person_id
        accounts.add_account(
            session,
            COMMAND_LINE,
            login=asked.login,
            person_id=person_id,
            roles=asked.role,
            password=password,
        )

    _changed(config, work)
    print(
        f"{asked.login} may {', '.join(asked.role)}" if asked.role else f"{asked.login} may nothing"
    )
    return 0


def _list(asked: argparse.Namespace, config: Config) -> int:
    with _doors(config) as doors, doors.records.read() as session:
        found = accounts.accounts(session)
        names = {each.person_id: each for each in persons.persons(session)}
    if asked.json:
        rows = [asdict(each) | {"person": names[each.person_id].name} for each in found]
        print(json.dumps(rows, indent=2, ensure_ascii=False, default=str))
        return 0
    for each in found:
        who = names[each.person_id]
        state = "disabled" if each.disabled_at else "locked" if each.locked_until else "active"
        factor = "second factor" if each.second_factor else "no second factor"
        roles = ",".join(each.roles)
        print(f"{each.login:20} {who.name} rank {who.rank.value}  {roles}  {state}, {factor}")
    return 0


def _set_password(asked: argparse.Namespace, config: Config) -> int:
    password = _password(asked.login)
    _changed(config, lambda s: accounts.set_password(s, COMMAND_LINE, asked.login, password))
    return 0


def _set_roles(asked: argparse.Namespace, config: Config) -> int:
    _changed(config, lambda s: accounts.set_roles(s, COMMAND_LINE, asked.login, asked.role))
    return 0


def _disable(asked: argparse.Namespace, config: Config) -> int:
    _changed(config, lambda s: accounts.set_disabled(s, COMMAND_LINE, asked.login, True))
    return 0


def _enable(asked: argparse.Namespace, config: Config) -> int:
    _changed(config, lambda s: accounts.set_disabled(s, COMMAND_LINE, asked.login, False))
    return 0


def _unlock(asked: argparse.Namespace, config: Config) -> int:
    _changed(config, lambda s: accounts.unlock(s, COMMAND_LINE, asked.login))
    return 0


def _reset(asked: argparse.Namespace, config: Config) -> int:
    _changed(config, lambda s: accounts.reset_second_factor(s, COMMAND_LINE, asked.login))
    return 0


def _token(asked: argparse.Namespace, config: Config) -> int:
    ends = now() + timedelta(days=asked.days) if asked.days else None
    made, text = _changed(
        config,
        lambda s: tokens.add_token(
            s, COMMAND_LINE, login=asked.login, name=asked.name, acts=asked.act, expires_at=ends
        ),
    )
    print(text)
    until = rfc3339(made.expires_at) if made.expires_at else "it is revoked"
    print(f"token {made.token_id} is good until {until}", file=sys.stderr)
    return 0


def _verify(asked: argparse.Namespace, config: Config) -> int:
    with _doors(config) as doors:
        found = verify(doors.records)
    if found.ok:
        print(f"{found.checked:,} events: all is whole")
        return 0
    print(f"event {found.first_bad} {found.reason} ({found.checked:,} before it are whole)")
    return 1


# --- the arguments --------------------------------------------------------------------------------


def arguments_of_users(parser: argparse.ArgumentParser, settings: Callable[..., None]) -> None:
    """settings  gives a parser the flags of settings"""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, run: Run, purpose: str, *, login: bool = True) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = verbs.add_parser(name, help=purpose, description=purpose)
        made.set_defaults(run=run)
        if login:
            made.add_argument("login", metavar="LOGIN")
        settings(made, "data", "records", "log_level")
        return made

    adding = verb("add", _add, "make an account, and its person unless --person names one")
    adding.add_argument("--role", action="append", default=[], help="may be repeated")
    adding.add_argument("--name", help="of the person")
    adding.add_argument("--rank", type=int, default=0, help="0 trainee to 4 chief physician")
    adding.add_argument("--licence", help="number of the licence to practise")
    adding.add_argument("--person", metavar="ID", help="a person that is there")
    adding.add_argument("--no-password", action="store_true", help="of a program, with tokens only")
    listing = verb("list", _list, "list accounts", login=False)
    listing.add_argument("--json", action="store_true", help="print JSON")
    verb("password", _set_password, "set a password; the account's sessions end")
    roles = verb("role", _set_roles, "give an account these roles and no others")
    roles.add_argument("role", nargs="*", metavar="ROLE")
    verb("disable", _disable, "disable an account; its sessions and tokens are over")
    verb("enable", _enable, "enable an account again")
    verb("unlock", _unlock, "unlock a login after too many failures")
    verb("second-factor-reset", _reset, "let somebody enrol a new second factor")
    making = verb("token", _token, "make a token for a program; it is shown once")
    making.add_argument("--name", required=True, help="what it is for")
    making.add_argument(
        "--act",
        action="append",
        required=True,
        choices=[act.value for act in Act if act not in tokens.NEVER],
        help="may be repeated",
    )
    making.add_argument("--days", type=int, help="after which it is over")


def arguments_of_audit(parser: argparse.ArgumentParser, settings: Callable[..., Any]) -> None:
    """As `arguments_of_users`."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    purpose = "check that no event was changed, taken out or cut off"
    checking = verbs.add_parser("verify", help=purpose, description=purpose)
    checking.set_defaults(run=_verify)
    settings(checking, "data", "records", "log_level")
