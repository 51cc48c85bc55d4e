"""What goes wrong with the relational database.

RecordsError
  NewerSchema          a newer program made the schema
  RecordsUnavailable   the database cannot be reached
    RecordsFull        its disk is full
"""


class RecordsError(Exception):
    """Base of the errors here."""


class NewerSchema(RecordsError):
    """The schema has a revision this program does not know."""

    def __init__(self, *, found: str, newest: str) -> None:
        super().__init__(f"the records have schema {found}, this program knows up to {newest}")
        self.found = found
        self.newest = newest


class RecordsUnavailable(RecordsError):
    """The database cannot be reached; the message says which and why."""


class RecordsFull(RecordsUnavailable):
    """Nothing can be written until the database's disk has room again."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no space left for the records: {reason}")
