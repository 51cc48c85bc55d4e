"""The two databases the records lie in, for tests that are to hold on both.

PostgreSQL is a real one: Debian's, started once a session on a directory of its own and a Unix
socket in it, as a user that is not root. Each test gets a database of its own. All tests know the
fixtures.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from dicomweb_server.records.database import Database
from tests.servers import wait_for

_numbers = count(1)


def _programs() -> Path | None:
    """Where initdb and postgres are: Debian keeps them out of PATH, a directory a version."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((each.parent for each in versions), key=lambda p: int(p.parent.name), default=None)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of a running PostgreSQL, but for the name of a database."""
    programs = _programs()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is missing, and nothing is skipped in CI: tests/install-tools")
        pytest.skip("PostgreSQL is missing: tests/install-tools")
    # The path of a Unix socket has some 100 bytes, and pytest's directories are deep.
    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    # PostgreSQL does not run as root.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(directory, user)
    data = directory / "data"
    as_they_are = ("-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    subprocess.run(
        [programs / "initdb", "-D", data, *as_they_are],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=directory,
        user=user,
    )
    settings = ("fsync=off", "listen_addresses=", f"unix_socket_directories={directory}")
    options = [word for each in settings for word in ("-c", each)]
    running = subprocess.Popen(
        [programs / "postgres", "-D", data, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=directory,
        user=user,
    )
    url = f"postgresql+psycopg://tests@/{{}}?host={directory}"
    try:
        wait_for(lambda: _answers(url.format("postgres")))
        yield url
    finally:
        running.send_signal(signal.SIGINT)  # its "fast shutdown": not waiting for clients
        running.wait(30)
        shutil.rmtree(directory, ignore_errors=True)


def _answers(url: str) -> bool:
    engine = sa.create_engine(url)
    try:
        with engine.connect():
            return True
    except sa.exc.OperationalError:
        return False
    finally:
        engine.dispose()


def new_database(postgresql: str, *, template: str = "template1") -> str:
    """URL of a database of its own: an empty one, or one like `template`."""
    name = f"records_{next(_numbers)}"
    engine = sa.create_engine(postgresql.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    engine.dispose()
    return postgresql.format(name)


@pytest.fixture(scope="session")
def migrated(postgresql: str) -> str:
    """Name of a database that has the schema: to copy it is faster than to make it."""
    url = new_database(postgresql)
    Database(url).close()
    return str(sa.make_url(url).database)


@pytest.fixture(params=["sqlite", "postgresql"])
def records_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.sqlite3'}"
    return new_database(request.getfixturevalue("postgresql"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database, its schema made; the test runs on SQLite and on PostgreSQL."""
    url = f"sqlite:///{tmp_path / 'records.sqlite3'}"
    if request.param == "postgresql":
        template = request.getfixturevalue("migrated")
        url = new_database(request.getfixturevalue("postgresql"), template=template)
    opened = Database(url)
    yield opened
    opened.close()
