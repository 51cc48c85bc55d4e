"""What goes wrong when somebody asks.

AccessError
  NotSignedIn    nobody is known to ask, and nobody unknown may
  Denied         the caller may not do this
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicomweb_server.access.caller import Act, Caller


class AccessError(Exception):
    """Base of the errors here."""


class NotSignedIn(AccessError):
    """The request says nobody, or somebody whose word has ended; the message says which."""


class Denied(AccessError):
    """The caller may not do this."""

    def __init__(self, caller: "Caller", act: "Act") -> None:
        super().__init__(f"{caller.name or 'nobody'} may not {act.value.replace('-', ' ')}")
        self.caller = caller
        self.act = act
