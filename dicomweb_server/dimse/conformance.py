"""The DICOM conformance statement of a configuration, as Markdown in the chapters of the template
of PS3.2 Annex N (2024d). What it says is read from the tables and limits that the bridge works
with; chapters about what is not there say so."""

from collections.abc import Iterator

from dicomweb_server.config import Config
from dicomweb_server.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from dicomweb_server.dimse import sop_classes as sop
from dicomweb_server.dimse.association import LEAST_BYTES_S
from dicomweb_server.dimse.conformance_services import STATUSES, description
from dicomweb_server.dimse.jobs import LONGEST_PAUSE_S, PAUSE_S
from dicomweb_server.dimse.markdown import heading, paragraph, table, yes_or_no
from dicomweb_server.dimse.negotiation import (
    IMPLEMENTATION_UID,
    IMPLEMENTATION_VERSION,
    TOO_MANY,
    UNCOMPRESSED,
    UNKNOWN_CALLED,
    UNKNOWN_CALLER,
    WRONG_CONTEXT_NAME,
    WRONG_VERSION,
    Rejection,
)
from dicomweb_server.dimse.pdu import APPLICATION_CONTEXT
from dicomweb_server.dimse.peers import Peers, read_peers
from dicomweb_server.dimse.server import ARTIM_S, CONNECTIONS_BEYOND
from dicomweb_server.dimse.tls import CIPHERS

_SERVICES = (
    ("Verification", sop.ECHO, True, True),
    ("Storage", sop.STORE, True, True),
    ("Query C-FIND", sop.FIND, True, True),
    ("Retrieve C-MOVE", sop.MOVE, True, True),
    ("Retrieve C-GET", sop.GET, True, True),
    ("Modality Worklist", sop.WORKLIST, False, True),
    ("Modality Performed Procedure Step", sop.MPPS, False, True),
    ("Storage Commitment Push Model", sop.COMMITMENT, True, True),
)
"""Name, service, whether as SCU, whether as SCP."""

_CHAPTERS = (
    "Overview",
    "Table of contents",
    "Introduction",
    "Implementation model",
    "Service and interoperability description",
    "Configuration",
    "Network and media communication details",
    "Security",
    "Annexes",
)


def conformance(config: Config) -> str:
    """The statement, ending in a newline. Raises ConfigError."""
    peers = read_peers(config)
    bodies = (
        _overview(config),
        _contents(),
        _introduction(),
        _model(config),
        description(config),
        _configuration(config, peers),
        _details(config),
        _security(config),
        _annexes(),
    )
    lines = ["# DICOM Conformance Statement"]
    for number, (title, body) in enumerate(zip(_CHAPTERS, bodies, strict=True), 1):
        lines += ["", f"## {number} {title}", *body]
    return "\n".join(lines) + "\n"


def _overview(config: Config) -> Iterator[str]:
    yield from paragraph(
        "The archive stores composite objects as they are sent, bit for bit in their data sets, "
        "finds and gives them back, keeps a modality worklist from its orders, and takes promises "
        "of storage. What DIMSE can see, DICOMweb can see at once, and the other way round."
    )
    yield from heading("1.1 Content and transfer")
    yield from paragraph(
        f"The {len(sop.STORAGE)} storage SOP classes of §7.2.1 are taken, kept and sent in every "
        "transfer syntax of that chapter. Objects of no patient and no study (PS3.4 §GG: hanging "
        "protocols, color palettes, implant templates, defined protocols, inventories) are not "
        "taken, whatever way they come. Objects of the archive's own are those of its web pages: "
        "issued reports as structured reports and encapsulated PDF, presentation states, "
        "measurements and key images."
    )
    yield from heading("1.2 DIMSE services")
    yield from table(
        ("Service", "SOP classes", "SCU", "SCP"),
        [
            *(
                (name, str(len(sop.SERVICES[service])), yes_or_no(scu), yes_or_no(scp))
                for name, service, scu, scp in _SERVICES
            ),
            ("Instance Availability Notification", "1", "yes", "no"),
        ],
    )
    yield from heading("1.3 DICOM web services")
    yield from paragraph(
        "Origin server of the studies service (STOW-RS, WADO-RS, QIDO-RS) and of the URI service, "
        "rule by rule in CONFORMANCE.md."
    )
    yield from heading("1.4 Media services")
    yield from paragraph("File-set creator: `dicomweb-server export --dicomdir`.")
    yield from heading("1.5 Real-time video service")
    yield from paragraph("None.")
    yield from heading("1.6 De-identification profiles")
    yield from paragraph("None.")
    yield from heading("1.7 Specific character sets")
    yield from paragraph("All that PS3.3 §C.12.1.1.2 defines are read: §5.7.")


