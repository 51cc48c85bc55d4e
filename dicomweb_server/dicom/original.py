"""Original Attributes Sequence (0400,0561): what an attribute was before it was changed.

PS3.3 §C.12.1.1.9: "Sequence of Items containing all attributes that were removed or replaced": each
change adds an item with who changed it, when, why and the values there were; an attribute that was
absent is written empty.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dicomweb_server.dicom.json_model import Json

CORRECT = "CORRECT"
"""Reason for the Attribute Modification (0400,0565): replaced "with a different value because the
original was incorrect"."""
COERCE = "COERCE"
"""Replaced "to make it consistent with other instances or the local system"."""

SEQUENCE = "04000561"
MODIFYING_SYSTEM = "dicomweb-server"


def item(
    before: Mapping[str, Any],
    changed: Mapping[str, Any],
    *,
    reason: str,
    at: datetime | None = None,
    source: str = "",
) -> Json:
    """The item for a change.

    before   the data set as it was
    changed  the attributes that are new, of any value; their VRs are taken when they were absent
    at       now when None
    source   Source of Previous Values (0400,0564), empty when it is not known
    """
    moment = (at or datetime.now(UTC)).astimezone(UTC)
    values = {
        key: before.get(key) or {"vr": element["vr"]} for key, element in sorted(changed.items())
    }
    return {
        "04000550": {"vr": "SQ", "Value": [values]},
        "04000562": {"vr": "DT", "Value": [f"{moment:%Y%m%d%H%M%S.%f}+0000"]},
        "04000563": {"vr": "LO", "Value": [MODIFYING_SYSTEM]},
        "04000564": {"vr": "LO", "Value": [source]} if source else {"vr": "LO"},
        "04000565": {"vr": "CS", "Value": [reason]},
    }


def corrected(document: Json, changed: Mapping[str, Any], *, reason: str, source: str = "") -> Json:
    """The data set with these attributes instead of its own, which are kept in the sequence."""
    kept = list(document.get(SEQUENCE, {}).get("Value", ()))
    kept.append(item(document, changed, reason=reason, source=source))
    found = {**document, **changed, SEQUENCE: {"vr": "SQ", "Value": kept}}
    return dict(sorted(found.items()))
