"""Which abstract syntaxes belong to which service, one row each (PS3.4, PS3.6 Table A-1)."""

from dataclasses import dataclass
from typing import Final

from pydicom._uid_dict import UID_dictionary

from dicomweb_server.dicom.uids import NON_PATIENT_OBJECTS

VERIFICATION: Final = "1.2.840.10008.1.1"
STORAGE_COMMITMENT: Final = "1.2.840.10008.1.20.1"
STORAGE_COMMITMENT_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
"""The well-known SOP Instance UID of the Push Model (PS3.4 §J.3.5)."""
PERFORMED_STEP: Final = "1.2.840.10008.3.1.2.3.3"
WORKLIST_FIND: Final = "1.2.840.10008.5.1.4.31"
AVAILABILITY: Final = "1.2.840.10008.5.1.4.33"
STUDY_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"


@dataclass(frozen=True, slots=True)
class Model:
    """A query/retrieve information model: its levels from the top (PS3.4 §C.6)."""

    name: str
    levels: tuple[str, ...]


_PATIENT_ROOT = Model("Patient Root", ("PATIENT", "STUDY", "SERIES", "IMAGE"))
_STUDY_ROOT = Model("Study Root", ("STUDY", "SERIES", "IMAGE"))
_PATIENT_STUDY_ONLY = Model("Patient/Study Only (retired)", ("PATIENT", "STUDY"))
_QUERY_RETRIEVE = "1.2.840.10008.5.1.4.1.2"
MODELS: Final = {
    f"{_QUERY_RETRIEVE}.{root}.{service}": model
    for root, model in ((1, _PATIENT_ROOT), (2, _STUDY_ROOT), (3, _PATIENT_STUDY_ONLY))
    for service in (1, 2, 3)
}


def _storage() -> frozenset[str]:
    """Every SOP class of PS3.6 whose instances are in studies and C-STORE can carry, retired ones
    too: what is named storage, but for the media directory, the commitment of storage and print."""
    return frozenset(
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class"
        and "Storage" in name
        and uid.startswith("1.2.840.10008.5.1.4.")
        and uid not in NON_PATIENT_OBJECTS
    )


_YOUNGER: Final = {
    "1.2.840.10008.5.1.4.1.1.2.3": "CT Image Storage - For Processing",
    "1.2.840.10008.5.1.4.1.1.2.4": "Enhanced CT Image Storage - For Processing",
    "1.2.840.10008.5.1.4.1.1.2.5": "Legacy Converted Enhanced CT Image Storage - For Processing",
    "1.2.840.10008.5.1.4.1.1.9.100.1": "Waveform Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.9.100.2": "Waveform Acquisition Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.66.8": "Height Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.601.3": "Thermography Image Storage",
    "1.2.840.10008.5.1.4.1.1.601.4": "Thermography Multi-frame Image Storage",
    "1.2.840.10008.5.1.4.1.1.601.5": "Ultrasound Waveform Storage",
}
"""In PS3.6 Table A-1 as of August 2026, and not in the table of pydicom 3.0.2."""

STORAGE: Final = _storage() | frozenset(_YOUNGER)

ECHO, STORE, FIND, MOVE, GET = "echo", "store", "find", "move", "get"
WORKLIST, MPPS, COMMITMENT = "worklist", "mpps", "commitment"
SERVICES: Final[dict[str, frozenset[str]]] = {
    ECHO: frozenset({VERIFICATION}),
    STORE: STORAGE,
    FIND: frozenset(uid for uid in MODELS if uid.endswith(".1")),
    MOVE: frozenset(uid for uid in MODELS if uid.endswith(".2")),
    GET: frozenset(uid for uid in MODELS if uid.endswith(".3")),
    WORKLIST: frozenset({WORKLIST_FIND}),
    MPPS: frozenset({PERFORMED_STEP}),
    COMMITMENT: frozenset({STORAGE_COMMITMENT}),
}
"""What a peer may be allowed to ask for, by the names of the peers table."""

_SERVICE_OF = {uid: service for service, uids in SERVICES.items() for uid in uids}


def service_of(abstract_syntax: str, private: frozenset[str]) -> str | None:
    """The service an abstract syntax belongs to; `private` are configured storage SOP classes."""
    return _SERVICE_OF.get(abstract_syntax) or (STORE if abstract_syntax in private else None)


def name_of(uid: str) -> str:
    """The name of PS3.6, or the UID."""
    known = UID_dictionary.get(uid)
    return known[0] if known else _YOUNGER.get(uid, uid)
