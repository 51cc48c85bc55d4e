"""What verbs act on, as somebody sees it: the archive, the desk."""

from typing import Self, TypeVar

from dicomweb_server.access.audit import Event
from dicomweb_server.access.caller import SYSTEM, Act, Caller
from dicomweb_server.access.journal import REFUSED, Journal

T = TypeVar("T")


def copied(thing: T, **attributes: object) -> T:
    """The same thing with other attributes, whether or not it is frozen: what `copy.copy` does, in
    a fifth of its time, for each request comes by here."""
    view = object.__new__(type(thing))
    view.__dict__.update(thing.__dict__, **attributes)
    return view


class Acting:
    """`caller` asks, `journal` is told what happens; without one nothing is written down, as in
    tests of what verbs do."""

    caller: Caller = SYSTEM
    journal: Journal | None = None

    def seen_by(self, caller: Caller) -> Self:
        """The same, all it holds included, with somebody else who asks."""
        return copied(self, caller=caller)

    def noting(self, journal: Journal) -> Self:
        """The same, telling a journal what happens."""
        return copied(self, journal=journal)

    @property
    def own(self) -> Self:
        """The same as the program itself sees it: for what a verb has to do when it is permitted,
        and what the caller could not ask for."""
        return self.seen_by(SYSTEM)

    def permit(self, act: Act, *others: Act) -> None:
        """The first line of a verb, which one act of several may allow; a refusal is in the audit.
        Raises access.errors.Denied and NotSignedIn."""
        if self.permits(act, *others):
            return
        if self.journal is not None:
            self.journal.count(self.caller, REFUSED, act.value, "failure")
        self.caller.permit(act, *others)

    def permits(self, *acts: Act) -> bool:
        """Whether `permit` would let this pass: asked where a refusal must not be waited for."""
        return not self.caller.acts.isdisjoint(acts)

    def note(self, event: Event) -> None:
        """Has an event written soon. Raises AuditUnavailable."""
        if self.journal is not None:
            self.journal.note(self.caller, event)

    def note_now(self, event: Event) -> None:
        """The same; it is written when this returns."""
        if self.journal is not None:
            self.journal.note_now(self.caller, event)
