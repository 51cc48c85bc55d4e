"""Who may talk to the bridge and whom it talks to: the tables `peers` and `forward` of the
configuration, as values.

```toml
[[peers]]
aet = "CT1"
host = "10.0.0.5"
port = 104                          # needed to send to it
services = ["echo", "store"]        # what it may ask for; everything when absent
charset = "GB18030"                 # of answers to it; ISO_IR 192 when absent
transfer_syntaxes = ["1.2.840.10008.1.2.4.70"]   # preferred, best first, in both directions
tls = false                         # DICOM TLS when sending to it
commitment = "new"                  # N-EVENT-REPORT on a new association, or on the "same"
availability = false                # it is told of new studies (Instance Availability)
any_address = false                 # its AE title is enough, wherever it calls from

[[forward]]
to = "PACS2"
calling = ["CT*"]                   # AE titles it came from; also modality, body_part
priority = "urgent"                 # or "routine"
commit = false                      # ask for storage commitment after sending
```
"""

import json
import re
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeVar

from dicomweb_server.access.addresses import is_loopback
from dicomweb_server.config import Config, ConfigError
from dicomweb_server.dicom.transfer_syntaxes import transfer_syntax
from dicomweb_server.dimse.identifiers import CHARSETS, DEFAULT_CHARSET
from dicomweb_server.dimse.sop_classes import SERVICES

Row = TypeVar("Row", "Peer", "Rule")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One row of the peers table; see the module."""

    aet: str
    host: str = ""
    port: int = 0
    services: tuple[str, ...] = tuple(SERVICES)
    charset: str = DEFAULT_CHARSET
    transfer_syntaxes: tuple[str, ...] = ()
    tls: bool = False
    commitment: str = "new"
    availability: bool = False
    any_address: bool = False

    @property
    def reachable(self) -> bool:
        """Whether an association with it can be asked for."""
        return bool(self.host and self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the forward table; an empty list asks for nothing."""

    to: str
    calling: tuple[str, ...] = ()
    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    priority: str = "routine"
    commit: bool = False

    def applies(self, *, calling: str, modality: str, body_part: str) -> bool:
        """Whether what came from `calling` is to be forwarded; patterns have `*` and `?`."""
        return all(
            not patterns or any(fnmatchcase(value.upper(), p.upper()) for p in patterns)
            for patterns, value in (
                (self.calling, calling),
                (self.modality, modality),
                (self.body_part, body_part),
            )
        )


@dataclass(frozen=True, slots=True)
class Peers:
    """The two tables, checked."""

    by_title: Mapping[str, Peer]
    rules: tuple[Rule, ...]

    def caller(self, aet: str, address: str, *, open_to_all: bool) -> Peer | None:
        """Who calls: a row of the table, else None.

        open_to_all  the archive has no accounts: anybody on this machine may call too
        """
        peer = self.by_title.get(aet)
        if is_loopback(address) and (peer is not None or open_to_all):
            return peer or Peer(aet=aet)
        if peer is None or not (peer.any_address or _same(peer.host, address)):
            return None
        return peer

    def to(self, aet: str) -> Peer | None:
        """The peer of that AE title, when it can be reached."""
        peer = self.by_title.get(aet)
        return peer if peer is not None and peer.reachable else None


