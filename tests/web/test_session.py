"""Signing in over REST, and that without it nothing is to be had: web, and what is remembered."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pyotp
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from dicomweb_server.access import accounts, passwords, persons
from dicomweb_server.access.caller import SYSTEM
from dicomweb_server.access.revision import Revision
from dicomweb_server.access.tables import SessionRow
from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.config import Config
from dicomweb_server.web.access_routes import ACCESS_ROUTES
from dicomweb_server.web.app import DICOMWEB_ROUTES, OTHER_ROUTES, PUBLIC, Application, application
from dicomweb_server.web.identity import LIFE_S
from tests.dicom.build import STUDY_UID, part10
from tests.web.bodies import CONTENT_TYPE, related
from tests.web.conftest import Client, Server, Socket
from tests.web.test_retrieve import ANY_SYNTAX, SERIES, image, put

PASSWORD = "correct horse battery"
FRAME = f"{SERIES}/instances/1.5.1/frames/1"
ANY = {"Accept": ANY_SYNTAX}


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2id all the same, of 64 KiB."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64))
    passwords._nobodys.cache_clear()


class Site:
    """Two server processes in one: two applications over one archive in a directory."""

    def __init__(self, data: Path, listening: Socket, **settings: object) -> None:
        self.config = Config(data=str(data), **settings)  # type: ignore[arg-type]
        self.archive: Archive = open_archive(self.config)
        self.here: Application = application(self.archive, self.config)
        self.there: Application = application(self.archive, self.config)
        self.listening = listening
        listening.program = self.here
        self.url = f"http://{listening.host}:{listening.port}"
        self.clients: list[httpx.Client] = []

    def client(self, **headers: str) -> httpx.Client:
        made = httpx.Client(base_url=self.url, timeout=20, trust_env=False, headers=headers)
        self.clients.append(made)
        return made

    def account(self, login: str, *roles: str, kind: str = "human") -> str:
        with self.here.service.records.write() as session:
            who = persons.add_person(session, SYSTEM, name="王小东", licence="110", kind=kind)
            accounts.add_account(
                session,
                SYSTEM,
                login=login,
                person_id=who.person_id,
                roles=roles,
                password=PASSWORD,
            )
        self.here.service.doors.changed()
        return who.person_id

    def signed_in(self, login: str) -> httpx.Client:
        client = self.client()
        answer = client.post("/api/v1/session", json={"login": login, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return client

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.here.close()
        self.there.close()
        self.archive.close()


@pytest.fixture
def site(tmp_path: Path, listening: Socket) -> Iterator[Site]:
    made = Site(tmp_path / "archive", listening, second_factor="optional")
    yield made
    made.close()


def problem(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"])


# --- open -----------------------------------------------------------------------------------------


def test_a_first_start_works_without_an_account_and_says_so(
    server: Server, http: httpx.Client
) -> None:
    put(http, image(1))
    assert http.get(FRAME, headers=ANY).status_code == 200
    found = httpx.get(f"{server.url}/api/v1/session").json()
    assert found["open"] is True
    assert found["account"] is None and found["person"] is None
    assert {"view", "delete", "accounts"} <= set(found["acts"])


def test_open_is_for_this_machine_also_behind_a_proxy(server: Server, http: httpx.Client) -> None:
    put(http, image(1))
    from_elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    assert http.get("/studies").status_code == 200
    assert http.get("/studies", headers=from_elsewhere).status_code == 401
    found = httpx.get(f"{server.url}/api/v1/session", headers=from_elsewhere).json()
    assert (found["open"], found["acts"]) == (False, [])


def test_the_first_account_made_over_rest_closes_the_archive(site: Site) -> None:
    client = site.client()
    person = client.post("/api/v1/persons", json={"name": "王小东", "rank": 3}).json()
    wish = {"login": "wang", "person_id": person["person_id"], "password": PASSWORD}
    refused = client.post("/api/v1/accounts", json={**wish, "roles": ["clinician"]})
    assert (refused.status_code, problem(refused)) == (422, "/problems/first-account")
    made = client.post("/api/v1/accounts", json={**wish, "roles": ["administrator"]})
    assert made.status_code == 201
    assert client.get("/dicom-web/studies").status_code == 401
    assert client.get("/api/v1/session").json()["open"] is False
    assert PASSWORD not in made.text


# --- closed ---------------------------------------------------------------------------------------

ROUTES = sorted(
    {(method, "/dicom-web" + pattern, (method, pattern)) for method, pattern, _ in DICOMWEB_ROUTES}
    | {(method, pattern, (method, pattern)) for method, pattern, _ in OTHER_ROUTES}
)


def test_nobody_has_anything_but_the_pages_and_the_door(site: Site) -> None:
    site.account("wang", "administrator")
    client = site.client()
    for method, pattern, route in ROUTES:
        path = pattern.replace("{study}", "1.2").replace("{series}", "1.3")
        path = path.replace("{instance}", "1.4").replace("{path*}", "x").replace("{", "")
        answer = client.request(method, path.replace("}", ""))
        if route in PUBLIC:
            assert answer.status_code != 401, route
        else:
            assert answer.status_code == 401, (route, answer.text)
            assert problem(answer) == "/problems/login-required"
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_how_much_is_stored_is_for_nobody(site: Site) -> None:
    site.account("wang", "administrator")
    assert "studies" not in site.client().get("/health").json()
    assert "studies" in site.signed_in("wang").get("/health").json()


def test_who_is_signed_in_may_what_the_roles_say_and_no_more(site: Site) -> None:
    site.account("wang", "administrator")
    site.account("li", "radiologist")
    admin, reader = site.signed_in("wang"), site.signed_in("li")
    admin.base_url = reader.base_url = httpx.URL(site.url + "/dicom-web")
    put(admin, image(1))
    assert reader.get(FRAME, headers=ANY).status_code == 200
    zipped = reader.get(SERIES, headers={"Accept": "application/zip"})
    for refused in (
        reader.delete(SERIES),
        reader.post("/studies", content=image(2), headers={"Content-Type": "application/dicom"}),
        zipped,
        reader.get(site.url + "/api/v1/accounts"),
        reader.get(site.url + "/api/v1/audit"),
    ):
        assert refused.status_code == 403, refused.text
        assert problem(refused) == "/problems/denied"
    assert admin.delete(SERIES).status_code == 204


def test_who_drafts_stores_what_he_says_of_images_and_no_images(site: Site) -> None:
    site.account("wang", "administrator")
    site.account("li", "radiologist")
    site.account("zhou", "clinician")
    admin, reader, clinician = (site.signed_in(login) for login in ("wang", "li", "zhou"))
    for each in (admin, reader, clinician):
        each.base_url = httpx.URL(site.url + "/dicom-web")
    put(admin, image(1))

    def says(number: int, sop_class_uid: str, study_uid: str = STUDY_UID) -> bytes:
        return part10(
            study_uid=study_uid,
            series_uid="1.9",
            instance_uid=f"1.9.{number}",
            sop_class_uid=sop_class_uid,
        )

    put(reader, says(1, "1.2.840.10008.5.1.4.1.1.88.33"), says(2, "1.2.840.10008.5.1.4.1.1.11.1"))
    one = {"Content-Type": "application/dicom"}
    elsewhere = says(3, "1.2.840.10008.5.1.4.1.1.88.33", study_uid="1.77")
    for client, content in ((reader, elsewhere), (reader, image(2)), (clinician, says(4, KEY))):
        refused = client.post("/studies", content=content, headers=one)
        assert (refused.status_code, problem(refused)) == (403, "/problems/denied")
    mixed = reader.post(
        "/studies", content=related(says(5, KEY), image(3)), headers={"Content-Type": CONTENT_TYPE}
    )
    assert mixed.status_code == 202
    assert mixed.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0x0124]
    stored = {row["00080018"]["Value"][0] for row in reader.get("/instances").json()}
    assert stored == {"1.5.1", "1.9.1", "1.9.2", "1.9.5"}
    admin.base_url = httpx.URL(site.url)
    events = admin.get("/api/v1/audit?action=access.refused&actor=li").json()
    assert "store" in str(events)


KEY = "1.2.840.10008.5.1.4.1.1.88.59"


def test_what_is_remembered_is_for_who_may_see_it(site: Site) -> None:
    site.account("wang", "administrator")
    site.account("auditor", "auditor")
    admin, auditor = site.signed_in("wang"), site.signed_in("auditor")
    admin.base_url = auditor.base_url = httpx.URL(site.url + "/dicom-web")
    put(admin, image(1))
    for _ in range(3):
        assert admin.get(FRAME, headers=ANY).status_code == 200
    assert auditor.get(FRAME, headers=ANY).status_code == 403
    for _ in range(3):
        assert admin.get("/studies?limit=5").status_code == 200
    assert auditor.get("/studies?limit=5").status_code == 403
    assert httpx.get(f"{site.url}/dicom-web/studies?limit=5").status_code == 401
    assert httpx.get(f"{site.url}/dicom-web{FRAME}", headers=ANY).status_code == 401


# --- ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["sign-out", "disable", "password", "command line"])
def test_a_session_that_is_ended_is_over_in_every_process_at_once(site: Site, by: str) -> None:
    site.account("wang", "administrator")
    site.account("li", "radiologist")
    admin, reader = site.signed_in("wang"), site.signed_in("li")
    admin.base_url = httpx.URL(site.url + "/dicom-web")
    put(admin, image(1))
    admin.base_url = httpx.URL(site.url)
    for program in (site.here, site.there, site.there):
        site.listening.program = program
        assert reader.get(f"/dicom-web{FRAME}", headers=ANY).status_code == 200
    site.listening.program = site.here
    cookie = reader.cookies["session"]
    if by == "sign-out":
        assert reader.delete("/api/v1/session").status_code == 204
    elif by == "disable":
        assert admin.patch("/api/v1/accounts/li", json={"disabled": True}).status_code == 200
    elif by == "password":
        answer = admin.patch("/api/v1/accounts/li", json={"password": PASSWORD + "!"})
        assert answer.status_code == 200
    else:
        with site.there.service.records.write() as session:
            accounts.set_disabled(session, SYSTEM, "li", True)
        other = Revision(site.archive.directory)
        other.changed()
        other.close()
    for program in (site.there, site.here):
        site.listening.program = program
        headers = {**ANY, "Cookie": f"session={cookie}"}
        answer = httpx.get(f"{site.url}/dicom-web{FRAME}", headers=headers)
        assert answer.status_code == 401


def test_the_bytes_of_a_session_that_has_ended_are_nobodys(site: Site) -> None:
    site.account("wang", "administrator")
    admin = site.signed_in("wang")
    admin.base_url = httpx.URL(site.url + "/dicom-web")
    put(admin, image(1))
    admin.base_url = httpx.URL(site.url)
    lines = [f"GET /dicom-web{FRAME} HTTP/1.1", "Host: h", f"Accept: {ANY['Accept']}"]
    lines += [f"Cookie: session={admin.cookies['session']}", "", ""]
    request = "\r\n".join(lines).encode()
    client = Client(site.listening.host, site.listening.port)
    for _ in range(4):
        client.send(request)
        assert client.reply()[0] == 200
    assert site.here.again(request, "http 127.0.0.1") is not None
    assert admin.delete("/api/v1/session").status_code == 204
    client.send(request)
    assert client.reply()[0] == 401
    client.close()


def test_what_a_page_asks_by_itself_is_no_use_of_a_session(site: Site) -> None:
    site.account("wang", "administrator")
    client = site.signed_in("wang")
    records = site.here.service.records

    def seen() -> datetime:
        with records.read() as session:
            return session.scalars(sa.select(SessionRow.seen_at)).one()

    def unused(seconds: float) -> datetime:
        with records.write() as session:
            earlier = datetime.now(UTC) - timedelta(seconds=seconds)
            session.execute(sa.update(SessionRow).values(seen_at=earlier))
        site.here.service.doors.changed()
        return seen()

    before = unused(site.config.session_idle_s - 30)
    alone = {"Unattended": "?1"}
    assert client.get("/api/v1/worklists/unread", headers=alone).status_code == 200
    assert seen() == before
    # What was found for the page is not what is found for who comes back to it.
    assert client.get("/api/v1/worklists/unread").status_code == 200
    assert seen() > before
    unused(site.config.session_idle_s + 1)
    assert client.get("/api/v1/worklists/unread", headers=alone).status_code == 401


def test_a_session_whose_cookie_is_not_good_may_still_sign_in(site: Site) -> None:
    site.account("wang", "administrator")
    client = site.client(Cookie="session=stale")
    assert client.get("/").status_code == 200
    assert client.get("/api/v1/session").json()["account"] is None
    answer = client.post("/api/v1/session", json={"login": "wang", "password": PASSWORD})
    assert answer.status_code == 200


# --- signing in -----------------------------------------------------------------------------------


def test_who_signs_in_is_told_who_he_is(site: Site) -> None:
    person_id = site.account("wang", "radiologist", "administrator")
    client = site.client()
    answer = client.post("/api/v1/session", json={"login": "wang", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" not in cookie
    assert answer.json() == client.get("/api/v1/session").json()
    found = answer.json()
    assert found["account"]["login"] == "wang"
    assert found["person"] == {
        "person_id": person_id,
        "name": "王小东",
        "rank": 0,
        "licence": "110",
        "qualified_until": None,
    }
    assert (found["open"], found["must_enrol"], found["idle_s"]) == (False, False, 1800)


def test_by_tls_the_cookie_is_for_tls_only(site: Site) -> None:
    site.account("wang", "administrator")
    wish = {"login": "wang", "password": PASSWORD}
    answer = site.client(**{"X-Forwarded-Proto": "https"}).post("/api/v1/session", json=wish)
    assert "; Secure" in answer.headers["set-cookie"]


def test_a_password_alone_reaches_nothing_until_the_second_factor_is_enrolled(
    tmp_path: Path, listening: Socket
) -> None:
    site = Site(tmp_path / "archive", listening)
    try:
        site.account("wang", "administrator")
        client = site.signed_in("wang")
        found = client.get("/api/v1/session").json()
        assert (found["must_enrol"], found["acts"]) == (True, [])
        for path in ("/dicom-web/studies", "/api/v1/persons", "/api/v1/audit"):
            assert problem(client.get(path)) == "/problems/must-enrol"
        secret = client.post("/api/v1/session/second-factor").json()["secret"]
        one_time = pyotp.TOTP(secret)
        wrong = client.put("/api/v1/session/second-factor", json={"code": "000000"})
        assert (wrong.status_code, problem(wrong)) == (401, "/problems/login-failed")
        right = client.put("/api/v1/session/second-factor", json={"code": one_time.now()})
        assert right.status_code == 204
        assert client.get("/dicom-web/studies").status_code in (200, 204)
        wish = {"login": "wang", "password": PASSWORD}
        missing = site.client().post("/api/v1/session", json=wish)
        assert problem(missing) == "/problems/second-factor-required"
        again = {**wish, "code": one_time.now()}
        assert (
            problem(site.client().post("/api/v1/session", json=again)) == "/problems/login-failed"
        )
        later = {**wish, "code": one_time.at(time.time() + 30)}
        assert site.client().post("/api/v1/session", json=later).status_code == 200
    finally:
        site.close()


def test_too_many_failures_are_429_with_the_time_to_wait(site: Site) -> None:
    site.account("wang", "administrator")
    client = site.client()
    wish = {"login": "wang", "password": "wrong wrong wrong"}
    for _ in range(site.config.lock_after):
        assert problem(client.post("/api/v1/session", json=wish)) == "/problems/login-failed"
    locked = client.post("/api/v1/session", json={**wish, "password": PASSWORD})
    assert (locked.status_code, problem(locked)) == (429, "/problems/locked")
    assert 800 < int(locked.headers["retry-after"]) <= 900


def test_the_own_password_is_changed_by_who_knows_it(site: Site) -> None:
    site.account("wang", "administrator")
    client = site.signed_in("wang")
    wrong = client.post("/api/v1/session/password", json={"old": "x", "new": "y" * 12})
    assert wrong.status_code == 401
    weak = client.post("/api/v1/session/password", json={"old": PASSWORD, "new": "y"})
    assert (weak.status_code, problem(weak)) == (422, "/problems/weak-password")
    done = client.post("/api/v1/session/password", json={"old": PASSWORD, "new": "y" * 12})
    assert done.status_code == 204
    assert client.get("/api/v1/session").json()["account"] is not None


# --- other sites ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_page_of_another_site_changes_nothing(site: Site, headers: dict[str, str]) -> None:
    site.account("wang", "administrator")
    client = site.signed_in("wang")
    for method, path in (("DELETE", "/dicom-web/studies/1.2"), ("POST", "/api/v1/session")):
        answer = client.request(method, path, headers=headers)
        assert (answer.status_code, problem(answer)) == (403, "/problems/cross-site")
    own = {"Origin": site.url, "Sec-Fetch-Site": "same-origin"}
    assert client.delete("/dicom-web/studies/1.2", headers=own).status_code == 404


def status_within(seconds: float, client: httpx.Client, wanted: int) -> int:
    """The status of a search, as soon as it is the wanted one or the time is over."""
    until = time.monotonic() + seconds
    while True:
        status = client.get("/dicom-web/studies").status_code
        if status == wanted or time.monotonic() > until:
            return status
        time.sleep(0.1)


def test_a_change_that_another_machine_makes_to_the_same_database_is_seen_soon(
    tmp_path: Path, listening: Socket
) -> None:
    records = f"sqlite:///{tmp_path / 'shared.sqlite3'}"
    site = Site(tmp_path / "archive", listening, second_factor="optional", records=records)
    try:
        site.account("wang", "administrator")
        site.account("li", "radiologist")
        reader = site.signed_in("li")
        assert reader.get("/dicom-web/studies").status_code == 204
        with site.there.service.records.write() as session:
            accounts.set_disabled(session, SYSTEM, "li", True)
        assert status_within(LIFE_S / 2, reader, 401) == 401
    finally:
        site.close()


# --- tokens ---------------------------------------------------------------------------------------


def test_a_token_is_over_at_its_end_while_it_is_used(site: Site) -> None:
    site.account("wang", "administrator")
    end = datetime.now(UTC) + timedelta(seconds=1.5)
    wish = {"name": "gateway", "acts": ["search"], "expires_at": end.isoformat()}
    made = site.signed_in("wang").post("/api/v1/tokens", json=wish)
    assert made.status_code == 201, made.text
    gateway = site.client(Authorization=f"Bearer {made.json()['token']}")
    assert gateway.get("/dicom-web/studies").status_code == 204
    assert status_within(LIFE_S / 2, gateway, 401) == 401
    assert datetime.now(UTC) >= end


def test_a_token_is_shown_once_and_opens_what_it_names(site: Site) -> None:
    site.account("wang", "administrator")
    client = site.signed_in("wang")
    wish = {"name": "gateway", "acts": ["store", "search"]}
    made = client.post("/api/v1/tokens", json=wish)
    assert made.status_code == 201
    token = made.json()["token"]
    assert token not in client.get("/api/v1/tokens").text
    gateway = site.client(Authorization=f"Bearer {token}")
    headers = {"Content-Type": "application/dicom"}
    stored = gateway.post("/dicom-web/studies", content=image(1), headers=headers)
    assert stored.status_code == 200
    assert gateway.get("/dicom-web/studies").status_code == 200
    assert gateway.get(f"/dicom-web{FRAME}", headers=ANY).status_code == 403
    for _ in range(3):  # Also what has been sent to somebody else, in the same words.
        assert client.get(f"/dicom-web{FRAME}", headers=ANY).status_code == 200
        assert gateway.get(f"/dicom-web{FRAME}", headers=ANY).status_code == 403
    assert gateway.post("/dicom-web/studies", content=image(2), headers=headers).status_code == 200
    another = f"/dicom-web{SERIES}/instances/1.5.2/frames/1"
    assert gateway.get(another, headers=ANY).status_code == 403
    assert client.get(another, headers=ANY).status_code == 200
    assert problem(gateway.post("/api/v1/tokens", json=wish)) == "/problems/needs-sign-in"
    changed = gateway.post("/api/v1/session/password", json={"old": "a", "new": "b"})
    assert changed.status_code == 403
    assert client.delete(f"/api/v1/tokens/{made.json()['token_id']}").status_code == 204
    assert gateway.get("/dicom-web/studies").status_code == 401
    assert site.client(Authorization="Bearer nonsense").get("/").status_code == 401


# --- persons, roles, identities -------------------------------------------------------------------


def test_a_role_is_data(site: Site) -> None:
    site.account("wang", "administrator")
    site.account("inspector", "clinician")
    admin, inspector = site.signed_in("wang"), site.signed_in("inspector")
    assert inspector.get("/dicom-web/studies").status_code == 204
    assert admin.put("/api/v1/roles/clinician", json={"acts": ["audit"]}).status_code == 200
    assert inspector.get("/dicom-web/studies").status_code == 403
    assert inspector.get("/api/v1/audit").status_code == 200
    wrong = admin.put("/api/v1/roles/clinician", json={"acts": ["everything"]})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "acts")


def test_nobody_disables_the_own_account(site: Site) -> None:
    site.account("wang", "administrator")
    answer = site.signed_in("wang").patch("/api/v1/accounts/wang", json={"disabled": True})
    assert answer.status_code == 422


def test_rep_18_a_signing_identity_is_approved_by_another_person(site: Site) -> None:
    site.account("wang", "administrator")
    site.account("zhao", "administrator")
    of_reader = site.account("li", "radiologist")
    wang, zhao = site.signed_in("wang"), site.signed_in("zhao")
    made = wang.post("/api/v1/signing-identities", json={"person_id": of_reader})
    assert made.status_code == 201 and "PUBLIC KEY" in made.json()["certificate"]
    assert "PRIVATE" not in made.text and made.json()["approved_by"] == ""
    path = f"/api/v1/signing-identities/{made.json()['id']}/actions"
    same = wang.post(f"{path}/approve")
    assert (same.status_code, problem(same)) == (422, "/problems/same-person")
    assert zhao.post(f"{path}/approve").json()["approved_by"]
    assert zhao.post(f"{path}/approve").status_code == 422
    reader = site.signed_in("li")
    assert (
        reader.post("/api/v1/signing-identities", json={"person_id": of_reader}).status_code == 403
    )
    gone = reader.post(f"{path}/revoke", json={"reason": "the card is lost"})
    assert gone.json()["revoked_at"] is not None


# --- audit ----------------------------------------------------------------------------------------


def test_a_scripted_session_is_in_the_audit(site: Site) -> None:
    site.account("wang", "administrator")
    site.account("li", "radiologist")
    admin, reader = site.signed_in("wang"), site.signed_in("li")
    admin.base_url = httpx.URL(site.url + "/dicom-web")
    put(admin, image(1), image(2))
    for _ in range(20):
        assert reader.get(f"/dicom-web{FRAME}", headers=ANY).status_code == 200
    reader.get("/dicom-web/studies", params={"PatientName": "wang*"})
    assert reader.delete(f"/dicom-web{SERIES}").status_code == 403
    assert httpx.get(f"{site.url}/dicom-web/studies").status_code == 401
    assert reader.delete("/api/v1/session").status_code == 204
    assert admin.delete(SERIES).status_code == 204
    admin.base_url = httpx.URL(site.url)
    answer = admin.get("/api/v1/audit", params={"limit": 1000}).json()
    events = [each for each in reversed(answer["events"]) if each["actor"] in ("wang", "li", "")]
    told = [(e["actor"], e["action"], e["subject"], e["outcome"]) for e in events]
    study = SERIES.split("/")[2]
    for wanted in (
        ("wang", "account.sign-in", "wang", "success"),
        ("wang", "study.store", study, "success"),
        ("li", "study.view", study, "success"),
        ("li", "query", "study", "success"),
        ("li", "access.refused", "delete", "failure"),
        ("", "access.refused", "/dicom-web/studies", "failure"),
        ("li", "account.sign-out", "li", "success"),
        ("wang", "study.delete", study, "success"),
    ):
        assert wanted in told, (wanted, told)
    assert [e["address"] for e in events] == ["127.0.0.1"] * len(events)
    views = [e for e in events if e["action"] == "study.view" and e["actor"] == "li"]
    assert len(views) == 2 and views[1]["detail"]["more"] >= 19
    assert admin.post("/api/v1/audit/verify").json()["ok"] is True


def test_the_audit_is_searched_and_paged(site: Site) -> None:
    site.account("wang", "administrator")
    admin = site.signed_in("wang")
    for _ in range(5):
        site.signed_in("wang")
    found = admin.get("/api/v1/audit", params={"action": "account.*", "limit": 2}).json()
    assert len(found["events"]) == 2
    seen = [each["seq"] for each in found["events"]]
    while found["next"]:
        wish = {"action": "account.*", "limit": 2, "before": found["next"]}
        found = admin.get("/api/v1/audit", params=wish).json()
        seen += [each["seq"] for each in found["events"]]
    assert seen == sorted(set(seen), reverse=True) and len(seen) >= 7
    none = admin.get("/api/v1/audit", params={"until": "2020-01-01"}).json()
    assert none == {"events": [], "next": None}
    assert admin.get("/api/v1/audit", params={"shoe": "43"}).status_code == 400


def test_the_openapi_document_describes_every_resource_of_access(site: Site) -> None:
    paths = site.client().get("/openapi.json").json()["paths"]
    for method, pattern, _ in ACCESS_ROUTES:
        assert paths[pattern][method.lower()]["summary"] != f"{method} {pattern}"
