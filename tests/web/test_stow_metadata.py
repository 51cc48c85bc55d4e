"""STOW-RS of metadata and bulk data (PS3.18 §10.5.1.4 and §10.5.2)."""

import json
from io import BytesIO
from typing import Any

import httpx
import imagecodecs
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames

from tests.dicom.build import CT_IMAGE_STORAGE

BOUNDARY = "between"
OCTETS = "application/octet-stream"
PICTURE = np.add.outer(np.arange(32), np.arange(48)).astype("u1")
COLOURS = np.stack([PICTURE, PICTURE[::-1], PICTURE // 2], axis=-1)

Part = tuple[str, str, bytes]
"""Content-Type, Content-Location, content."""


def body_of(metadata: bytes, inner: str, *parts: Part) -> bytes:
    pieces = [f"--{BOUNDARY}\r\nContent-Type: {inner}\r\n\r\n".encode() + metadata]
    for kind, location, content in parts:
        head = f"--{BOUNDARY}\r\nContent-Type: {kind}\r\n"
        head += f"Content-Location: {location}\r\n\r\n" if location else "\r\n"
        pieces.append(head.encode() + content)
    return b"\r\n".join([*pieces, f"--{BOUNDARY}--\r\n".encode()])


def sent(
    http: httpx.Client, *documents: Any, parts: tuple[Part, ...] = (), xml: bytes = b""
) -> httpx.Response:
    inner = "application/dicom+xml" if xml else "application/dicom+json"
    body = body_of(xml or json.dumps(documents).encode(), inner, *parts)
    kind = f'multipart/related; type="{inner}"; boundary={BOUNDARY}'
    return http.post("/studies", content=body, headers={"Content-Type": kind})


def model(uid: str = "1.2.3", *, pixels: str = "", described: bool = True, **facts: Any) -> Any:
    """DICOM JSON of an instance whose Pixel Data is at the URI `pixels`."""
    dataset = Dataset()
    dataset.SOPClassUID = CT_IMAGE_STORAGE
    dataset.SOPInstanceUID = uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2", "1.2.1"
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "17"
    if described:
        dataset.Rows, dataset.Columns = PICTURE.shape
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 7, 0, 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
    for keyword, value in facts.items():
        setattr(dataset, keyword, value)
    found = dataset.to_json_dict()
    if pixels:
        found["7FE00010"] = {"vr": "OW", "BulkDataURI": pixels}
    return found


def stored(http: httpx.Client, uid: str = "1.2.3") -> Dataset:
    """The instance as it is kept."""
    accept = {"Accept": "application/dicom; transfer-syntax=*"}
    response = http.get(f"/studies/1.2/series/1.2.1/instances/{uid}", headers=accept)
    assert response.status_code == 200, response.text
    return dcmread(BytesIO(response.content))


def test_ps3_18_10_5_1_4_metadata_in_json_with_octets(http: httpx.Client) -> None:
    part = (OCTETS, "bulk/1", PICTURE.tobytes())
    response = sent(http, model(pixels="bulk/1"), parts=(part,))
    assert response.status_code == 200, response.text
    found = stored(http)
    assert found.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert found.PatientName == "Doe^Jane"
    assert (found.pixel_array == PICTURE).all()


@pytest.mark.parametrize("uri", ["bulk/1", "http://elsewhere.example/b?x=1", "cid:pixels"])
def test_ps3_18_10_5_1_4_a_part_is_named_by_any_uri(http: httpx.Client, uri: str) -> None:
    part = (OCTETS, uri, PICTURE.tobytes())
    assert sent(http, model(pixels=uri), parts=(part,)).status_code == 200


def test_ps3_18_10_5_1_4_metadata_in_xml(http: httpx.Client) -> None:
    xml = """<?xml version="1.0" encoding="UTF-8"?>
    <NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">
      <DicomAttribute tag="00080016" vr="UI"><Value number="1">1.2.840.10008.5.1.4.1.1.7</Value>
      </DicomAttribute>
      <DicomAttribute tag="00080018" vr="UI"><Value number="1">1.2.3</Value></DicomAttribute>
      <DicomAttribute tag="0020000D" vr="UI"><Value number="1">1.2</Value></DicomAttribute>
      <DicomAttribute tag="0020000E" vr="UI"><Value number="1">1.2.1</Value></DicomAttribute>
      <DicomAttribute tag="00100010" vr="PN"><PersonName number="1">
        <Alphabetic><FamilyName>Zhang</FamilyName><GivenName>Wei</GivenName></Alphabetic>
        <Ideographic><FamilyName>张</FamilyName><GivenName>伟</GivenName></Ideographic>
      </PersonName></DicomAttribute>
      <DicomAttribute tag="00090001" vr="LO" privateCreator="ACME"><Value number="1">x</Value>
      </DicomAttribute>
      <DicomAttribute tag="00280008" vr="IS"><Value number="1">2</Value></DicomAttribute>
      <DicomAttribute tag="00400275" vr="SQ"><Item number="1">
        <DicomAttribute tag="00400009" vr="SH"><Value number="1">A1</Value></DicomAttribute>
      </Item></DicomAttribute>
      <DicomAttribute tag="00091002" vr="OB"><BulkData uri="b"/></DicomAttribute>
    </NativeDicomModel>"""
    response = sent(http, xml=xml.encode(), parts=((OCTETS, "b", b"odd"),))
    assert response.status_code == 200, response.text
    found = stored(http)
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found.PatientName == "Zhang^Wei=张^伟"
    assert found.private_block(0x0009, "ACME")[0x01].value == "x"
    assert found.NumberOfFrames == 2
    assert found.RequestAttributesSequence[0].ScheduledProcedureStepID == "A1"


@pytest.mark.parametrize(
    ("media_type", "encoded", "syntax"),
    [
        ("image/jpeg", imagecodecs.jpeg8_encode(PICTURE, level=95), "1.2.840.10008.1.2.4.50"),
        ("image/jpeg", imagecodecs.ljpeg_encode(PICTURE), "1.2.840.10008.1.2.4.57"),
        ("image/jls", imagecodecs.jpegls_encode(PICTURE), "1.2.840.10008.1.2.4.80"),
        ("image/jls", imagecodecs.jpegls_encode(PICTURE, level=2), "1.2.840.10008.1.2.4.81"),
        (
            "image/jp2",
            imagecodecs.jpeg2k_encode(PICTURE, level=0, reversible=True),
            "1.2.840.10008.1.2.4.90",
        ),
        (
            "image/jp2",
            imagecodecs.jpeg2k_encode(PICTURE, level=40, codecformat="j2k"),
            "1.2.840.10008.1.2.4.91",
        ),
        ("image/jphc", imagecodecs.htj2k_encode(PICTURE), "1.2.840.10008.1.2.4.201"),
    ],
)
def test_ps3_18_10_5_2_compressed_pixels_are_encapsulated_and_described(
    http: httpx.Client, media_type: str, encoded: bytes, syntax: str
) -> None:
    document = model(pixels="p", described=False)
    response = sent(http, document, parts=((media_type, "p", bytes(encoded)),))
    assert response.status_code == 200, response.text
    found = stored(http)
    assert found.file_meta.TransferSyntaxUID == syntax
    assert (found.Rows, found.Columns, found.SamplesPerPixel) == (32, 48, 1)
    assert (found.BitsAllocated, found.BitsStored, found.HighBit) == (8, 8, 7)
    assert found.PhotometricInterpretation == "MONOCHROME2"
    assert ("LossyImageCompression" in found) == (syntax[-2:] in ("50", "81", "91"))
    frame = next(generate_frames(found.PixelData, number_of_frames=1))
    assert bytes(encoded).endswith(frame.rstrip(b"\0")[-40:])
    (frames,) = http.get(
        "/studies/1.2/series/1.2.1/instances/1.2.3/frames/1", headers={"Accept": OCTETS}
    ).iter_bytes(PICTURE.size)
    apart = np.abs(np.frombuffer(frames, "u1").astype(int) - PICTURE.ravel())
    assert apart.max() <= 8


def test_ps3_18_10_5_2_colours_are_named_as_the_codestream_has_them(http: httpx.Client) -> None:
    jpeg = imagecodecs.jpeg8_encode(COLOURS, level=95)
    part = ("image/jpeg", "p", bytes(jpeg))
    sent(http, model(pixels="p", described=False), parts=(part,))
    assert stored(http).PhotometricInterpretation == "YBR_FULL_422"
    assert stored(http).PlanarConfiguration == 0
    j2k = bytes(imagecodecs.jpeg2k_encode(COLOURS, level=0, reversible=True, mct=True))
    sent(http, model("1.2.4", pixels="p", described=False), parts=(("image/jp2", "p", j2k),))
    assert stored(http, "1.2.4").PhotometricInterpretation in ("YBR_RCT", "RGB")


def test_ps3_18_10_5_2_frames_of_one_uri_are_frames_of_one_instance(http: httpx.Client) -> None:
    parts = tuple(
        ("image/jls", "p", bytes(imagecodecs.jpegls_encode(PICTURE // n))) for n in (1, 2, 3)
    )
    assert sent(http, model(pixels="p"), parts=parts).status_code == 200
    found = stored(http)
    assert found.NumberOfFrames == 3
    assert (found.pixel_array[2] == PICTURE // 3).all()


def test_ps3_18_10_5_3_what_is_put_right_is_warned_of_and_kept(http: httpx.Client) -> None:
    part = ("image/jls", "p", bytes(imagecodecs.jpegls_encode(PICTURE)))
    response = sent(http, model(pixels="p", Rows=99), parts=(part,))
    assert response.status_code == 202
    (item,) = response.json()["00081199"]["Value"]
    assert item["00081196"]["Value"] == [0xB000]
    found = stored(http)
    assert found.Rows == 32
    (original,) = found.OriginalAttributesSequence
    assert original.ReasonForTheAttributeModification == "COERCE"
    assert original.ModifiedAttributesSequence[0].Rows == 99
    assert original.ModifyingSystem.startswith("dicomweb-server")
    assert original.AttributeModificationDateTime.endswith("+0000")


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [
        ("video/mp4", "1.2.840.10008.1.2.4.102"),
        ("video/mp4; transfer-syntax=1.2.840.10008.1.2.4.104", "1.2.840.10008.1.2.4.104"),
    ],
)
def test_ps3_18_10_5_2_a_video_is_one_fragment(http: httpx.Client, kind: str, syntax: str) -> None:
    video = bytes(range(256)) * 41 + b"!"
    response = sent(http, model(pixels="v", NumberOfFrames=9), parts=((kind, "v", video),))
    assert response.status_code == 200, response.text
    found = stored(http)
    assert found.file_meta.TransferSyntaxUID == syntax
    assert found.PixelData[16 : 16 + len(video)] == video


def test_ps3_18_10_5_1_4_a_document_is_the_value_of_its_attribute(http: httpx.Client) -> None:
    document = model(described=False, SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1")
    document["00420011"] = {"vr": "OB", "BulkDataURI": "d"}
    pdf = b"%PDF-1.7 " + b"x" * 300_000
    assert sent(http, document, parts=(("application/pdf", "d", pdf),)).status_code == 200
    assert stored(http).EncapsulatedDocument == pdf + b"\0"


def test_ps3_18_10_5_3_one_without_its_bulk_data_fails_alone(http: httpx.Client) -> None:
    documents = (model("1.2.3", pixels="nowhere"), model("1.2.4", PatientName="张^伟"))
    response = sent(http, *documents)
    assert response.status_code == 202
    (failed,) = response.json()["00081198"]["Value"]
    assert failed["00081155"]["Value"] == ["1.2.3"]
    assert failed["00081197"]["Value"] == [0xC000]
    assert "no part has that Content-Location" in failed["00091001"]["Value"][0]
    assert stored(http, "1.2.4").PatientName == "张^伟"


@pytest.mark.parametrize(
    ("element", "sentence"),
    [
        ({"00100020": {"vr": "XX", "Value": ["1"]}}, "(0010,0020) has vr 'XX'"),
        ({"00280010": {"vr": "US", "Value": ["x"]}}, "(0028,0010) has a Value that cannot be"),
        ({"00280010": {"vr": "US", "Value": [70000]}}, "(0028,0010) has a Value that cannot be"),
        ({"00100010": {"vr": "PN", "Value": ["Doe"]}}, "(0010,0010) has a Value that cannot be"),
        ({"00091001": {"vr": "OB", "InlineBinary": "?"}}, "is no base64"),
        ({"0010": {"vr": "LO"}}, "which is no tag"),
        ({"00400275": {"vr": "SQ", "Value": [7]}}, "has an item 1 that is no data set"),
        ({"00080018": {"vr": "UI"}}, "(0008,0018) is missing"),
    ],
)
def test_metadata_that_cannot_be_written_is_refused_with_the_attribute(
    http: httpx.Client, element: Any, sentence: str
) -> None:
    response = sent(http, {**model(), **element})
    assert response.status_code == 409
    answer = response.json()
    (item,) = (answer.get("00081198") or answer["0008119A"])["Value"]
    assert sentence in item["00091001"]["Value"][0]


@pytest.mark.parametrize("text", [b"{", b"[1]", b'{"a', b"[" * 3000])
def test_what_is_no_metadata_is_refused(http: httpx.Client, text: bytes) -> None:
    kind = f'multipart/related; type="application/dicom+json"; boundary={BOUNDARY}'
    body = body_of(text, "application/dicom+json")
    response = http.post("/studies", content=body, headers={"Content-Type": kind})
    assert response.status_code == 409
    assert "JSON" in response.json()["0008119A"]["Value"][0]["00091001"]["Value"][0]


@pytest.mark.parametrize(
    "xml",
    [
        b'<!DOCTYPE x [<!ENTITY a "b">]><NativeDicomModel/>',
        b"<Other/>",
        b"<NativeDicomModel><x></NativeDicomModel>",
        b"<a>" * 5000,
        b'<NativeDicomModel><DicomAttribute tag="00280010" vr="US"><Value number="99999999999"/>'
        b"</DicomAttribute></NativeDicomModel>",
    ],
)
def test_xml_that_is_none_is_refused(http: httpx.Client, xml: bytes) -> None:
    response = sent(http, xml=xml)
    assert response.status_code == 409
    assert "XML" in response.json()["0008119A"]["Value"][0]["00091001"]["Value"][0]


def test_a_body_that_breaks_off_stores_nothing(http: httpx.Client) -> None:
    kind = f'multipart/related; type="application/dicom+json"; boundary={BOUNDARY}'
    body = body_of(json.dumps(model()).encode(), "application/dicom+json")[:-20]
    response = http.post("/studies", content=body, headers={"Content-Type": kind})
    assert response.status_code == 400
    assert http.get("/studies").status_code == 204


def test_a_part_that_nobody_can_name_is_another_failure(http: httpx.Client) -> None:
    response = sent(http, model(), parts=((OCTETS, "", b"lost"),))
    assert response.status_code == 202
    (failed,) = response.json()["0008119A"]["Value"]
    assert "has no Content-Location" in failed["00091001"]["Value"][0]


def test_values_that_are_large_go_through_a_file(http: httpx.Client) -> None:
    pixels = np.arange(3000 * 1500, dtype="<u2").tobytes()
    large: dict[str, Any] = {
        "Rows": 3000,
        "Columns": 1500,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
    }
    documents = [model(f"1.2.{n}", pixels="p", **large) for n in (3, 4)]
    assert sent(http, *documents, parts=((OCTETS, "p", pixels),)).status_code == 200
    for n in (3, 4):
        assert stored(http, f"1.2.{n}").PixelData == pixels
