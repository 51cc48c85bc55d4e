"""Paths to handlers."""

from collections.abc import Callable, Coroutine

import pytest

from dicomweb_server.web.routing import BadPathUid, Router

Endpoint = Callable[[], Coroutine[None, None, str]]


def endpoint(name: str) -> Endpoint:
    async def answer() -> str:
        return name

    return answer


STUDIES, STUDY, SERIES, FILES = (endpoint(name) for name in ("studies", "study", "series", "files"))


@pytest.fixture
def router() -> Router[Endpoint]:
    made: Router[Endpoint] = Router()
    made.add("GET", "/", STUDIES)
    made.add("GET", "/web/studies", STUDIES)
    made.add("POST", "/web/studies", STUDIES)
    made.add("GET", "/web/studies/{study}", STUDY)
    made.add("GET", "/web/studies/{study}/series", SERIES)
    made.add("GET", "/static/{path*}", FILES)
    return made


@pytest.mark.parametrize(
    ("path", "found", "parameters"),
    [
        ("/", STUDIES, {}),
        ("/web/studies", STUDIES, {}),
        ("/web/studies/", STUDIES, {}),
        ("/web/studies/1.2", STUDY, {"study": "1.2"}),
        ("/web/studies/1.2/series", SERIES, {"study": "1.2"}),
        ("/static/a/b/c.js", FILES, {"path": "a/b/c.js"}),
    ],
)
def test_a_path_leads_to_its_handler_with_its_variables(
    router: Router[Endpoint], path: str, found: Endpoint, parameters: dict[str, str]
) -> None:
    match = router.match(path)
    assert match is not None
    assert match.methods["GET"] is found
    assert match.parameters == parameters


@pytest.mark.parametrize(
    "path", ["/web", "/nowhere", "/web/studies/1.2/nothing", "//web/studies", "/static"]
)
def test_other_paths_lead_nowhere(router: Router[Endpoint], path: str) -> None:
    assert router.match(path) is None


def test_the_methods_of_a_path_are_those_that_were_added(router: Router[Endpoint]) -> None:
    match = router.match("/web/studies")
    assert match is not None
    assert match.allow == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize("uid", ["..", "1.2/../3".replace("/", "%2f"), "x", "1." * 40, " ", "1..2"])
def test_ps3_5_9_1_what_is_no_uid_is_refused_by_name(router: Router[Endpoint], uid: str) -> None:
    with pytest.raises(BadPathUid, match="is no study UID"):
        router.match(f"/web/studies/{uid}/series")