def read_peers(config: Config) -> Peers:
    """The tables of a configuration. Raises ConfigError naming row and key."""
    peers: dict[str, Peer] = {}
    for number, row in enumerate(_rows(Peer, "peers", config.peers), 1):
        if row.aet in peers:
            earlier = [*peers].index(row.aet) + 1
            raise _wrong("peers", number, f"aet '{row.aet}' is that of peers[{earlier}] too")
        if not 0 <= row.port <= 65535:
            raise _wrong("peers", number, f"port {row.port} is not within 1 and 65535")
        if re.search(r"\s", row.host):
            raise _wrong("peers", number, f"host '{row.host}' has a blank in it")
        peers[row.aet] = row
    rules = tuple(_rows(Rule, "forward", config.forward))
    for peer in peers.values():
        _one_of("peers", peer.aet, "services", peer.services, tuple(SERVICES))
        _one_of("peers", peer.aet, "charset", (peer.charset,), tuple(CHARSETS))
        _one_of("peers", peer.aet, "commitment", (peer.commitment,), ("new", "same"))
        for uid in peer.transfer_syntaxes:
            if not transfer_syntax(uid).known:
                raise _wrong("peers", peer.aet, f"'{uid}' is no transfer syntax")
    for rule in rules:
        _one_of("forward", rule.to, "priority", (rule.priority,), ("urgent", "routine"))
        if rule.to not in peers or not peers[rule.to].reachable:
            raise _wrong("forward", rule.to, "is no row of peers with host and port")
    return Peers(peers, rules)


def _rows(kind: type[Row], table: Literal["peers", "forward"], text: str) -> Sequence[Row]:
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise ConfigError(table, f"is no JSON array of tables: {error}", origin=table) from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(table, "is no array of tables", origin=table)
    return [_row(kind, table, number, row) for number, row in enumerate(rows, 1)]


def _row(kind: type[Row], table: str, number: int, row: Mapping[str, Any]) -> Row:
    declared = {f.name: f for f in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in row.items():
        if key not in declared:
            raise _wrong(table, number, f"there is no key '{key}'")
        hint = declared[key].type
        if hint == tuple[str, ...]:
            value = (value,) if isinstance(value, str) else value
            if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
                raise _wrong(table, number, f"{key} is no list of texts")
            value = tuple(value)
        elif not isinstance(value, hint) or (hint is int and isinstance(value, bool)):  # type: ignore[arg-type]
            raise _wrong(table, number, f"{key} '{value}' is no {getattr(hint, '__name__', hint)}")
        values[key] = value
    for name, one in declared.items():
        if one.default is MISSING and not values.get(name):
            raise _wrong(table, number, f"{name} is missing")
    title = values.get("aet") or values.get("to")
    if not isinstance(title, str) or not _TITLE.fullmatch(title):
        reason = "1 to 16 characters of ASCII, no backslash, no blanks around (PS3.5 §6.2)"
        raise _wrong(table, number, f"'{title}' is no AE title: {reason}")
    return kind(**values)


_TITLE = re.compile(r"(?! )[ -\[\]-~]{1,16}(?<! )")


def _one_of(table: str, row: str, key: str, values: Sequence[str], choices: Sequence[str]) -> None:
    for value in values:
        if value not in choices:
            raise _wrong(table, row, f"{key} '{value}' is none of {', '.join(choices)}")


def _wrong(table: str, row: int | str, reason: str) -> ConfigError:
    return ConfigError(f"{table}[{row}]", reason, origin=table)


def _same(host: str, address: str) -> bool:
    return bool(host) and address.removeprefix("::ffff:") in _addresses(host)


_KEPT_S = 60.0
_KEPT_AFTER_FAILURE_S = 5.0
"""So long no association waits for the resolver, and so long a peer that has moved, or whose name
is not known for once, is taken for somebody else."""

_found: dict[str, tuple[float, frozenset[str]]] = {}
"""By host: until when it is kept, and the addresses."""


def _addresses(host: str) -> frozenset[str]:
    """What a host's name stands for, or stood for until a short time ago. While it cannot be looked
    up it stands for what it stood for."""
    until, addresses = _found.get(host, (0.0, frozenset({host})))
    now = time.monotonic()
    if now < until:
        return addresses
    kept_s = _KEPT_S
    try:
        addresses = frozenset(str(found[4][0]) for found in socket.getaddrinfo(host, None))
    except (OSError, UnicodeError):  # the latter of what IDNA has no encoding for
        kept_s = _KEPT_AFTER_FAILURE_S
    _found[host] = time.monotonic() + kept_s, addresses
    return addresses
