"""What goes wrong when somebody asks.

AccessError
  NotSignedIn        nobody is known to ask, and nobody unknown may
    LoginFailed           login, password or code is not right, or all of them
    SecondFactorRequired  the password was right, the code is missing
    Locked                there were too many failures
  Denied             the caller may not do this
  Unknown            there is no such person, account, role, token, identity
  Refused            what is asked for cannot be, whoever asks
  Stale              what is to be changed has been changed since it was seen
  AuditUnavailable   what happens cannot be written down, so it does not happen
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicomweb_server.access.caller import Act, Caller


class AccessError(Exception):
    """Base of the errors here."""


class NotSignedIn(AccessError):
    """The request says nobody, or somebody whose word has ended; the message says which."""


class LoginFailed(NotSignedIn):
    """Which of them is not right is not said."""

    reason = "login, password or code"

    def __init__(self, message: str = "login, password or code is not right") -> None:
        super().__init__(message)


class SecondFactorRequired(NotSignedIn):
    """The password was right, the code of the second factor is missing."""

    reason = "second factor missing"

    def __init__(self) -> None:
        super().__init__("the code of the second factor is missing")


class Locked(NotSignedIn):
    """There were too many failures; `retry_after_s` seconds from now it may be tried again."""

    reason = "locked"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many failures: to be tried again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class Denied(AccessError):
    """The caller may not do this."""

    def __init__(self, caller: "Caller", act: "Act") -> None:
        super().__init__(f"{caller.name or 'nobody'} may not {act.value.replace('-', ' ')}")
        self.caller = caller
        self.act = act


class Unknown(AccessError):
    """There is no `kind` called `name`."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"there is no {kind} {name[:80]!r}")
        self.kind = kind
        self.name = name


class Refused(AccessError):
    """What is asked for cannot be, because of `field`; `name` is the problem's, for programs."""

    def __init__(self, field: str, reason: str, *, name: str = "refused") -> None:
        super().__init__(reason)
        self.field = field
        self.name = name


class Stale(AccessError):
    """Somebody has changed it since; the message says how often."""


class AuditUnavailable(AccessError):
    """Events could not be written for so long that nothing more is done without them."""

    retry_after_s = 5.0
