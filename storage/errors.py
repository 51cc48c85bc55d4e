"""What storage raises.

StorageError
├── NotFound          nothing is stored under that name
├── BadCursor         a search that a cursor does not belong to was to go on from it
├── Conflict          what is stored already forbids this
├── Corrupt           stored bytes are not what was written
├── FormatVersion     the directory was written by another format of LAYOUT.md
├── InUse             another process holds what this one needs alone
├── OutOfSpace        the disk or the quota is full
└── Unavailable       try again after `retry_after_s`

Facts are attributes; the sentence names the thing and the number. Nothing here knows HTTP or
DIMSE: the edges translate.
"""


class StorageError(Exception):
    """The root of everything that storage raises on purpose."""


class NotFound(StorageError):
    """Nothing is stored under `name`; `kind` says what was looked for (study, blob, pack ...)."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name} is not stored")
        self.kind = kind
        self.name = name


class BadCursor(StorageError):
    """No search of `level` (study, series, instance) has given `cursor`."""

    def __init__(self, cursor: str, level: str) -> None:
        super().__init__(f"{cursor[:80]!r} is no cursor of a {level} search")
        self.cursor = cursor
        self.level = level


class Conflict(StorageError):
    """What is stored already forbids this; `name` is what stands in the way."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class Corrupt(StorageError):
    """Bytes at `name` are not the bytes that were written there."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} is damaged: {reason}")
        self.name = name
        self.reason = reason


class FormatVersion(StorageError):
    """The directory holds format `found`; this program reads and writes format `expected`."""

    def __init__(self, path: str, *, found: int, expected: int) -> None:
        program = "a newer" if found > expected else "an older"
        super().__init__(
            f"{path} holds storage format {found}, this program reads format {expected}: "
            f"open it with {program} version of the program"
        )
        self.path = path
        self.found = found
        self.expected = expected


class InUse(StorageError):
    """Another process holds `name`, which only one may hold."""

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(f"{name} is held by {holder}")
        self.name = name
        self.holder = holder


class OutOfSpace(StorageError):
    """The disk that holds `name` is full; nothing of the request was kept."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no space left on the disk that holds {name}")
        self.name = name


class Unavailable(StorageError):
    """Not now: `reason`. The same call may succeed after `retry_after_s` seconds."""

    def __init__(self, reason: str, *, retry_after_s: float) -> None:
        super().__init__(f"{reason}; try again in {retry_after_s:g} s")
        self.reason = reason
        self.retry_after_s = retry_after_s
