"""What is said of the resources under /api/v1 in the OpenAPI document: a sentence, the parameters,
the members of a body. A route that is not here is in the document all the same, by its path."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dicomweb_server.reading.amendments import DECISIONS, KINDS
from dicomweb_server.reading.content import SECTIONS
from dicomweb_server.reading.exams import PRIORITIES
from dicomweb_server.reading.state import STATUSES
from dicomweb_server.reading.transitions import TRANSITIONS
from dicomweb_server.reading.worklists import WORKLISTS
from dicomweb_server.web.reading_routes import REPORT, REPORTS, REQUESTS

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
MOMENT: Schema = {"type": "string", "format": "date-time"}


def one_of(values: Any) -> Schema:
    return {"type": "string", "enum": list(values)}


@dataclass(frozen=True, slots=True)
class Described:
    """summary  in a sentence
    query    parameters by name
    body     members of a JSON body by name; None for no body
    if_match whether the call is about a revision of a report
    """

    summary: str
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Mapping[str, Schema] | None = None
    if_match: bool = False


# "save" is PUT and PATCH of the text.
ACTIONS = tuple(dict.fromkeys(each.action for each in TRANSITIONS if each.action != "save"))
VARIABLES: Mapping[str, Schema] = {
    "worklist": one_of(WORKLISTS),
    "action": one_of(ACTIONS),
    "decision": one_of(DECISIONS),
    "version": COUNT,
    "revision": COUNT,
}
"""Of variables of paths; others are texts."""

_CONTENT: Mapping[str, Schema] = {
    "template": TEXT,
    "language": TEXT,
    "sections": {"type": "object", "properties": dict.fromkeys(SECTIONS, TEXT)},
    "fields": {"type": "object"},
    "key_images": {"type": "array", "items": {"type": "object"}},
    "measurements": {"type": "array", "items": {"type": "object"}},
    "comparisons": {"type": "array", "items": TEXT},
    "positive": {"type": ["boolean", "null"]},
    "difficult": FLAG,
    "overrides": {"type": "object", "additionalProperties": TEXT},
}
_SAID: Mapping[str, Schema] = {
    "reason": TEXT,
    "content_hash": TEXT,
    "text": TEXT,
    "difficult": FLAG,
    "request_id": TEXT,
    "images_seen": MOMENT,
}
_PAGE: Mapping[str, Schema] = {"limit": COUNT, "after": TEXT}

DESCRIBED: Mapping[tuple[str, str], Described] = {
    ("GET", "/api/v1/exams"): Described(
        "Exams of a study or an accession number.", {"study": TEXT, "accession": TEXT}
    ),
    ("PATCH", "/api/v1/exams/{exam}"): Described(
        "Says that an exam is complete and why, or how urgent it is.",
        body={"complete": FLAG, "reason": TEXT, "priority": one_of(PRIORITIES)},
    ),
    ("GET", "/api/v1/worklists/{worklist}"): Described(
        "A page of a worklist.",
        {"modality": TEXT, "priority": one_of(PRIORITIES), "q": TEXT, **_PAGE},
    ),
    ("POST", REPORTS): Described(
        "Begins the report of exams; the live one when they have one.",
        body={"exams": {"type": "array", "items": TEXT}},
    ),
    ("GET", REPORTS): Described(
        "Finds reports, newest first.",
        {
            "study": TEXT,
            "q": TEXT,
            "status": one_of(STATUSES),
            "signer": TEXT,
            "since": MOMENT,
            "until": MOMENT,
            "modality": TEXT,
            **_PAGE,
        },
    ),
    ("GET", REPORT): Described("A report, and what the caller could do with it now."),
    ("GET", REPORT + "/working"): Described("The text as it is saved."),
    ("PUT", REPORT + "/working"): Described("Saves the text.", body=_CONTENT, if_match=True),
    ("PATCH", REPORT + "/working"): Described(
        "Saves changes of the text (RFC 7396).", body=_CONTENT, if_match=True
    ),
    ("POST", REPORT + "/lease"): Described("Goes on holding a report.", body={}),
    ("PUT", REPORT + "/lease"): Described("Goes on holding a report.", body={}),
    ("DELETE", REPORT + "/lease"): Described("Lets others take a report over."),
    ("POST", REPORT + "/checks"): Described("The self-check of a text.", body=_CONTENT),
    ("POST", REPORT + "/actions/{action}"): Described(
        "Makes a transition.", body=_SAID, if_match=True
    ),
    ("GET", REPORT + "/revisions"): Described("Every step of a report."),
    ("GET", REPORT + "/revisions/{revision}"): Described("The text of a step."),
    ("GET", REPORT + "/diff"): Described(
        "What differs between two revisions.", {"from": COUNT, "to": COUNT}
    ),
    ("GET", REPORT + "/conflicts"): Described("Texts that came too late and are kept."),
    ("GET", REPORT + "/conflicts/{conflict}"): Described("One of them."),
    ("DELETE", REPORT + "/conflicts/{conflict}"): Described("Says that it is settled."),
    ("GET", REPORT + "/versions/{version}"): Described("A version that was issued."),
    ("POST", REPORT + "/verify"): Described("Recomputes digests and signatures.", body={}),
    ("GET", REQUESTS): Described("Requests to amend a report."),
    ("POST", REQUESTS): Described(
        "Asks for an amendment.", body={"class": one_of(KINDS), "text": TEXT}
    ),
    ("POST", REQUESTS + "/{request}/actions/{decision}"): Described(
        "Decides about a request.", body={"reason": TEXT}
    ),
    ("GET", REPORT + "/annotations"): Described("Signed remarks on a report."),
    ("POST", REPORT + "/annotations"): Described("Signs a remark.", body=_SAID, if_match=True),
    ("GET", REPORT + "/timeline"): Described("Everything that happened to a report."),
}