def _contents() -> Iterator[str]:
    yield ""
    for number, title in enumerate(_CHAPTERS, 1):
        yield f"{number}. {title}"


def _introduction() -> Iterator[str]:
    yield from heading("3.1 Revision history")
    yield from paragraph(
        "The statement is written anew from the program and its configuration whenever "
        "`dicomweb-server conformance` is run; CHANGELOG.md says what has changed."
    )
    yield from heading("3.2 Audience, remarks, terms, abbreviations, references")
    yield from paragraph(
        "For integrators. Whether two devices work together is not shown by two statements alone: "
        "test it. Terms and abbreviations are those of PS3.2. References: PS3.2 to PS3.8, PS3.10, "
        "PS3.15, PS3.18."
    )


def _model(config: Config) -> Iterator[str]:
    yield from heading("4.1 Application entities and data flow")
    yield from paragraph(
        f"One application entity, `{config.aet}`, in {config.dimse_processes} process(es), beside "
        "the web service of the same archive. Modalities send and the archive keeps; workstations "
        "query and retrieve; what arrives, from whichever side, is forwarded by the rules of §6.2; "
        "orders made over REST are read as a worklist."
    )
    yield from heading("4.1.1 Functional definition", level=4)
    yield from paragraph(
        "Accepts and initiates associations. A queue that survives a restart holds what is to be "
        "sent, fetched and told, urgent before routine, without starving that. What fails is "
        "tried again with back-off and at last given up, an instance at which the peer breaks "
        "the association off by itself; while no association with a peer can be had, what waits "
        "for it stays as it is. An exam is completed by performed steps, by storage commitment, "
        "by a person, or "
        f"{config.dimse_complete_after_s:g} s after the last instance."
    )


def _configuration(config: Config, peers: Peers) -> Iterator[str]:
    yield from heading("6.1 General configuration parameters")
    yield from table(
        ("Setting", "Value"),
        [
            (f"`{name}`", f"`{getattr(config, name)}`")
            for name in (
                "aet",
                "host",
                "dimse_port",
                "dimse_tls_port",
                "dimse_processes",
                "dimse_associations",
                "dimse_max_pdu",
                "dimse_timeout_s",
                "dimse_check_called",
                "dimse_complete_after_s",
                "max_part_bytes",
            )
        ],
    )
    yield from heading("6.2 Configuration of DIMSE services")
    rows = [
        (
            peer.aet,
            f"{peer.host}:{peer.port}" if peer.reachable else "calls only",
            ", ".join(peer.services),
            peer.charset or "default repertoire",
            ", ".join(TRANSFER_SYNTAXES[uid].name for uid in peer.transfer_syntaxes) or "as stored",
            yes_or_no(peer.tls),
            f"{peer.commitment} association",
            yes_or_no(peer.availability),
        )
        for peer in peers.by_title.values()
    ]
    head = (
        "Peer",
        "Address",
        "May ask for",
        "Character set",
        "Preferred transfer syntaxes",
        "TLS",
        "Told of commitment over",
        "Told of availability",
    )
    yield from table(head, rows or [("none", *[""] * (len(head) - 1))])
    yield from table(
        ("Forwarded to", "from", "modality", "body part", "priority", "commitment"),
        [
            (
                rule.to,
                ", ".join(rule.calling) or "any",
                ", ".join(rule.modality) or "any",
                ", ".join(rule.body_part) or "any",
                rule.priority,
                yes_or_no(rule.commit),
            )
            for rule in peers.rules
        ]
        or [("none", "", "", "", "", "")],
    )
    private = config.dimse_private_sop_classes
    yield from paragraph(
        f"Private storage SOP classes: {private or 'none (`dimse_private_sop_classes`)'}."
    )
    yield from heading("6.3 Web, media, video, audit trail")
    yield from paragraph(
        "Web services and the audit are set as README.md says; there is nothing to set of media, "
        "and no video service. The audit is kept in the archive and searched over REST; it is not "
        "sent by syslog."
    )


