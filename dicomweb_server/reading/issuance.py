"""An issued version as JSON and back, so that what its documents are made of is kept with them."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import orjson

from dicomweb_server.reading.content import Exam, IssuedVersion, Patient, Signature
from dicomweb_server.reading.content_json import content_of


def as_json(issued: IssuedVersion) -> str:
    """Times as RFC 3339."""
    return orjson.dumps(asdict(issued)).decode()


def from_json(text: str) -> IssuedVersion:
    """What `as_json` was given."""
    said = orjson.loads(text)
    return IssuedVersion(
        **{
            **_known(IssuedVersion, said),
            "issued_at": datetime.fromisoformat(said["issued_at"]),
            "content": content_of(said["content"]),
            "patient": Patient(**_known(Patient, said["patient"])),
            "exam": Exam(
                **{**_known(Exam, said["exam"]), "study_uids": tuple(said["exam"]["study_uids"])}
            ),
            "signatures": tuple(
                Signature(
                    **{
                        **_known(Signature, each),
                        "signed_at": datetime.fromisoformat(each["signed_at"]),
                    }
                )
                for each in said["signatures"]
            ),
            "exceptions": tuple(said["exceptions"]),
        }
    )


def _known(kind: type[Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """The members that `kind` has: a program that has lost one reads what an older one wrote."""
    return {each.name: said[each.name] for each in fields(kind) if each.name in said}
