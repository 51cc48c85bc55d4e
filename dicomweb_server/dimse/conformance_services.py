"""What each service does: chapter 5 of the DICOM conformance statement, and the statuses it answers
with (PS3.2 Annex N, §5 and §7.3)."""

from collections.abc import Iterator

from dicomweb_server.archive.transfers import MOST_ATTEMPTS
from dicomweb_server.config import Config
from dicomweb_server.dicom.encode import HTJ2K_SYNTAXES, SYNTAXES
from dicomweb_server.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from dicomweb_server.dimse import status
from dicomweb_server.dimse.identifiers import CHARSETS, DEFAULT_CHARSET
from dicomweb_server.dimse.markdown import heading, paragraph


def description(config: Config) -> Iterator[str]:
    yield from heading("5.1 Mapping of services to application entities")
    yield from paragraph(f"All services of §1.2 are those of `{config.aet}`.")
    yield from heading("5.2 DIMSE services")
    for title, text in (
        (
            "5.2.1 Basic Worklist Management",
            "SCP. Answers with the orders that are scheduled or in progress; all matching types of "
            "PS3.4 §C.2.2.2 on all keys of an item, those of its sequences included; a range of "
            "start dates and one of start times are one period; a key with a value that no order "
            "has is returned and the status is FF01; of a sequence the attributes asked for, or "
            "all. Pregnancy Status is among them, empty while an order has none. A name in "
            "Chinese characters alone gets a "
            "phonetic spelling in its alphabetic component group, where a character without a "
            "known reading is left out; any other stays as it is written. An order with a value "
            "that its attribute does not let be (PS3.5 §6.2) is refused.",
        ),
        (
            "5.2.2 Modality Performed Procedure Step",
            "SCP of N-CREATE, N-SET and N-GET. A step belongs to the orders that its items of "
            "Scheduled Step Attributes Sequence name, one or more, each by its Study Instance UID "
            "or, failing that, Accession Number. An order is in progress while one of its steps "
            "is; when the last has ended it is completed if any step was COMPLETED, else "
            "discontinued.",
        ),
        ("5.2.3 Unified Worklist and Procedure Step", "None."),
        (
            "5.2.4 Instance Availability Notification",
            "SCU: peers set so are told of a study when nothing more of it has come for "
            f"{config.dimse_complete_after_s:g} s.",
        ),
        (
            "5.2.5 Storage",
            "SCP: the data set is kept as it comes, its transfer syntax with it, and is on disk "
            "when it is acknowledged; only elements of groups 0000 and 0002, which belong in no "
            "data set, are left out where it begins with them. SCU, for C-MOVE, C-GET and "
            "forwarding: as received, bit for bit, to who takes that. A peer with preferred "
            "transfer syntaxes is sent what is stored native in the first of them that it takes "
            "and that is made without loss "
            f"({', '.join(_lossless())}). Whoever takes neither is sent Explicit or Implicit VR "
            "Little Endian, decoded; who offers for C-GET nothing but one of those syntaxes is "
            "answered in it. SOP Instance UIDs stay. What cannot be decoded (the table of §7.2.1) "
            "and is not taken as it is fails.",
        ),
        (
            "5.2.6 Storage Commitment Push Model",
            "SCP: what is stored is committed to; the request is on disk before it is "
            "acknowledged. The report goes over the same association to peers without host and "
            "port and to those set so, else over a new one, and is tried again with back-off, over "
            "restarts too. SCU: where a forwarding rule says so, N-ACTION after what was sent and "
            "has not been deleted since; what the peer does not keep is sent again, and what it "
            f"has not committed to after {MOST_ATTEMPTS} attempts is given up.",
        ),
        (
            "5.2.7 Query/Retrieve",
            "SCP of Patient Root, Study Root and the retired Patient/Study Only. C-FIND: every "
            "attribute that search knows is a matching key at its level and below (single value, "
            "list of UIDs, range, wild card, universal, sequence; names without regard to case, "
            "accents and width, every component group); a range of dates may end on a day that its "
            "month does not have; relational queries are supported; the keys "
            "asked for are returned and no others but the level and the Retrieve AE Title; a key "
            "with a value that cannot be matched is returned and the status is FF01. C-MOVE and "
            "C-GET: at every level, lists of UIDs too, each instance once; a unique key above the "
            "level excludes what it does not name, one without a value excludes nothing; a pending "
            "response after each sub-operation. SCU: `dicomweb-server pull` and `/api/v1/pulls`.",
        ),
        ("5.2.8 Print Management", "None."),
    ):
        yield from heading(title, level=4)
        yield from paragraph(text)
    yield from heading("5.3 DICOM web services")
    yield from paragraph("CONFORMANCE.md, chapters on PS3.18.")
    yield from heading("5.4 Media services")
    yield from paragraph(
        "`export` writes a file-set (PS3.10); no application entity takes part in it."
    )
    yield from heading("5.5 Real-time video services")
    yield from paragraph("None.")
    yield from heading("5.6 Cross-service considerations")
    yield from paragraph(
        "An instance acknowledged to one service is found by all at once. A SOP Instance UID that "
        f'comes again with other content: `conflict = "{config.conflict}"`.'
    )
    yield from heading("5.7 Specific character sets")
    yield from paragraph(
        "Every character set of PS3.3 §C.12.1.1.2 is read; texts of an instance that names none "
        f"are read as {config.assumed_charset} (`assumed_charset`). Queries are answered in the "
        f"peer's, {DEFAULT_CHARSET} when none is configured; a text that it does not have turns "
        "that response to ISO_IR 192, so that nothing is replaced. A query that names no character "
        "set is read in the peer's. To choose from: "
        + ", ".join(f"`{name}`" for name in CHARSETS if name)
        + "."
    )


