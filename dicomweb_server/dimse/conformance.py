"""The DICOM conformance statement of a configuration, as Markdown in the order of chapters of
PS3.2 Annex A. What it says is read from the tables and limits that the bridge works with."""

from collections.abc import Iterable, Iterator, Sequence

from dicomweb_server.config import Config
from dicomweb_server.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from dicomweb_server.dimse import sop_classes as sop
from dicomweb_server.dimse import status
from dicomweb_server.dimse.identifiers import CHARSETS, DEFAULT_CHARSET
from dicomweb_server.dimse.negotiation import (
    IMPLEMENTATION_UID,
    IMPLEMENTATION_VERSION,
    UNCOMPRESSED,
)
from dicomweb_server.dimse.peers import Peers, read_peers
from dicomweb_server.dimse.server import ARTIM_S
from dicomweb_server.dimse.tls import CIPHERS

_SERVICES = (
    ("Verification", sop.ECHO, True, True),
    ("Storage", sop.STORE, True, True),
    ("Query", sop.FIND, True, True),
    ("Retrieve C-MOVE", sop.MOVE, True, True),
    ("Retrieve C-GET", sop.GET, True, True),
    ("Modality Worklist", sop.WORKLIST, False, True),
    ("Modality Performed Procedure Step", sop.MPPS, False, True),
    ("Storage Commitment Push Model", sop.COMMITMENT, True, True),
)
"""Name, service, whether as SCU, whether as SCP."""


def conformance(config: Config) -> str:
    """The chapter, ending in a newline. Raises ConfigError."""
    return "\n".join(_lines(config, read_peers(config))) + "\n"


