"""Who comes in: the accounts, sessions and tokens of one process, the journal of what they do, and
the sight of changes that other processes make to who may what."""

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


class Doors:
    """Of one process; any thread may call. `close` writes what the journal holds."""

    def __init__(self, records: Database, config: Config, directory: Path | None) -> None:
        self.records = records
        self.journal = Journal(records)
        self.revision = Revision(directory)
        self._config = config

    @property
    def shares_records(self) -> bool:
        """Whether somebody may write the database who does not tell `revision`: the one in the data
        directory is written by this program on this machine alone."""
        return bool(self._config.records)

    def is_open(self, address: str) -> bool:
        """Whether nobody needs to say who it is: there is no account, and it is this machine that
        asks, or the archive was opened to the network on purpose. Asks the database."""
        if not (self._config.open_to_network or is_loopback(address)):
            return False
        return self.is_without_accounts

    @property
    def is_without_accounts(self) -> bool:
        with self.records.read() as session:
            return not any_account(session)

    def find(self, shown: str, *, address: str, used: bool = True) -> Found | None:
        """Who shows that token; None when it is good for nothing. Asks the database.

        used  whether it counts as use of a session
        """
        if shown.startswith(tokens.PREFIX):
            return tokens.find(self.records, shown, address=address)
        return sessions.find(self.records, self._config, shown, address=address, used=used)

    def changed(self) -> None:
        """Somebody's rights have changed, and that is committed."""
        self.revision.changed()

    def close(self) -> None:
        self.journal.close()
        self.records.close()
        self.revision.close()


def open_doors(config: Config, directory: Path | None) -> Doors:
    """directory  of the archive; None when it is in memory

    Raises records.errors.NewerSchema and RecordsUnavailable.
    """
    return Doors(open_database(config.records, directory=directory), config, directory)


def open_caller(address: str) -> Caller:
    """Anybody, on an archive without accounts."""
    return Caller("open", EVERYTHING, session_id=f"open {address}", address=address)
