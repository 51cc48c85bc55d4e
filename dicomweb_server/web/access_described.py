"""What is said of persons, accounts, sessions and the audit in the OpenAPI document."""

from collections.abc import Mapping

from dicomweb_server.access.caller import Act
from dicomweb_server.access.preferences import NAMES
from dicomweb_server.web.access_routes import IDENTITIES, PREFERENCE, SHARED
from dicomweb_server.web.described import COUNT, FLAG, MOMENT, TEXT, Described, Schema, one_of

_ACTS: Schema = {"type": "array", "items": one_of(act.value for act in Act)}
_NAMES = " or ".join(NAMES)
_TEXTS: Schema = {"type": "array", "items": TEXT}
_PERSON: Mapping[str, Schema] = {
    "name": TEXT,
    "rank": {"type": "integer", "minimum": 0, "maximum": 4},
    "licence": TEXT,
    "kind": one_of(("human", "ai")),
    "modalities": _TEXTS,
    "qualified_until": {"type": "string", "format": "date"},
}

ACCESS_DESCRIBED: Mapping[tuple[str, str], Described] = {
    ("GET", "/api/v1/session"): Described("Who asks and what he may."),
    ("POST", "/api/v1/session"): Described(
        "Signs in; a cookie is set.", body={"login": TEXT, "password": TEXT, "code": TEXT}
    ),
    ("DELETE", "/api/v1/session"): Described("Signs out."),
    ("POST", "/api/v1/session/password"): Described(
        "Changes the own password.", body={"old": TEXT, "new": TEXT}
    ),
    ("POST", "/api/v1/session/second-factor"): Described("Proposes a second factor (TOTP)."),
    ("PUT", "/api/v1/session/second-factor"): Described(
        "Puts the proposed second factor in force.", body={"code": TEXT}
    ),
    ("GET", "/api/v1/persons"): Described("All persons."),
    ("POST", "/api/v1/persons"): Described("Adds a person.", body=_PERSON),
    ("PATCH", "/api/v1/persons/{person}"): Described(
        "Changes a person.", body={**_PERSON, "left": FLAG}
    ),
    ("GET", "/api/v1/accounts"): Described("All accounts."),
    ("POST", "/api/v1/accounts"): Described(
        "Adds an account; without a password it is a program's.",
        body={"login": TEXT, "person_id": TEXT, "roles": _TEXTS, "password": TEXT},
    ),
    ("PATCH", "/api/v1/accounts/{account}"): Described(
        "Changes an account.",
        body={
            "roles": _TEXTS,
            "disabled": FLAG,
            "unlock": FLAG,
            "password": TEXT,
            "reset_second_factor": FLAG,
        },
    ),
    ("GET", "/api/v1/roles"): Described("What each role allows."),
    ("PUT", "/api/v1/roles/{role}"): Described("Makes or changes a role.", body={"acts": _ACTS}),
    ("GET", "/api/v1/tokens"): Described("Tokens of programs, without the tokens themselves."),
    ("POST", "/api/v1/tokens"): Described(
        "Makes a token, which is in this answer only.",
        body={"name": TEXT, "acts": _ACTS, "expires_at": MOMENT, "login": TEXT},
    ),
    ("DELETE", "/api/v1/tokens/{token}"): Described("Revokes a token."),
    ("GET", IDENTITIES): Described("What persons sign with.", query={"person": TEXT}),
    ("POST", IDENTITIES): Described(
        "Enrols what a person signs with.",
        body={"person_id": TEXT, "driver": TEXT, "certificate": TEXT, "valid_to": MOMENT},
    ),
    ("POST", IDENTITIES + "/{identity}/actions/approve"): Described(
        "Approves it, as another person than who enrolled it."
    ),
    ("POST", IDENTITIES + "/{identity}/actions/revoke"): Described(
        "Revokes it.", body={"reason": TEXT}
    ),
    ("GET", PREFERENCE): Described(f"What the caller has set for the pages: {_NAMES}."),
    ("PUT", PREFERENCE): Described(
        "Sets it, by the revision it replaces.", body={"value": {"type": "object"}}, if_match=True
    ),
    ("GET", SHARED): Described(f"What is set for everybody: {_NAMES}."),
    ("PUT", SHARED): Described(
        "Sets it, by the revision it replaces.", body={"value": {"type": "object"}}, if_match=True
    ),
    ("GET", "/api/v1/audit"): Described(
        "Events of the audit, newest first.",
        query={
            "actor": TEXT,
            "action": TEXT,
            "subject": TEXT,
            "outcome": one_of(("success", "failure")),
            "since": TEXT,
            "until": TEXT,
            "before": COUNT,
            "limit": COUNT,
        },
    ),
    ("POST", "/api/v1/audit/verify"): Described("Checks every event there is."),
}
