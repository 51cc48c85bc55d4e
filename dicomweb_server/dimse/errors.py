"""What talking to a peer raises.

DimseError
├── ProtocolError     the peer broke a rule of PS3.7 or PS3.8; the association is aborted
├── PeerAway          no association could be had: the peer was not reached, or did not answer
│   └── Rejected      the peer rejected the association (A-ASSOCIATE-RJ)
├── Aborted           the peer aborted the association (A-ABORT)
├── PeerGone          the connection was closed or broke, or the peer was silent too long
├── NotNegotiated     the peer accepted no presentation context for what is to be done
├── NotFetched        the peer did not send all the instances it was asked for
└── Refused           the peer answered a request with a status of failure

Facts are attributes. What an archive's error means to a peer is status.py.
"""


class DimseError(Exception):
    """The root of everything that talking to a peer raises on purpose."""


class ProtocolError(DimseError):
    """The peer broke a rule; `reason` is the A-ABORT reason of PS3.8 Table 9-26."""

    def __init__(self, sentence: str, *, reason: int = 0) -> None:
        super().__init__(sentence)
        self.reason = reason


class PeerAway(DimseError):
    """No association, whatever was to be done over it: what waits for the peer is as it was."""


class Rejected(PeerAway):
    """PS3.8 Table 9-21: result 1 for ever or 2 for now, and why."""

    def __init__(self, *, result: int, source: int, reason: int) -> None:
        lasting = "for ever" if result == 1 else "for now"
        why = REJECT_REASONS.get((source, reason), f"source {source}, reason {reason}")
        super().__init__(f"the association was rejected {lasting}: {why}")
        self.result = result
        self.source = source
        self.reason = reason


REJECT_REASONS = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}


class Aborted(DimseError):
    """The peer aborted: source 0 its service user, 2 its service provider (PS3.8 Table 9-26)."""

    def __init__(self, *, source: int, reason: int) -> None:
        super().__init__(f"the peer aborted the association (source {source}, reason {reason})")
        self.source = source
        self.reason = reason


class PeerGone(DimseError):
    """`reason`: the connection is not there any more, or nothing came for too long."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotNegotiated(DimseError):
    """The peer accepted no presentation context for `what`."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the peer accepted no presentation context for {what}")
        self.what = what


class NotFetched(DimseError):
    """`peer` did not send `count` of the instances it has; `comment` is what is known of why."""

    def __init__(self, peer: str, *, count: int, comment: str) -> None:
        super().__init__(f"{peer} did not send {count} of the instances: {comment}")
        self.peer = peer
        self.count = count
        self.comment = comment


class Refused(DimseError):
    """The peer answered `request` with `status`; `comment` is its Error Comment (0000,0902)."""

    def __init__(self, request: str, *, status: int, comment: str) -> None:
        said = f": {comment}" if comment else ""
        super().__init__(f"{request} was answered with status {status:04X}{said}")
        self.request = request
        self.status = status
        self.comment = comment