def _lines(config: Config, peers: Peers) -> Iterator[str]:
    yield "# DICOM Conformance Statement"
    yield from ("", "## 1 Conformance statement overview", "")
    yield (
        "The archive stores composite objects as they are sent, bit for bit in their data sets, "
        "finds and gives them back, keeps a modality worklist from its orders, and takes promises "
        "of storage. What DIMSE can see, DICOMweb (see the chapters on STOW-RS, QIDO-RS and "
        "WADO-RS) can see at once, and the other way round."
    )
    yield ""
    yield from _table(
        ("Service", "SOP classes", "SCU", "SCP"),
        [
            *(
                (name, str(len(sop.SERVICES[service])), _yes(scu), _yes(scp))
                for name, service, scu, scp in _SERVICES
            ),
            ("Instance Availability Notification", "1", "yes", "no"),
        ],
    )
    yield from ("", "## 2 Introduction", "")
    yield (
        "For integrators. Terms and abbreviations are those of PS3.2 §A.3. Whether two devices "
        "work together is not shown by two statements alone: test it."
    )
    yield from ("", "## 3 Networking", "", "### 3.1 Implementation model", "")
    yield (
        f"One application entity, `{config.aet}`, in {config.dimse_processes} process(es). "
        "Peers send to it (C-STORE) and the archive keeps; they query and retrieve; what arrives "
        "is forwarded by the rules of §3.4 from a queue that survives a restart, urgent before "
        "routine; orders are read as a worklist and completed by performed steps, by storage "
        f"commitment, or {config.dimse_complete_after_s:g} s after the last instance."
    )
    yield from ("", "### 3.2 AE specification", "", "#### 3.2.1 SOP classes", "")
    yield from _table(
        ("SOP class", "UID", "SCU", "SCP"),
        [
            *(
                (sop.name_of(uid), uid, _yes(scu), _yes(scp))
                for _, service, scu, scp in _SERVICES
                if service != sop.STORE
                for uid in sorted(sop.SERVICES[service])
            ),
            (sop.name_of(sop.AVAILABILITY), sop.AVAILABILITY, "yes", "no"),
        ],
    )
    yield from ("", "Storage, as SCU and SCP:", "")
    yield from _table(
        ("SOP class", "UID"), [(sop.name_of(uid), uid) for uid in sorted(sop.STORAGE, key=_order)]
    )
    private = config.dimse_private_sop_classes
    yield ""
    yield f"Private storage SOP classes: {private or 'none (`dimse_private_sop_classes`)'}."
    yield from ("", "#### 3.2.2 Association policies", "")
    yield from _table(
        ("", ""),
        [
            ("Application context", "1.2.840.10008.3.1.1.1"),
            ("Associations accepted at a time", f"{config.dimse_associations} in each process"),
            ("Associations initiated at a time", "one for each peer, one for each C-MOVE"),
            ("Longest PDU received", f"{config.dimse_max_pdu} bytes"),
            ("Asynchronous operations", "not negotiated: one at a time"),
            ("Implementation class UID", IMPLEMENTATION_UID),
            ("Implementation version name", IMPLEMENTATION_VERSION),
            ("Waits for A-ASSOCIATE-RQ", f"{min(ARTIM_S, config.dimse_timeout_s):g} s"),
            ("Waits for a message, or for a peer to take one", f"{config.dimse_timeout_s:g} s"),
        ],
    )
    yield from ("", "#### 3.2.3 Association initiation", "")
    yield (
        "For C-MOVE and forwarding: for each SOP class a context with each transfer syntax the "
        "peer prefers and that can be made without loss, one with the transfer syntax that the "
        "instance is stored in and one for each uncompressed one; what the peer does not take as "
        "stored is decoded. For C-GET as SCU: the storage SOP classes of the study with role "
        "selection. For N-EVENT-REPORT: storage commitment with role selection as SCP, unless the "
        "peer is set to be told over its own association. Failures are tried again with back-off."
    )
    yield from ("", "#### 3.2.4 Association acceptance", "")
    called = "rejected (1, 1, 7)" if config.dimse_check_called else "accepted"
    yield from _table(
        ("Case", "Answer"),
        [
            ("Unknown calling AE title or address, not loopback", "A-ASSOCIATE-RJ (1, 1, 3)"),
            ("Another called AE title", called),
            ("Another application context", "A-ASSOCIATE-RJ (1, 1, 2)"),
            ("Another protocol version", "A-ASSOCIATE-RJ (1, 2, 2)"),
            ("More associations than allowed", "A-ASSOCIATE-RJ (2, 3, 2), for now"),
            ("A service the peer is not allowed", "context result 1, user rejection"),
            ("An abstract syntax not above", "context result 3"),
            ("No transfer syntax known", "context result 4"),
        ],
    )
    yield from (
        "",
        "Transfer syntaxes, storage (all kept as sent; the first proposed is taken):",
        "",
    )
    yield from _table(
        ("Transfer syntax", "UID", "Decoded for peers that do not take it"),
        [(row.name, row.uid, _yes(row.decodable)) for row in TRANSFER_SYNTAXES.values()],
    )
    names = ", ".join(TRANSFER_SYNTAXES[uid].name for uid in UNCOMPRESSED)
    yield from ("", f"All other services: {names}.", "")
    yield from ("Statuses of C-STORE:", "")
    yield from _table(
        ("Status", "When"),
        [
            ("0000", "stored durably; also when the same data set was stored already"),
            (f"{status.OUT_OF_RESOURCES:04X}", "the disk is full, or a size limit is passed"),
            (f"{status.DOES_NOT_MATCH:04X}", "the data set names another SOP class or instance"),
            (f"{status.CANNOT_UNDERSTAND:04X}", "no data set, or one that breaks PS3.5"),
            (f"{status.CONFLICTS:04X}", "the SOP Instance UID is stored with other content"),
            (f"{status.PROCESSING_FAILURE:04X}", "the archive failed"),
        ],
    )
    yield ""
    yield (
        "C-FIND: every key of the levels' attributes is matched (single value, list of UIDs, "
        "range, wild card; names without regard to case, accents and width, every component "
        "group); relational queries are supported; a key that is not matched is returned and the "
        "status is FF01. The answer ends with 0000, or FE00 after C-CANCEL. Statuses of failure: "
        "A900 for an identifier that does not fit its model, C000 for one that cannot be read."
    )
    yield ""
    yield (
        "C-MOVE, C-GET: a pending response after each sub-operation; B000 when some failed, A702 "
        "when all did, with Failed SOP Instance UID List; A801 for an unknown destination; FE00 "
        "after C-CANCEL."
    )
    yield from ("", "### 3.3 Network interfaces", "")
    tls = f", with TLS on port {config.dimse_tls_port}" if config.dimse_tls_port else ""
    yield f"TCP over IPv4 or IPv6: `{config.host}` port {config.dimse_port}{tls}."
    yield from ("", "### 3.4 Configuration", "")
    rows = [
        (
            peer.aet,
            f"{peer.host}:{peer.port}" if peer.reachable else "calls only",
            ", ".join(peer.services),
            peer.charset or "default repertoire",
            _yes(peer.tls),
        )
        for peer in peers.by_title.values()
    ]
    yield from _table(("Peer", "Address", "May ask for", "Character set", "TLS"), rows or [_NONE])
    yield ""
    yield from _table(
        ("Forwarded to", "from", "modality", "body part", "priority", "commitment"),
        [
            (
                rule.to,
                ", ".join(rule.calling) or "any",
                ", ".join(rule.modality) or "any",
                ", ".join(rule.body_part) or "any",
                rule.priority,
                _yes(rule.commit),
            )
            for rule in peers.rules
        ]
        or [("none", "", "", "", "", "")],
    )
    yield from ("", "## 4 Media interchange", "")
    yield "`dicomweb-server export --dicomdir` writes a file-set; no AE takes part in it."
    yield from ("", "## 5 Support of character sets", "")
    yield (
        "Every character set of PS3.3 §C.12.1.1.2 is read. Queries are answered in the peer's, "
        f"{DEFAULT_CHARSET} when none is configured; a text that it does not have turns that "
        "response to ISO_IR 192, so that nothing is replaced. To choose from: "
        + ", ".join(f"`{name}`" for name in CHARSETS if name)
        + "."
    )
    yield from ("", "## 6 Security", "")
    yield (
        "While the archive has no accounts, callers of this machine need no row of the table of "
        "peers; from the first account on every caller does."
    )
    yield ""
    if config.dimse_tls_port:
        shown = "must show" if config.dimse_tls_authorities else "need not show"
        yield (
            f"TLS 1.2 with `{CIPHERS}`, and TLS 1.3 (PS3.15 §B.12); callers {shown} a certificate."
        )
    else:
        yield "TLS (PS3.15 §B.12) is not switched on (`dimse_tls_port`)."
    yield from ("", "## 7 Annexes", "")
    yield (
        "No attribute of a stored object is added, removed or changed. No private attributes, "
        "SOP classes or transfer syntaxes are defined here."
    )


_NONE = ("none", "", "", "", "")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def _order(uid: str) -> tuple[int, ...]:
    return tuple(int(part) for part in uid.split("."))
