"""People with accounts on a real server, each with an HTTP client that has signed in."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
from sqlalchemy.orm import Session

from dicomweb_server.access.accounts import add_account
from dicomweb_server.access.caller import SYSTEM
from dicomweb_server.access.persons import add_person
from dicomweb_server.archive.archive import open_archive
from dicomweb_server.config import Config
from dicomweb_server.records.database import Database, open_database
from tests.reading.department import identity

PASSWORD = "correct horse battery staple"

# Login -> name, rank, roles. The first account must be one that can make others.
STAFF: Mapping[str, tuple[str, int, tuple[str, ...]]] = {
    "chief": ("赵主任", 4, ("administrator", "radiologist")),
    "associate": ("钱副主任", 3, ("radiologist",)),
    "attending": ("孙主治", 2, ("radiologist",)),
    "resident": ("李住院", 1, ("radiologist",)),
    "trainee": ("周实习", 0, ("trainee",)),
}


def hire(records: Database) -> dict[str, str]:
    """Makes everybody of STAFF; person_ids by login."""

    def work(session: Session) -> dict[str, str]:
        made: dict[str, str] = {}
        for login, (name, rank, roles) in STAFF.items():
            person = add_person(
                session, SYSTEM, name=name, rank=rank, licence=f"L-{login}" if rank else ""
            )
            add_account(
                session,
                SYSTEM,
                login=login,
                person_id=person.person_id,
                roles=roles,
                password=PASSWORD,
            )
            if rank:
                session.add(identity(records, person.person_id))
            made[login] = person.person_id
        return made

    return records.writing(work)


def first_account(data: Path) -> None:
    """A new archive with the chief's account, as `dicomweb-server users` makes it."""
    open_archive(Config(data=str(data))).close()
    records = open_database("", directory=data)

    def work(session: Session) -> None:
        name, rank, roles = STAFF["chief"]
        person = add_person(session, SYSTEM, name=name, rank=rank, licence="L-chief")
        add_account(
            session,
            SYSTEM,
            login="chief",
            person_id=person.person_id,
            roles=roles,
            password=PASSWORD,
        )

    try:
        records.writing(work)
    finally:
        records.close()


def hired(data: Path, records_url: str = "") -> dict[str, str]:
    """The same, in the records of a data directory, or in another database."""
    open_archive(Config(data=str(data))).close()
    records = open_database(records_url, directory=data)
    try:
        return hire(records)
    finally:
        records.close()


def signed_in(url: str, login: str) -> httpx.Client:
    client = httpx.Client(base_url=f"{url}/api/v1", timeout=60, trust_env=False)
    answer = client.post("/session", json={"login": login, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return client


@contextmanager
def everybody(url: str) -> Iterator[dict[str, httpx.Client]]:
    with ExitStack() as stack:
        yield {login: stack.enter_context(closing(signed_in(url, login))) for login in STAFF}
