"""Who comes in: the accounts, sessions and tokens of one process, asked for every request.

What was found is kept for LIFE_S and forgotten the moment anything changes (revision.py), so that
the hottest requests cost a look into a dict, and a sign-out is one in every process at once.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from dicomweb_server.access import sessions, tokens
from dicomweb_server.access.accounts import any_account
from dicomweb_server.access.addresses import is_loopback
from dicomweb_server.access.caller import EVERYTHING, Caller
from dicomweb_server.access.journal import Journal
from dicomweb_server.access.revision import Revision
from dicomweb_server.access.sessions import Found
from dicomweb_server.config import Config
from dicomweb_server.records.database import Database, open_database

LIFE_S = 2.0
"""How long something is believed without a look at the database: what another machine has changed
in it is seen after so long, and a session's end by the clock."""

ENTRIES = 10_000


@dataclass(slots=True)
class Known:
    """What is known of all who ask: by what they show, and from where."""

    revision: bytes
    open: bool
    until: float
    callers: dict[tuple[str, str], tuple[Found, float]] = field(default_factory=dict)


class Doors:
    """Of one process; any thread may call. `close` writes what the journal holds."""

    def __init__(self, records: Database, config: Config, directory: Path | None) -> None:
        self.records = records
        self.journal = Journal(records)
        self.revision = Revision(directory)
        self._config = config
        self._known: Known | None = None

    def is_open(self, address: str) -> bool:
        """Whether nobody needs to say who it is: there is no account, and it is this machine that
        asks, or the archive was opened to the network on purpose."""
        known = self._current() or self._renewed()
        return known.open and (self._config.open_to_network or is_loopback(address))

    def find(self, shown: str, *, address: str) -> Found | None:
        """Who shows that token; None when it is good for nothing. May wait for the database."""
        found = self.ready(shown, address=address)
        if found is not None:
            return found
        known = self._current() or self._renewed()
        if shown.startswith(tokens.PREFIX):
            found = tokens.find(self.records, shown, address=address)
        else:
            found = sessions.find(self.records, self._config, shown, address=address)
        if found is not None:
            if len(known.callers) >= ENTRIES:
                known.callers.clear()
            # Into what was current before the database was asked: if it changed since, this is
            # forgotten with it.
            known.callers[shown, address] = (found, time.monotonic() + LIFE_S)
        return found

    def ready(self, shown: str, *, address: str) -> Found | None:
        """What `find` would return, when that is known already; never waits."""
        known = self._current()
        entry = known.callers.get((shown, address)) if known is not None else None
        if entry is None or entry[1] < time.monotonic():
            return None
        return entry[0]

    def is_known(self) -> bool:
        """Whether `is_open` would not wait."""
        return self._current() is not None

    def changed(self) -> None:
        """Somebody's rights have changed, and that is committed."""
        self.revision.changed()

    def close(self) -> None:
        self.journal.close()
        self.records.close()
        self.revision.close()

    def _current(self) -> Known | None:
        known = self._known
        if known is None or known.revision != self.revision.current():
            return None
        # That there is an account does not end; that there is none may, elsewhere.
        return None if known.open and known.until < time.monotonic() else known

    def _renewed(self) -> Known:
        revision = self.revision.current()
        with self.records.read() as session:
            open_ = not any_account(session)
        self._known = Known(revision, open_, time.monotonic() + LIFE_S)
        return self._known


def open_doors(config: Config, directory: Path | None) -> Doors:
    """directory  of the archive; None when it is in memory

    Raises records.errors.NewerSchema and RecordsUnavailable.
    """
    return Doors(open_database(config.records, directory=directory), config, directory)


def open_caller(address: str) -> Caller:
    """Anybody, on an archive without accounts."""
    return Caller("open", EVERYTHING, session_id=f"open {address}", address=address)
