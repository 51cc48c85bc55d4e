"""What goes wrong with reports.

ReadingError
  Unknown     there is no such report, exam, version, ...
  Refused     the workflow or the content forbids it; `name` says which rule (REPORTS 4.5)
  Unwritable  a document cannot be made of what was issued
"""

from typing import Any


class ReadingError(Exception):
    """Base of the errors here."""


class Unknown(ReadingError):
    """There is no `kind` called `name`."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"there is no {kind} {name[:100]}")
        self.kind = kind
        self.name = name


class Refused(ReadingError):
    """Not allowed, or not now.

    name     stable, for programs: "rank-too-low", "stale-revision", ...
    field    what of the request is at fault, if one thing is
    members  further facts, as JSON values
    """

    def __init__(self, name: str, detail: str, *, field: str = "", **members: Any) -> None:
        super().__init__(detail)
        self.name = name
        self.detail = detail
        self.field = field
        self.members = members


class Unwritable(ReadingError):
    """A document cannot be made of what was issued; the message says why."""