def _lossless() -> list[str]:
    return [
        TRANSFER_SYNTAXES[uid].name
        for uid in SYNTAXES
        if TRANSFER_SYNTAXES[uid].lossless or uid in HTJ2K_SYNTAXES
    ]


STATUSES = (
    ("C-STORE", status.SUCCESS, "stored durably; also when the same was stored already"),
    (
        "C-STORE",
        status.ELEMENTS_DISCARDED,
        "stored, without elements of groups 0000 and 0002 that the data set began with",
    ),
    ("C-STORE", status.OUT_OF_RESOURCES, "the disk is full, or a size limit is passed"),
    ("C-STORE", status.DOES_NOT_MATCH, "the data set names another SOP class or instance"),
    ("C-STORE", status.CANNOT_UNDERSTAND, "no data set, or one that breaks PS3.5"),
    ("C-STORE", status.CONFLICTS, "the SOP Instance UID is stored with other content"),
    ("C-STORE", status.CLASS_NOT_SUPPORTED, "the context is for another SOP class"),
    ("C-STORE", status.NOT_AUTHORIZED, "the caller may not store this"),
    ("C-STORE", status.PROCESSING_FAILURE, "the archive failed"),
    ("C-FIND", status.PENDING, "a match"),
    (
        "C-FIND",
        status.PENDING_WITH_UNSUPPORTED_KEYS,
        "a match, but of a key that cannot be matched",
    ),
    ("C-FIND", status.SUCCESS, "no more matches"),
    (
        "C-FIND",
        status.DOES_NOT_MATCH,
        "the identifier does not fit its model, or a date or time is none",
    ),
    ("C-FIND", status.CANNOT_UNDERSTAND, "the identifier cannot be read"),
    ("C-FIND, C-MOVE, C-GET", status.CANCEL, "after C-CANCEL"),
    ("C-MOVE, C-GET", status.PENDING, "after each sub-operation, with counts (65535 at most)"),
    ("C-MOVE, C-GET", status.SUCCESS, "all sub-operations succeeded, or there were none"),
    (
        "C-MOVE, C-GET",
        status.SUBOPERATIONS_FAILED,
        "some failed or had a warning, with Failed SOP Instance UID List",
    ),
    ("C-MOVE, C-GET", status.CANNOT_SEND, "all failed"),
    ("C-MOVE", status.DESTINATION_UNKNOWN, "no peer with host and port"),
    ("C-MOVE, C-GET", status.DOES_NOT_MATCH, "the unique key of the level is missing"),
    ("N-ACTION", status.NO_SUCH_INSTANCE, "another Requested SOP Instance UID than the well-known"),
    ("N-ACTION", status.NO_SUCH_ACTION, "another action than 1"),
    ("N-ACTION, N-CREATE, N-SET", status.RESOURCE_LIMITATION, "the disk is full"),
    (
        "N-ACTION, N-CREATE, N-SET, N-EVENT-REPORT",
        status.INVALID_VALUE,
        "an attribute is missing or wrong",
    ),
    ("N-CREATE", status.DUPLICATE_INSTANCE, "there is such a performed step"),
    ("N-CREATE", status.INVALID_INSTANCE, "the Affected SOP Instance UID is no UID"),
    (
        "N-CREATE",
        status.MISSING_ATTRIBUTE,
        "no Affected SOP Instance UID, or attributes of type 1 are missing; Attribute Identifier "
        "List (0000,1005) has them",
    ),
    ("N-CREATE", status.MISSING_VALUE, "attributes of type 1 are empty, listed as above"),
    (
        "N-SET",
        status.ATTRIBUTE_LIST_ERROR,
        "done, but the patient and the scheduled step of a performed step stay as they were; "
        "Attribute Identifier List (0000,1005) has those that would have changed",
    ),
    (
        "N-GET",
        status.ATTRIBUTE_LIST_ERROR,
        "some of the attributes asked for the step does not have, listed as above",
    ),
    ("N-SET, N-GET", status.NO_SUCH_INSTANCE, "there is no such performed step"),
    ("N-SET", status.PROCESSING_FAILURE, "the performed step has ended (error ID A710)"),
    ("any", status.NOT_AUTHORIZED, "the peer may not, or is no SCU by the roles agreed"),
    ("any", status.UNRECOGNIZED_OPERATION, "an operation not of the context's SOP class"),
    ("any", status.UNABLE_TO_PROCESS, "the server failed in a way nobody foresaw"),
)
