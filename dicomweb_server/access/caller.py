"""Who asks: established at the edges (web, DIMSE, command line), judged by the verbs.

An archive and a reading service are seen through a caller (`Archive.seen_by`); the first line of
each of their verbs is `archive.permit(Act.…)`, so no transport is a back door.
"""

from dataclasses import dataclass
from enum import Enum

from dicomweb_server.access.errors import Denied, NotSignedIn


class Act(Enum):
    """What a role may allow. The value is the name in roles, tokens and audit."""

    SEARCH = "search"
    VIEW = "view"
    EXPORT = "export"
    STORE = "store"
    EDIT = "edit"
    DELETE = "delete"
    ORDER = "order"
    TRANSFER = "transfer"
    READ_REPORTS = "read-reports"
    DRAFT = "draft"
    SIGN = "sign"
    REVIEW = "review"
    MANAGE_REPORTS = "manage-reports"
    TEMPLATES = "templates"
    ACCOUNTS = "accounts"
    AUDIT = "audit"
    OPERATE = "operate"


class Rank(Enum):
    """Professional title (职称) of a person: what T1-T23 compare. AI and trainees are 0."""

    TRAINEE = 0
    RESIDENT = 1
    ATTENDING = 2
    ASSOCIATE_CHIEF = 3
    CHIEF = 4


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks, for one request, association or command.

    name        for the audit and the log: the account's login, the AE title, "command line"
    person_id   the person behind the account; empty for tokens of programs, modalities, commands
    account_id  empty where there is no account
    acts        what is allowed; nothing else is
    session_id  groups views for the audit: the session, token or association
    address     where the request came from
    """

    name: str
    acts: frozenset[Act]
    person_id: str = ""
    account_id: str = ""
    session_id: str = ""
    address: str = ""

    def permit(self, act: Act, *others: Act) -> None:
        """Raises Denied when the caller may neither do this nor any of the others, NotSignedIn when
        nobody is known."""
        if self.acts.isdisjoint((act, *others)):
            if not self.name:
                raise NotSignedIn(f"to {act.value.replace('-', ' ')} is for who has signed in")
            raise Denied(self, act)


EVERYTHING = frozenset(Act)
SYSTEM = Caller("system", EVERYTHING)
"""The program itself: its jobs, and commands run on the machine by who owns the directory."""

NOBODY = Caller("", frozenset())
"""Who has not said who it is."""


def acts_of(text: str) -> frozenset[Act]:
    """The acts that a role's or a token's row names, with commas between; others are passed over:
    a newer program may have written them."""
    known = {act.value: act for act in Act}
    return frozenset(known[name] for name in text.split(",") if name in known)


def named(acts: frozenset[Act]) -> str:
    """What `acts_of` reads."""
    return ",".join(sorted(act.value for act in acts))
