"""Everything that can be set, in one frozen value, each setting with its sentence.

What is said last wins: the default, then the TOML file of `--config`, then the environment
(`DICOMWEB_SERVER_` and the field's name in capitals), then the flags of the command line. A test
holds README to naming every field.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

ENVIRONMENT_PREFIX = "DICOMWEB_SERVER_"


class ConfigError(Exception):
    """The setting `name` cannot be what it was set to; `origin` says where that was read."""

    def __init__(self, name: str, reason: str, *, origin: str) -> None:
        super().__init__(f"{name} ({origin}): {reason}")
        self.name = name
        self.reason = reason
        self.origin = origin


def setting(
    default: Any,
    sentence: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """A field with its default, what it means, and the bounds (inclusive) it is held to."""
    return field(
        default=default,
        metadata={"sentence": sentence, "low": low, "high": high, "choices": choices},
    )


@dataclass(frozen=True, slots=True)
class Config:
    """The settings. Sizes are in bytes unless the name says MiB, times in seconds."""

    data: str = setting(
        "archive", "Directory of the archive, or a storage URL: lmdb:///directory, memory:."
    )
    records: str = setting(
        "",
        "Database of persons, reports and audit, e.g. postgresql+psycopg://user@host/name; when "
        "empty, the file records.sqlite3 in the directory of the archive.",
    )
    host: str = setting("127.0.0.1", "Address the server listens on.")
    open_to_network: bool = setting(
        False,
        "Whether an archive without accounts is served on other addresses than loopback, "
        "with everything allowed to everybody.",
    )
    second_factor: str = setting(
        "required",
        "Whether who signs in by password needs a second factor: required, or optional, when only "
        "those who have enrolled one do.",
        choices=("required", "optional"),
    )
    session_idle_s: float = setting(
        1800.0,
        "Seconds unused after which a session ends; what open pages ask by themselves is no use.",
        low=60,
        high=86400,
    )
    session_max_s: float = setting(
        43200.0, "Seconds after which a session ends in any case.", low=60, high=30 * 86400
    )
    lock_after: int = setting(5, "Failed sign-ins after which a login is locked.", low=1, high=100)
    lock_s: float = setting(900.0, "Seconds for which a login is locked.", low=1, high=86400)
    port: int = setting(8000, "TCP port the server listens on.", low=0, high=65535)
    tls_certificate: str | None = setting(
        None, "PEM file with the certificate chain: requests are then answered over HTTPS only."
    )
    tls_key: str | None = setting(
        None, "PEM file with the private key of tls_certificate, when it is not in that file."
    )
    workers: int = setting(
        1,
        "Server processes that answer requests side by side, each with caches of its own; as many "
        "as there are processors store more where several clients send at the same time.",
        low=1,
        high=256,
    )
    prefix: str = setting("/dicom-web", "Path of the DICOMweb root in every URL.")
    public_url: str | None = setting(
        None, "Scheme, host and path under which clients reach the server, when a proxy hides it."
    )
    trusted_proxies: str = setting(
        "127.0.0.1,::1",
        "Addresses and networks, with commas between, of the proxies whose Forwarded and "
        "X-Forwarded-* headers are believed; * for any, nothing for none.",
    )
    cors_origins: str = setting(
        "",
        "Origins, with commas between, whose pages may use this server from a browser; * for any.",
    )
    conflict: str = setting(
        "refuse",
        "What happens to a SOP Instance UID stored already with other content: "
        "refuse, replace or keep-both-versions.",
        choices=("refuse", "replace", "keep-both-versions"),
    )
    max_part_bytes: int = setting(
        16 * 2**30, "Size of one uploaded instance, at most.", low=2**16, high=2**44
    )
    max_header_bytes: int = setting(
        32 * 2**20,
        "Size of an instance without its pixel data and other large values, at most.",
        low=2**16,
        high=2**30,
    )
    max_sequence_depth: int = setting(
        64, "Sequences nested in one another, at most.", low=1, high=200
    )
    max_inflated_bytes: int = setting(
        2 * 2**30, "Size of a deflated data set once inflated, at most.", low=2**16, high=2**40
    )
    searchable: str | None = setting(
        None,
        "Attributes to search for besides the standard's, e.g. "
        "'instance:KVP, study:0009xx01 ACME 1.1=SH'; after a change run reindex.",
    )
    assumed_charset: str = setting(
        "ISO_IR 6",
        "Character set of what comes without naming one, by its term in (0008,0005): GB18030 where"
        " modalities write Chinese and do not say so.",
    )
    upload_concurrency: int = setting(
        4,
        "Large instances (over 4 MiB) one server process stores at the same time.",
        low=1,
        high=256,
    )
    decoded_cache_mib: int = setting(
        64, "Memory of each server process for decoded frames, in MiB.", low=0, high=2**20
    )
    stored_cache_mib: int = setting(
        64,
        "Memory of each server process for frames as they are kept that are asked for again and"
        " again, in MiB.",
        low=0,
        high=2**20,
    )
    remembered_cache_mib: int = setting(
        64,
        "Memory of each server process for replies that are asked for again, frames not counted, in"
        " MiB.",
        low=0,
        high=2**20,
    )
    settle: bool = setting(
        True, "Whether serve runs the process that compresses what has arrived in the background."
    )
    settle_after_s: float = setting(
        60.0, "Seconds a series has been quiet before it is compressed.", low=0, high=30 * 86400
    )
    settle_threads: int = setting(1, "Threads that compress in the background.", low=1, high=256)
    import_processes: int = setting(
        0, "Processes that import at the same time; 0 for one each processor.", low=0, high=256
    )
    dimse: bool = setting(True, "Whether serve also speaks DIMSE, in processes of its own.")
    dimse_port: int = setting(
        11112, "TCP port for DIMSE associations on the same address.", low=0, high=65535
    )
    aet: str = setting("DICOMWEB", "AE title of the archive.")
    dimse_check_called: bool = setting(
        False, "Whether associations for another AE title than the archive's are rejected."
    )
    dimse_processes: int = setting(
        1, "Processes that take DIMSE associations side by side.", low=1, high=64
    )
    dimse_associations: int = setting(
        200, "Associations one DIMSE process has at the same time.", low=1, high=10_000
    )
    dimse_max_pdu: int = setting(
        131_072, "Longest P-DATA-TF PDU that peers may send.", low=4096, high=2**24
    )
    dimse_timeout_s: float = setting(
        60.0, "Seconds a peer may be silent before its association is aborted.", low=0.1, high=86400
    )
    dimse_private_sop_classes: str | None = setting(
        None,
        "Private storage SOP Class UIDs that C-STORE accepts, separated by commas; * for any.",
    )
    dimse_tls_port: int = setting(
        0, "TCP port for DIMSE over TLS (2762 is registered for it); 0 for none.", low=0, high=65535
    )
    dimse_tls_certificate: str | None = setting(
        None, "PEM file with the certificate chain for DIMSE."
    )
    dimse_tls_key: str | None = setting(None, "PEM file with the private key of that certificate.")
    dimse_tls_authorities: str | None = setting(
        None,
        "PEM file with the authorities DIMSE peers are trusted by; callers must then show one.",
    )
    dimse_complete_after_s: float = setting(
        60.0,
        "Seconds after the last instance of a study until its exam counts as complete when no "
        "modality says so, and until peers are told that it is available.",
        low=0,
        high=86400,
    )
    urgent_due_s: float = setting(
        1800.0,
        "Seconds after the end of an urgent exam by which its report is wanted.",
        low=1,
        high=30 * 86400,
    )
    urgent_breach_s: float = setting(
        3600.0,
        "Seconds after the end of an urgent exam from when on its report is overdue.",
        low=1,
        high=30 * 86400,
    )
    routine_due_s: float = setting(
        7200.0,
        "Seconds after the end of a routine exam by which its report is wanted.",
        low=1,
        high=30 * 86400,
    )
    routine_breach_s: float = setting(
        86400.0,
        "Seconds after the end of a routine exam from when on its report is overdue.",
        low=1,
        high=90 * 86400,
    )
    lease_s: float = setting(
        900.0,
        "Seconds without a save after which somebody else may take over a report.",
        low=1,
        high=86400,
    )
    peers: str = setting("[]", "Table of the DIMSE peers: [[peers]] in the TOML file.")
    forward: str = setting("[]", "Table of what is sent on to whom: [[forward]] in the TOML file.")
    log_level: str = setting(
        "info",
        "What is logged on standard error: debug, info, warning or error.",
        choices=("debug", "info", "warning", "error"),
    )


def variable(name: str) -> str:
    """The environment variable that sets the field `name`."""
    return ENVIRONMENT_PREFIX + name.upper()


def load(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Config:
    """The configuration from all that speaks for it.

    environment  of the process when None
    flags        by field name; None means not given

    Raises ConfigError naming the setting and where it was read.
    """
    environment = os.environ if environment is None else environment
    known = {f.name: f for f in fields(Config)}
    values: dict[str, object] = {}
    for name, raw in (_read_toml(file) if file is not None else {}).items():
        origin = str(file)
        if name not in known:
            raise ConfigError(name, "there is no such setting", origin=origin)
        values[name] = _checked(known[name], raw, origin=origin)
    for name, declared in known.items():
        if (text := environment.get(variable(name))) is not None:
            values[name] = _checked(declared, text, origin=variable(name))
        if (given := (flags or {}).get(name)) is not None:
            values[name] = _checked(declared, given, origin="--" + name.replace("_", "-"))
    return Config(**values)  # type: ignore[arg-type]  # each value was checked against its field


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise ConfigError("config", f"{error.strerror}", origin=str(file)) from error
    except ValueError as error:  # TOMLDecodeError, or text that is not UTF-8
        raise ConfigError("config", f"is not TOML: {error}", origin=str(file)) from error


_TYPES = get_type_hints(Config)
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_TABLES = frozenset({"peers", "forward"})
"""Settings that are an array of tables in TOML and the same as JSON everywhere else."""
_KINDS: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false"}


def kind_of(name: str) -> type:
    """The type of the field `name`, None aside: str, int, float or bool."""
    hint = _TYPES[name]
    if get_origin(hint) is UnionType:
        hint = next(option for option in get_args(hint) if option is not type(None))
    assert isinstance(hint, type)
    return hint


def _checked(declared: "Field[Any]", raw: object, *, origin: str) -> object:
    value = _converted(declared.name, raw, origin=origin)
    low, high = declared.metadata["low"], declared.metadata["high"]
    choices = declared.metadata["choices"]
    # `not (low <= value)` and not `value < low`: a NaN is within no bounds.
    if isinstance(value, int | float) and low is not None and not low <= value <= high:
        raise ConfigError(declared.name, f"{value} is not within {low} and {high}", origin=origin)
    if choices is not None and value not in choices:
        raise ConfigError(
            declared.name, f"'{value}' is none of {', '.join(choices)}", origin=origin
        )
    if (rule := _RULES.get(declared.name)) is not None and isinstance(value, str):
        value, reason = rule(value)
        if reason:
            raise ConfigError(declared.name, reason, origin=origin)
    return value


def _converted(name: str, raw: object, *, origin: str) -> object:
    kind = kind_of(name)
    wrong = ConfigError(name, f"'{raw}' is not {_KINDS.get(kind, 'a text')}", origin=origin)
    if name in _TABLES and isinstance(raw, list):
        return json.dumps(raw, default=str)
    if kind is bool:
        if isinstance(raw, str):
            raw = _FLAGS.get(raw.strip().lower())
        if not isinstance(raw, bool):
            raise wrong
        return raw
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise wrong
    if kind is str:
        if not isinstance(raw, str):
            raise wrong
        return raw
    if kind is int and isinstance(raw, float):
        raise wrong
    try:
        return kind(raw)
    except ValueError:
        raise wrong from None


def _prefix(value: str) -> tuple[str, str]:
    path = "/" + value.strip("/")
    if path == "/" or any(c in path for c in "?#% ") or ".." in path:
        return value, f"'{value}' is no path of a URL such as /dicom-web"
    return path, ""


def _public_url(value: str) -> tuple[str, str]:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        return value, f"'{value}' is no URL such as https://pacs.example.org/archive"
    return value.rstrip("/"), ""


def _trusted_proxies(value: str) -> tuple[str, str]:
    for each in filter(None, (part.strip() for part in value.split(","))):
        try:
            if each != "*":
                ip_network(each, strict=False)
        except ValueError:
            return value, f"'{each}' is no address or network such as 10.0.0.0/8"
    return value, ""


def _cors_origins(value: str) -> tuple[str, str]:
    for each in filter(None, (part.strip() for part in value.split(","))):
        parts = urlsplit(each)
        if each != "*" and (not parts.netloc or f"{parts.scheme}://{parts.netloc}" != each):
            return value, f"'{each}' is no origin such as https://viewer.example.org"
    return value, ""


def _data(value: str) -> tuple[str, str]:
    return value, "" if value.strip() else "is empty"


def _records(value: str) -> tuple[str, str]:
    known = not value or value.startswith(("postgresql+psycopg://", "sqlite:///"))
    wrong = "" if known else "is neither postgresql+psycopg://user@host/name nor sqlite:///file"
    return value, wrong


def _aet(value: str) -> tuple[str, str]:
    wrong = not 1 <= len(value.strip()) <= 16 or not value.isprintable() or not value.isascii()
    return value.strip(), f"'{value}' is no AE title: 1 to 16 characters" if wrong else ""


_RULES = {
    "aet": _aet,
    "prefix": _prefix,
    "public_url": _public_url,
    "trusted_proxies": _trusted_proxies,
    "cors_origins": _cors_origins,
    "data": _data,
    "records": _records,
}


def sentences() -> dict[str, tuple[str, object]]:
    """Each setting's sentence and default, in order: what help pages and README show."""
    assert all(f.default is not MISSING for f in fields(Config))
    return {f.name: (f.metadata["sentence"], f.default) for f in fields(Config)}
