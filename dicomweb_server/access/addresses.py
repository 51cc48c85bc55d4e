"""What an address says of who calls."""

import ipaddress


def is_loopback(address: str) -> bool:
    """Whether a call came from this machine, or a server listens for it alone."""
    if address == "localhost":
        return True
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)