def _details(config: Config) -> Iterator[str]:
    yield from heading("7.1 General association parameters")
    yield from table(
        ("", ""),
        [
            ("Application context", APPLICATION_CONTEXT),
            ("Implementation class UID", IMPLEMENTATION_UID),
            ("Implementation version name", IMPLEMENTATION_VERSION),
            ("Associations accepted at a time", f"{config.dimse_associations} in each process"),
            ("Associations initiated at a time", "one for each peer, one for each C-MOVE"),
            ("Longest PDU received", f"{config.dimse_max_pdu} bytes"),
            ("Longest PDU sent", "as the peer says, 262144 bytes at most"),
            ("Asynchronous operations", "not negotiated: one at a time"),
            (
                "Waits for the whole A-ASSOCIATE-RQ, a TLS handshake included",
                f"{min(ARTIM_S, config.dimse_timeout_s):g} s",
            ),
            (
                "Connections at a time",
                f"{config.dimse_associations + CONNECTIONS_BEYOND} in each process; for one more, "
                "that which has waited longest without an association is closed",
            ),
            ("Waits for a message, or for a peer to take one", f"{config.dimse_timeout_s:g} s"),
            (
                "A message that takes longer than that comes, or is taken, with at least",
                f"{LEAST_BYTES_S} bytes a second, or the association is aborted",
            ),
            (
                "A peer that cannot be reached is left alone for",
                f"{PAUSE_S:g} s, doubled up to {LONGEST_PAUSE_S:g} s",
            ),
            ("Network", "TCP over IPv4 or IPv6"),
        ],
    )
    yield from heading("7.2 Specifications")
    yield from heading(f"7.2.1 Application entity {config.aet}", level=4)
    yield from paragraph("Initiation:")
    yield from paragraph(
        "For C-MOVE and forwarding: for each SOP class a context with each transfer syntax the "
        "peer prefers and that can be made without loss, one with the transfer syntax that the "
        "instance is stored in and one for each uncompressed one. For C-GET as SCU: the storage "
        "SOP classes of the study with role selection; of a peer that does not say them, all, the "
        "usual ones first, in further associations while instances are missing. For "
        "N-EVENT-REPORT: storage commitment with role selection as SCP."
    )
    yield from paragraph("Acceptance:")
    accepted = "accepted, whatever it is (`dimse_check_called`)"
    yield from table(
        ("Case", "Answer"),
        [
            ("Unknown calling AE title or address, not loopback", _rejected(UNKNOWN_CALLER)),
            (
                "Another called AE title",
                _rejected(UNKNOWN_CALLED) if config.dimse_check_called else accepted,
            ),
            ("Another application context", _rejected(WRONG_CONTEXT_NAME)),
            ("Another protocol version", _rejected(WRONG_VERSION)),
            ("More associations than allowed", _rejected(TOO_MANY)),
            (
                "A presentation context ID that is even or there twice, a UID that is none",
                "A-ABORT (2, 6)",
            ),
            ("A service the peer is not allowed", "context result 1, user rejection"),
            (
                "An abstract syntax not below, non-patient objects (PS3.4 §GG) among them",
                "context result 3",
            ),
            ("No transfer syntax known", "context result 4"),
        ],
    )
    yield from table(
        ("SOP class", "UID", "SCU", "SCP"),
        [
            *(
                (sop.name_of(uid), uid, yes_or_no(scu), yes_or_no(scp))
                for _, service, scu, scp in _SERVICES
                if service != sop.STORE
                for uid in sorted(sop.SERVICES[service])
            ),
            (sop.name_of(sop.AVAILABILITY), sop.AVAILABILITY, "yes", "no"),
        ],
    )
    names = ", ".join(TRANSFER_SYNTAXES[uid].name for uid in UNCOMPRESSED)
    yield from paragraph(f"Their transfer syntaxes: {names}. Storage, as SCU and SCP:")
    yield from table(
        ("SOP class", "UID"), [(sop.name_of(uid), uid) for uid in sorted(sop.STORAGE, key=_order)]
    )
    yield from paragraph(
        "Transfer syntaxes of storage (all kept as sent; the peer's preferred, else the first "
        "proposed is taken; for C-GET the peer's preferred, else an uncompressed one):"
    )
    yield from table(
        ("Transfer syntax", "UID", "Decoded for peers that do not take it"),
        [(row.name, row.uid, yes_or_no(row.decodable)) for row in TRANSFER_SYNTAXES.values()],
    )
    yield from heading("7.3 Status codes")
    yield from table(
        ("Request", "Status", "When"),
        [(request, f"{code:04X}", when) for request, code, when in STATUSES],
    )


