"""/api/v1/preferences and /api/v1/exports over HTTP: entity tags, limits, who may, the audit."""

import httpx
import pytest

from tests.web.conftest import Server
from tests.web.test_retrieve import image, put
from tests.web.test_session import Site, cheap_hashes, problem, site

__all__ = ["cheap_hashes", "site"]

KEYS = "/api/v1/preferences/keyboard"
SHARED = "/api/v1/preferences/shared/hanging-protocols"


def reader(site: Site) -> httpx.Client:
    site.account("chief", "administrator")
    site.account("li", "radiologist")
    return site.signed_in("li")


def test_a_preference_is_kept_by_its_entity_tag(site: Site) -> None:
    client = reader(site)
    empty = client.get(KEYS)
    assert (empty.status_code, empty.json()["value"], empty.headers["etag"]) == (200, None, '"0"')
    body = {"value": {"length": "d", "名": ["长度", 1.5, None]}}
    missing = client.put(KEYS, json=body)
    assert (missing.status_code, problem(missing)) == (428, "/problems/if-match-required")
    made = client.put(KEYS, json=body, headers={"If-Match": '"0"'})
    assert (made.status_code, made.headers["etag"]) == (200, '"1"')
    assert client.get(KEYS).json() == {"name": "keyboard", "revision": 1, **body}
    assert client.get(KEYS, headers={"If-None-Match": '"1"'}).status_code == 304
    for tag in ('"0"', '"2"', "1", "*", '"x"', 'W/"1"'):
        stale = client.put(KEYS, json={"value": {}}, headers={"If-Match": tag})
        assert (stale.status_code, problem(stale)) == (412, "/problems/stale-revision")
    # Another sign-in of the same person has the same.
    assert site.signed_in("li").get(KEYS).json()["value"] == body["value"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b'{"value": "text"}', 400),
        (b'{"value": {}, "other": 1}', 400),
        (b"[]", 400),
        (b"{", 400),
        (b'{"value": {"a": "\\ud800"}}', 400),
        (b'{"value": {"a": "' + b"x" * 65536 + b'"}}', 413),
        (b'{"value": {"a": "\\u0000", "b": 123456789012345678901234567890}}', 200),
    ],
)
def test_what_is_no_small_object_is_refused(site: Site, content: bytes, status: int) -> None:
    answer = reader(site).put(KEYS, content=content, headers={"If-Match": '"0"'})
    assert answer.status_code == status, answer.text


def test_what_is_for_everybody_is_read_by_all_and_set_by_few(site: Site) -> None:
    li, chief = reader(site), site.signed_in("chief")
    body: dict[str, object] = {"value": {"protocols": []}}
    first = {"If-Match": '"0"'}
    assert problem(li.put(SHARED, json=body, headers=first)) == "/problems/denied"
    assert chief.put(SHARED, json=body, headers=first).status_code == 200
    assert li.get(SHARED).json()["value"] == {"protocols": []}
    assert problem(li.get("/api/v1/preferences/wallpaper")) == "/problems/not-found"


def test_without_accounts_there_is_nobody_to_keep_them_for(server: Server) -> None:
    answer = httpx.get(server.url + KEYS)
    assert (answer.status_code, problem(answer)) == (403, "/problems/person-required")


def test_pictures_that_leave_a_page_are_in_the_audit(site: Site) -> None:
    li, chief = reader(site), site.signed_in("chief")
    chief.base_url = httpx.URL(site.url + "/dicom-web")
    put(chief, image(1))
    chief.base_url = httpx.URL(site.url)
    study = chief.get("/dicom-web/studies").json()[0]["0020000D"]["Value"][0]
    wish = {"study": study, "form": "print", "panes": 4}
    assert chief.post("/api/v1/exports", json=wish).status_code == 204
    (event,) = chief.get("/api/v1/audit", params={"action": "study.export"}).json()["events"]
    assert (event["actor"], event["subject"]) == ("chief", study)
    assert event["detail"] == {"form": "print", "panes": 4}
    assert problem(li.post("/api/v1/exports", json=wish)) == "/problems/denied"
    for changed, status in (
        ({"study": "9.9.9"}, 404),
        ({"form": "fax"}, 400),
        ({"panes": 17}, 400),
        ({"panes": True}, 400),
        ({"why": ""}, 400),
    ):
        refused = chief.post("/api/v1/exports", json={**wish, **changed})
        assert refused.status_code == status, refused.text
    assert len(chief.get("/api/v1/audit", params={"action": "study.export"}).json()["events"]) == 1
