"""What a proxy says of the request it passes on: who asks, and under which URL.

RFC 7239 §4:    Forwarded = #( [ pair ] *( ";" [ pair ] ) ), pair = token "=" value
and the older   X-Forwarded-For, -Proto, -Host, -Prefix

They are believed only of proxies that `trusted_proxies` names. The URL is the one the first proxy
was asked for, the client the last address that no trusted proxy has.
"""

import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.types import Scope

from dicomweb_server.web.http import is_authority

Networks = tuple[IPv4Network | IPv6Network, ...]

_HEADERS = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-forwarded-prefix",
    }
)
_PAIR = re.compile(r'[ \t]*([A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";,]*))[ \t]*([;,]?)')
_PREFIX = re.compile(r"(?:/[A-Za-z0-9\-._~]+)+")


def networks(setting: str) -> Networks | None:
    """Of the setting `trusted_proxies`; None for any."""
    named = [part.strip() for part in setting.split(",") if part.strip()]
    return None if "*" in named else tuple(ip_network(each, strict=False) for each in named)


def applied(scope: Scope, trusted: Networks | None) -> Scope:
    """The scope as it would be without the proxy; itself when there is none, or none trusted."""
    said = {name: value.decode("latin-1") for name, value in scope["headers"] if name in _HEADERS}
    if not said or not _is_trusted((scope.get("client") or ("",))[0], trusted):
        return scope
    scheme = _first(said.get(b"x-forwarded-proto"))
    host = _first(said.get(b"x-forwarded-host"))
    clients = [part.strip() for part in said.get(b"x-forwarded-for", "").split(",")]
    if b"forwarded" in said:
        elements = _elements(said[b"forwarded"])
        scheme = elements[0].get("proto") or scheme
        host = elements[0].get("host") or host
        clients = [element.get("for", "") for element in elements]
    found: Scope = dict(scope)
    if scheme.lower() in ("http", "https"):
        found["scheme"] = scheme.lower()
    if is_authority(host):
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        found["headers"] = [(b"host", host.encode("ascii")), *others]
    prefix = _first(said.get(b"x-forwarded-prefix")).rstrip("/")
    if _PREFIX.fullmatch(prefix):
        found["root_path"] = prefix + scope.get("root_path", "")
    addresses = [address for each in clients if (address := _address(each))]
    if addresses:
        unknown = [each for each in addresses if not _is_trusted(each, trusted)]
        found["client"] = (unknown[-1] if unknown else addresses[0], 0)
    return found


def _first(text: str | None) -> str:
    return (text or "").split(",")[0].strip()


def _elements(text: str) -> list[dict[str, str]]:
    """One element a proxy, at least one; what cannot be read ends the list."""
    elements: list[dict[str, str]] = [{}]
    position = 0
    while pair := _PAIR.match(text, position):
        name, quoted, plain, ended = pair.groups()
        value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        elements[-1][name.lower()] = value
        position = pair.end()
        if ended == ",":
            elements.append({})
        elif not ended:
            break
    return elements


def _address(text: str) -> str:
    """Of a node: `192.0.2.1:80`, `[2001:db8::1]:80`, an address alone; "" for an obfuscated one."""
    bare = text[1 : text.find("]")] if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ip_address(bare))
    except ValueError:
        return ""


@lru_cache(maxsize=1024)
def _is_trusted(address: str, trusted: Networks | None) -> bool:
    if trusted is None:
        return True
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in trusted)
