"""Where persons, accounts, sessions, preferences and the audit are under /api/v1."""

from dicomweb_server.web import audit, persons, preferences, session
from dicomweb_server.web.service import Handler

IDENTITIES = "/api/v1/signing-identities"
PREFERENCE = "/api/v1/preferences/{name}"
SHARED = "/api/v1/preferences/shared/{name}"

ACCESS_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/api/v1/session", session.show),
    ("POST", "/api/v1/session", session.sign_in),
    ("DELETE", "/api/v1/session", session.sign_out),
    ("POST", "/api/v1/session/password", session.change_password),
    ("POST", "/api/v1/session/second-factor", session.propose_second_factor),
    ("PUT", "/api/v1/session/second-factor", session.confirm_second_factor),
    ("GET", "/api/v1/persons", persons.list_persons),
    ("POST", "/api/v1/persons", persons.add_person),
    ("PATCH", "/api/v1/persons/{person}", persons.change_person),
    ("GET", "/api/v1/accounts", persons.list_accounts),
    ("POST", "/api/v1/accounts", persons.add_account),
    ("PATCH", "/api/v1/accounts/{account}", persons.change_account),
    ("GET", "/api/v1/roles", persons.list_roles),
    ("PUT", "/api/v1/roles/{role}", persons.put_role),
    ("GET", "/api/v1/tokens", persons.list_tokens),
    ("POST", "/api/v1/tokens", persons.add_token),
    ("DELETE", "/api/v1/tokens/{token}", persons.revoke_token),
    ("GET", IDENTITIES, persons.list_identities),
    ("POST", IDENTITIES, persons.enrol_identity),
    ("POST", IDENTITIES + "/{identity}/actions/approve", persons.approve_identity),
    ("POST", IDENTITIES + "/{identity}/actions/revoke", persons.revoke_identity),
    ("GET", PREFERENCE, preferences.shower(shared=False)),
    ("PUT", PREFERENCE, preferences.setter(shared=False)),
    ("GET", SHARED, preferences.shower(shared=True)),
    ("PUT", SHARED, preferences.setter(shared=True)),
    ("GET", "/api/v1/audit", audit.search),
    ("POST", "/api/v1/audit/verify", audit.check),
)
