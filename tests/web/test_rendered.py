"""Pictures, films, texts and documents (PS3.18 §10.4.1.1.3, §8.3.5, §8.7.4), and the URI service
(§9): pixels equal what the formulas give."""

import io
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms
from pydicom import dcmread

from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.upkeep import settle
from storage.model import Scope
from tests.dicom.build import STUDY_UID, element, part10
from tests.web.bodies import taken_apart
from tests.web.conftest import Server
from tests.web.test_retrieve import SERIES, put

INSTANCE = f"{SERIES}/instances/1.5.1"
ROWS, COLUMNS = 24, 32
RAMP = (np.arange(ROWS)[:, None] * 40 + np.arange(COLUMNS)[None, :] * 25).astype("<u2")
COLOURS = np.stack([RAMP // 8, 255 - RAMP // 8, RAMP // 16], -1).astype(np.uint8)

SR_STORAGE = "1.2.840.10008.5.1.4.1.1.88.11"
GSPS_STORAGE = "1.2.840.10008.5.1.4.1.1.11.1"
MPEG4 = "1.2.840.10008.1.2.4.102"

Pixels = npt.NDArray[Any]


def image(values: Pixels = RAMP, **more: Any) -> bytes:
    bits = values.itemsize * 8
    frames = values.shape[0] if values.ndim == 3 and values.shape[-1] != 3 else None
    shape = values.shape if frames is None else values.shape[1:]
    given: dict[str, Any] = {
        "series_uid": "1.5",
        "instance_uid": "1.5.1",
        "rows": shape[0],
        "columns": shape[1],
        "frames": frames,
        "samples": 3 if values.shape[-1] == 3 else 1,
        "bits_allocated": bits,
        "pixel_data": values.tobytes(),
    }
    return part10(**{**given, **more})


def picture(answer: httpx.Response) -> Pixels:
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def drawn(http: httpx.Client, path: str = INSTANCE, **query: Any) -> Pixels:
    answer = http.get(f"{path}/rendered", params=query, headers={"Accept": "image/png"})
    return picture(answer).astype(int)


def linear(values: Pixels, center: float, width: float) -> Pixels:
    """PS3.3 §C.11.2.1.2.1"""
    return np.floor(np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1) * 255 + 0.5)


# --- window, viewport, quality, annotation, profile -------------------------------------------


def test_ps3_18_8_3_5_1_4_the_window_is_the_formula_that_is_named(http: httpx.Client) -> None:
    put(http, image())
    values = RAMP.astype(float)
    exact = np.floor(np.clip((values - 700) / 90 + 0.5, 0, 1) * 255 + 0.5)
    sigmoid = np.floor(255 / (1 + np.exp(-4 * (values - 700) / 90)) + 0.5)
    assert (drawn(http, window="700,90") == linear(values, 700, 90)).all()
    assert (drawn(http, window="700,90,linear") == linear(values, 700, 90)).all()
    assert (drawn(http, window="700,90,linear-exact") == exact).all()
    assert (drawn(http, window="700,90,SIGMOID") == sigmoid).all()


def test_ps3_18_8_3_5_1_3_a_viewport_of_six_shows_a_part_mirrored_where_negative(
    http: httpx.Client,
) -> None:
    put(http, image())
    whole = drawn(http, window="500,2000")
    part = whole[4:14, 8:28]
    assert (drawn(http, window="500,2000", viewport="20,10,8,4,20,10") == part).all()
    assert (drawn(http, window="500,2000", viewport="20,10,8,4,-20,10") == part[:, ::-1]).all()
    assert (drawn(http, window="500,2000", viewport="20,10,8,4,20,-10") == part[::-1]).all()
    assert (drawn(http, window="500,2000", viewport="20,10,8,4,-20,-10") == part[::-1, ::-1]).all()
    assert (drawn(http, window="500,2000", viewport="24,20,8,4,,") == whole[4:, 8:]).all()
    assert drawn(http, viewport="40,20,8,4,20,10").shape == (20, 40)


@pytest.mark.parametrize(
    "query",
    [
        "viewport=10,10,500,0,5,5",
        "viewport=10,10,0,0,0,5",
        "viewport=10,10,0,0",
        "viewport=a,b",
        "window=1,2,cubic",
        "window=1,0.5",
        "window=nan,5",
        "quality=0",
        "annotation=everything",
        "iccprofile=other",
    ],
)
def test_ps3_18_8_3_5_a_parameter_that_cannot_be_meant_is_400_and_named(
    http: httpx.Client, query: str
) -> None:
    put(http, image())
    answer = http.get(f"{INSTANCE}/rendered?{query}")
    assert answer.status_code == 400
    assert answer.json()["field"] == query.split("=")[0]


def test_the_same_picture_asked_for_in_another_order_has_the_same_etag(http: httpx.Client) -> None:
    put(http, image())
    asked = [
        http.get(f"{INSTANCE}/rendered?annotation={names}")
        for names in ("patient,technique", "technique,patient", "patient")
    ]
    one, turned, other = (answer.headers["etag"] for answer in asked)
    assert one == turned != other


def test_ps3_18_8_3_5_1_1_annotations_are_written_where_they_belong(http: httpx.Client) -> None:
    big = np.zeros((200, 300), np.uint16)
    put(http, image(big, PatientName="Doe^Jane", PatientID="4711", StudyDate="20240131"))
    plain = drawn(http, window="100,50")
    patient = drawn(http, window="100,50", annotation="patient")
    both = drawn(http, window="100,50", annotation="patient,technique")
    assert not plain.any()
    assert patient[:60].any() and not patient[100:].any()
    assert (both[:60] == patient[:60]).all() and both[100:].any()


def test_ps3_18_8_3_5_1_5_a_colour_picture_has_the_profile_asked_for(http: httpx.Client) -> None:
    put(http, image(COLOURS))
    for media_type in ("image/jpeg", "image/png"):
        path, headers = f"{INSTANCE}/rendered", {"Accept": media_type}
        for wanted in ("yes", "srgb"):
            answer = http.get(path, params={"iccprofile": wanted}, headers=headers)
            profile = Image.open(io.BytesIO(answer.content)).info["icc_profile"]
            found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            assert "sRGB" in ImageCms.getProfileDescription(found)
        plain = http.get(path, headers=headers)
        assert "icc_profile" not in Image.open(io.BytesIO(plain.content)).info
    assert (drawn(http, iccprofile="yes") == COLOURS).all()


def test_the_data_set_is_read_once_for_all_windows_of_an_image(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(http, image())
    asked: list[object] = []
    read = retrieve.instance_metadata

    def counted(archive: Archive, scope: Scope) -> tuple[bytes, int]:
        asked.append(scope.instance_uid)
        return read(archive, scope)

    monkeypatch.setattr(retrieve, "instance_metadata", counted)
    for center in (500, 600, 700):
        expected = linear(RAMP.astype(float), center, 90)
        assert (drawn(http, window=f"{center},90") == expected).all()
    assert asked == ["1.5.1"]


def test_what_comes_in_an_image_s_place_is_drawn_as_it_says_itself(http: httpx.Client) -> None:
    for center in (500, 700):
        put(http, image(WindowCenter=str(center), WindowWidth="90"))
        assert (drawn(http) == linear(RAMP.astype(float), center, 90)).all()
        assert http.delete(INSTANCE).is_success


# --- pipelines ----------------------------------------------------------------------------------


def test_ps3_3_c_9_2_overlays_are_white_where_they_lie(http: httpx.Client) -> None:
    plane = np.zeros((8, 8), np.uint8)
    plane[2:5, 3:6] = 1
    overlay = {
        0x60000010: element(0x60000010, "US", b"\x08\0"),
        0x60000011: element(0x60000011, "US", b"\x08\0"),
        0x60000040: element(0x60000040, "CS", b"G "),
        0x60000050: element(0x60000050, "SS", b"\x05\0\xff\xff"),
        0x60000100: element(0x60000100, "US", b"\x01\0"),
        0x60000102: element(0x60000102, "US", b"\0\0"),
        0x60003000: element(0x60003000, "OW", np.packbits(plane, bitorder="little").tobytes()),
    }
    put(http, image(extra=overlay))
    expected = linear(RAMP.astype(float), 500, 2000)
    expected[4:12, 0:6][plane[:, 2:].astype(bool)] = 255
    assert (drawn(http, window="500,2000") == expected).all()


def test_ps3_3_c_9_2_retired_overlays_in_unused_bits_are_drawn_too(http: httpx.Client) -> None:
    marked = RAMP.copy()
    marked[3, 4:9] |= 1 << 14
    overlay = {
        0x60000010: element(0x60000010, "US", bytes((ROWS, 0))),
        0x60000011: element(0x60000011, "US", bytes((COLUMNS, 0))),
        0x60000040: element(0x60000040, "CS", b"G "),
        0x60000050: element(0x60000050, "SS", b"\x01\0\x01\0"),
        0x60000100: element(0x60000100, "US", b"\x10\0"),
        0x60000102: element(0x60000102, "US", b"\x0e\0"),
    }
    put(http, image(marked, bits_stored=12, extra=overlay))
    expected = linear(RAMP.astype(float), 500, 2000)
    expected[3, 4:9] = 255
    assert (drawn(http, window="500,2000") == expected).all()


def test_ps3_3_c_7_9_a_palette_that_is_bulk_data_colours(http: httpx.Client) -> None:
    values = np.arange(65536, dtype="<u4")
    tables = [(values * factor % 65536).astype("<u2") for factor in (1, 3, 7)]
    more = {
        0x00281201 + n: element(0x00281201 + n, "OW", table.tobytes())
        for n, table in enumerate(tables)
    }
    descriptors = {
        f"{colour}PaletteColorLookupTableDescriptor": [0, 0, 16]
        for colour in ("Red", "Green", "Blue")
    }
    indices = (RAMP.astype("<u4") * 37 % 65536).astype("<u2")
    put(
        http, image(indices, bits_stored=16, photometric="PALETTE COLOR", extra=more, **descriptors)
    )
    expected = np.stack([table[indices] >> 8 for table in tables], -1)
    assert (drawn(http) == expected).all()


# --- several frames -----------------------------------------------------------------------------

FILM = np.stack([RAMP % (300 + 100 * n) for n in range(5)]).astype("<u2")


def test_ps3_18_8_7_4_a_multi_frame_instance_is_a_gif_that_moves_in_its_time(
    http: httpx.Client,
) -> None:
    put(http, image(FILM, FrameTime="40"))
    answer = http.get(
        f"{INSTANCE}/rendered", params={"window": "300,700"}, headers={"Accept": "image/gif"}
    )
    film: Any = Image.open(io.BytesIO(answer.content))
    assert film.n_frames == 5 and film.info["duration"] == 40
    for n in range(5):
        film.seek(n)
        assert (np.asarray(film.convert("L")) == linear(FILM[n].astype(float), 300, 700)).all()
    one = http.get(f"{INSTANCE}/frames/2/rendered", headers={"Accept": "image/gif"})
    assert getattr(Image.open(io.BytesIO(one.content)), "n_frames", 1) == 1


def test_a_gif_too_large_to_hold_is_413(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicomweb_server.web.rendered.GIF_PIXELS", 2000)
    put(http, image(FILM))
    answer = http.get(f"{INSTANCE}/rendered", headers={"Accept": "image/gif"})
    assert answer.status_code == 413 and answer.json()["field"] == "viewport"


def test_ps3_18_10_4_1_1_3_frames_are_rendered_into_a_part_each(http: httpx.Client) -> None:
    put(http, image(FILM))
    answer = http.get(
        f"{INSTANCE}/frames/4,1/rendered",
        params={"window": "300,700"},
        headers={"Accept": 'multipart/related; type="image/png"'},
    )
    parts = taken_apart(answer.headers["content-type"], answer.content)
    for (headers, content), n in zip(parts, (3, 0), strict=True):
        assert headers["content-type"] == "image/png"
        found = np.asarray(Image.open(io.BytesIO(content)))
        assert (found == linear(FILM[n].astype(float), 300, 700)).all()
    alone = http.get(f"{INSTANCE}/frames/4,1/rendered", headers={"Accept": "image/png"})
    assert alone.status_code == 406


# --- presentation states ------------------------------------------------------------------------


def state(**more: Any) -> bytes:
    """A presentation state of the image with a window of its own."""
    reference = {"ReferencedSOPClassUID": "1.2", "ReferencedSOPInstanceUID": "1.5.1"}
    given: dict[str, Any] = {
        "series_uid": "1.7",
        "instance_uid": "1.7.1",
        "sop_class_uid": GSPS_STORAGE,
        "Modality": "PR",
        "ReferencedSeriesSequence": [
            {"SeriesInstanceUID": "1.5", "ReferencedImageSequence": [reference]}
        ],
        "SoftcopyVOILUTSequence": [{"WindowCenter": "700", "WindowWidth": "900"}],
        "PresentationLUTShape": "IDENTITY",
    }
    return part10(**{**given, **more})


STATE = f"/studies/{STUDY_UID}/series/1.7/instances/1.7.1"
WINDOWED = linear(RAMP.astype(float), 700, 900)


def test_ps3_4_n_a_presentation_state_shows_the_image_its_way(http: httpx.Client) -> None:
    put(http, image(WindowCenter="1", WindowWidth="2", RescaleSlope="9"), state())
    assert (drawn(http, STATE) == WINDOWED).all()


def test_ps3_3_c_11_6_an_inverse_presentation_lut_inverts(http: httpx.Client) -> None:
    put(http, image(), state(PresentationLUTShape="INVERSE"))
    assert abs(drawn(http, STATE) - (255 - WINDOWED)).max() <= 1


@pytest.mark.parametrize(("rotation", "quarters"), [(0, 0), (90, 3), (180, 2), (270, 1)])
@pytest.mark.parametrize("flip", ["N", "Y"])
def test_ps3_3_c_10_6_images_are_turned_clockwise_and_then_mirrored(
    http: httpx.Client, rotation: int, quarters: int, flip: str
) -> None:
    put(http, image(), state(ImageRotation=rotation, ImageHorizontalFlip=flip))
    expected = np.rot90(WINDOWED, quarters)
    expected = expected[:, ::-1] if flip == "Y" else expected
    assert (drawn(http, STATE) == expected).all()


def test_ps3_3_c_10_4_only_the_displayed_area_is_shown(http: httpx.Client) -> None:
    area = {
        "DisplayedAreaTopLeftHandCorner": [5, 3],
        "DisplayedAreaBottomRightHandCorner": [20, 10],
        "PresentationSizeMode": "SCALE TO FIT",
    }
    put(http, image(), state(DisplayedAreaSelectionSequence=[area]))
    assert (drawn(http, STATE) == WINDOWED[2:10, 4:20]).all()


def test_ps3_3_c_7_6_11_outside_of_the_shutter_is_black(http: httpx.Client) -> None:
    shutter = {
        "ShutterShape": "RECTANGULAR",
        "ShutterLeftVerticalEdge": "3",
        "ShutterRightVerticalEdge": "12",
        "ShutterUpperHorizontalEdge": "5",
        "ShutterLowerHorizontalEdge": "9",
    }
    put(http, image(), state(**shutter))
    expected = np.zeros_like(WINDOWED)
    expected[4:9, 2:12] = WINDOWED[4:9, 2:12]
    assert (drawn(http, STATE) == expected).all()


def test_ps3_3_c_7_6_11_outside_of_a_polygonal_shutter_is_black(http: httpx.Client) -> None:
    # A triangle with its right angle in row 5, column 3; corners are row and column, from 1.
    shutter = {
        "ShutterShape": "POLYGONAL",
        "VerticesOfThePolygonalShutter": [5, 3, 5, 12, 14, 3],
    }
    put(http, image(), state(**shutter))
    expected = np.zeros_like(WINDOWED)
    for row in range(5, 15):
        expected[row - 1, 2 : 12 - (row - 5)] = WINDOWED[row - 1, 2 : 12 - (row - 5)]
    assert (drawn(http, STATE) == expected).all()


def test_ps3_3_c_10_5_graphics_lie_on_the_pixels_they_name(http: httpx.Client) -> None:
    line = {
        "GraphicAnnotationUnits": "PIXEL",
        "GraphicDimensions": 2,
        "NumberOfGraphicPoints": 2,
        "GraphicData": [3.5, 5.5, 19.5, 5.5],  # middles of pixels: 0\\0 is a corner (§C.10.5.1.1)
        "GraphicType": "POLYLINE",
    }
    marks = [{"GraphicLayer": "ONE", "GraphicObjectSequence": [line]}]
    put(http, image(np.zeros_like(RAMP)), state(GraphicAnnotationSequence=marks))
    found = drawn(http, STATE)
    assert (found[5, 3:20] == 255).all() and found.sum() == found[5].sum()


# --- what is no image ---------------------------------------------------------------------------


def code(meaning: str) -> list[dict[str, str]]:
    return [{"CodeValue": "1", "CodingSchemeDesignator": "99X", "CodeMeaning": meaning}]


REPORT = part10(
    series_uid="1.5",
    instance_uid="1.5.1",
    sop_class_uid=SR_STORAGE,
    Modality="SR",
    PatientName="Wang^Xiaodong=王^小東",
    ValueType="CONTAINER",
    ConceptNameCodeSequence=code("Report"),
    ContentSequence=[
        {
            "RelationshipType": "CONTAINS",
            "ValueType": "TEXT",
            "ConceptNameCodeSequence": code("Finding"),
            "TextValue": "无异常 <script>alert(1)</script>",
        },
        {
            "RelationshipType": "CONTAINS",
            "ValueType": "NUM",
            "ConceptNameCodeSequence": code("Length"),
            "MeasuredValueSequence": [
                {
                    "NumericValue": "12.5",
                    "MeasurementUnitsCodeSequence": [{"CodeValue": "mm", "CodeMeaning": "mm"}],
                }
            ],
        },
    ],
)


def test_ps3_18_8_7_4_a_report_is_a_text_that_can_be_read(http: httpx.Client) -> None:
    put(http, REPORT)
    page = http.get(f"{INSTANCE}/rendered", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "sandbox" in page.headers["content-security-policy"]
    assert "<b>Finding</b><p>无异常 &lt;script&gt;" in page.text and "<script" not in page.text
    assert "王 小東" in page.text and "12.5 mm" in page.text
    text = http.get(f"{INSTANCE}/rendered", headers={"Accept": "text/plain"}).text
    assert "  Finding: 无异常 <script>" in text and "  Length: 12.5 mm" in text
    xml = http.get(f"{INSTANCE}/rendered", headers={"Accept": "text/xml"})
    assert "NativeDicomModel" in xml.text and "无异常" in xml.text
    assert http.get(f"{INSTANCE}/rendered").headers["content-type"].startswith("text/html")
    assert http.get(f"{INSTANCE}/rendered", headers={"Accept": "image/png"}).status_code == 406


def test_ps3_18_8_7_4_an_encapsulated_document_is_what_it_is(http: httpx.Client) -> None:
    pdf = b"%PDF-1.4 of a few bytes "
    kind: dict[str, Any] = {
        "EncapsulatedDocument": pdf,
        "MIMETypeOfEncapsulatedDocument": "application/pdf",
    }
    put(http, part10(series_uid="1.5", instance_uid="1.5.1", **kind))
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    answer = http.get(f"{INSTANCE}/rendered", headers={"Accept": browser})
    assert answer.headers["content-type"] == "application/pdf" and answer.content == pdf


def test_ps3_18_8_7_4_a_video_is_its_stream_and_has_parts(http: httpx.Client) -> None:
    stream = bytes(range(256)) * 40
    put(http, image(transfer_syntax_uid=MPEG4, fragments=[stream], bits_allocated=8, frames=9))
    answer = http.get(f"{INSTANCE}/rendered", headers={"Accept": "video/*"})
    assert answer.headers["content-type"] == "video/mp4" and answer.content == stream
    part = http.get(
        f"{INSTANCE}/rendered", headers={"Accept": "video/mp4", "Range": "bytes=300-5000"}
    )
    assert part.status_code == 206 and part.content == stream[300:5001]


# --- the URI service ----------------------------------------------------------------------------


def wado(server: Server, **said: str) -> httpx.Response:
    asked = {
        "requestType": "WADO",
        "studyUID": STUDY_UID,
        "seriesUID": "1.5",
        "objectUID": "1.5.1",
        **said,
    }
    return httpx.get(f"{server.url}/wado", params=asked, trust_env=False)


def test_ps3_18_9_the_uri_service_draws_and_sends(http: httpx.Client, server: Server) -> None:
    file = image()
    put(http, file, state())
    window = {"windowCenter": "500", "windowWidth": "2000", "contentType": "image/png"}
    values = linear(RAMP.astype(float), 500, 2000)
    assert (picture(wado(server, **window)) == values).all()
    region = picture(wado(server, **window, region="0.25,0.5,0.75,1"))
    assert (region == values[12:, 8:24]).all()
    assert picture(wado(server, rows="12")).shape[:2] == (12, 16)
    assert wado(server).headers["content-type"] == "image/jpeg"
    sent = wado(server, contentType="application/dicom")
    assert sent.headers["content-type"].startswith("application/dicom") and sent.content == file
    rle = "1.2.840.10008.1.2.5"
    made = wado(server, contentType="application/dicom", transferSyntax=rle)
    assert dcmread(io.BytesIO(made.content)).file_meta.TransferSyntaxUID == rle
    shown = wado(
        server, contentType="image/png", presentationUID="1.7.1", presentationSeriesUID="1.7"
    )
    assert (picture(shown) == WINDOWED).all()
    below_the_root = httpx.get(
        f"{server.dicomweb}/wado",
        params=dict(httpx.QueryParams(wado(server).url.query)),
        trust_env=False,
    )
    assert below_the_root.headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"requestType": "OTHER"}, "requestType"),
        ({"studyUID": "no UID"}, "studyUID"),
        ({"objectUID": ""}, "objectUID"),
        ({"windowCenter": "40"}, "windowWidth"),
        ({"frameNumber": "2"}, "frameNumber"),
        ({"frameNumber": "x"}, "frameNumber"),
        ({"region": "0,0,2,1"}, "region"),
        ({"rows": "many"}, "rows"),
        ({"anonymize": "yes"}, "anonymize"),
    ],
)
def test_ps3_18_9_1_2_what_cannot_be_meant_is_400_and_named(
    http: httpx.Client, server: Server, said: dict[str, str], field: str
) -> None:
    put(http, image())
    answer = wado(server, **said)
    assert answer.status_code == 400
    assert answer.json()["field"] == field


@pytest.mark.parametrize("viewport", ["60,60", "128,128", "33,200", "200,200", "511,511"])
def test_a_smaller_picture_of_a_settled_frame_looks_as_one_of_the_whole_frame(
    server: Server, http: httpx.Client, viewport: str
) -> None:
    y, x = np.mgrid[0:500, 0:301] / 500
    slope = (600 * np.sin(9 * x + 4 * y) + 1000 * x + 800).astype("<u2")
    put(http, image(slope, bits_stored=12))
    asked = f"{SERIES}/instances/1.5.1/rendered?viewport={viewport}&window=1200,2400"
    accept = {"Accept": "image/png"}

    def drawn() -> npt.NDArray[np.float64]:
        body = http.get(asked, headers=accept)
        assert body.status_code == 200
        return np.asarray(Image.open(io.BytesIO(body.content))).astype(float)

    before = drawn()
    settle(server.archive, quiet_s=0)
    # What was drawn before is remembered for as long as the series has not changed.
    accept["X-Another"] = "question"
    after = drawn()
    assert after.shape == before.shape
    # The wavelet's pixels lie less than half a pixel of the picture beside the means.
    assert np.abs(after - before).mean() < 3