def _security(config: Config) -> Iterator[str]:
    yield from heading("8.1 Introduction")
    yield from paragraph(
        "While the archive has no accounts, callers of this machine need no row of the table of "
        "peers; from the first account on every caller does. An AE title and an address are no "
        "proof of who calls, a TLS certificate is."
    )
    yield from heading("8.2 External network requirements")
    yield from paragraph("None; names of peers are looked up where they are not addresses.")
    yield from heading("8.3 TCP port configuration")
    ports = [(str(config.dimse_port), "DIMSE"), (str(config.port), "HTTP or HTTPS")]
    if config.dimse_tls_port:
        ports.insert(1, (str(config.dimse_tls_port), "DIMSE over TLS"))
    yield from table((f"Port of {config.host}", "For"), ports)
    yield from heading("8.4 Security profiles")
    if config.dimse_tls_port:
        shown = "must show" if config.dimse_tls_authorities else "need not show"
        yield from paragraph(
            f"Secure transport: TLS 1.2 with `{CIPHERS}`, and TLS 1.3 (PS3.15 §B.12); callers "
            f"{shown} a certificate."
        )
    else:
        yield from paragraph(
            "Secure transport (PS3.15 §B.12) is not switched on (`dimse_tls_port`)."
        )
    yield from heading("8.5 User identity negotiation")
    yield from paragraph("Not supported: the sub-item is passed over.")
    yield from heading("8.6 Web services, other features")
    yield from paragraph(
        "HTTPS, accounts, tokens and the audit, which has DIMSE peers as actors too: README.md."
    )


def _annexes() -> Iterator[str]:
    yield from heading("A Information object definitions")
    yield from paragraph(
        "No attribute of a stored object is added, removed or changed, but for what belongs in no "
        "data set (§5.2.5). No private attributes, "
        "SOP classes or transfer syntaxes are defined here."
    )
    yield from heading("B Structured report content encoding")
    yield from paragraph("Issued reports: TID 2000, Basic Diagnostic Imaging Report.")
    yield from heading("C Security details")
    yield from paragraph("§8.")
    yield from heading("D Mapping of attributes")
    yield from paragraph(
        "Orders to the worklist: `/api/v1/orders` in CONFORMANCE.md; the Study Instance UID and "
        "Accession Number of the order tie what arrives and what is performed to it."
    )
    yield from heading("E Code set usage")
    yield from paragraph("The procedure codes of orders are returned as they were given.")


def _rejected(how: Rejection) -> str:
    lasting = "" if how.result == 1 else ", for now"
    return f"A-ASSOCIATE-RJ ({how.result}, {how.source}, {how.reason}){lasting}"


def _order(uid: str) -> tuple[int, ...]:
    return tuple(int(part) for part in uid.split("."))
