"""Media types, transfer syntaxes and character sets (PS3.18 §8.7, §8.8; RFC 9110 §12.5.1)."""

from pydicom.dataset import Dataset

from tests.conformance.material import (
    BIG_ENDIAN,
    EXPLICIT,
    HTJ2K_LOSSLESS,
    IMPLICIT,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_LS,
    NAMES,
    RLE,
    Material,
    Sample,
)
from tests.conformance.reading import (
    AS_STORED,
    DICOM,
    JSON,
    NATIVE_MODEL,
    OCTETS,
    XML,
    agrees,
    data_set,
    only_file,
    same_pixels,
    values,
    xml_of,
)
from tests.conformance.rules import CHARSET, NEGOTIATION, Failed, Registrar
from tests.conformance.site import MediaType, Reply, Site

rule = Registrar(NEGOTIATION)


def metadata(
    site: Site, given: Material, accept: str | None, *, parameter: str | None = None
) -> Reply:
    """Metadata asked for with an Accept header and, before it, an accept parameter."""
    query = {} if parameter is None else {"accept": parameter}
    return site.get(given.having("ct1").path + "/metadata", accept=accept, query=query)


def is_json(reply: Reply) -> None:
    reply.expect(200).require(reply.essence == JSON, f"a body of {JSON}")
    reply.require(len(reply.items) == 1, "the instance")


def is_xml(reply: Reply) -> None:
    reply.expect(200)
    reply.require(len(reply.parts) == 1, "one part")
    part = reply.parts[0].media_type.essence
    reply.require(part == "application/dicom+xml", "a part of application/dicom+xml")


def is_files(reply: Reply, count: int = 1) -> list[Dataset]:
    parts = reply.expect(200).parts
    reply.require(len(parts) == count, f"{count} parts, not {len(parts)}")
    for part in parts:
        essence = part.media_type.essence
        reply.require(essence == "application/dicom", "parts of application/dicom")
    return [data_set(reply, part.content) for part in parts]


# --- metadata: which of JSON and XML ------------------------------------------------------------


@rule("10.4.4", "shall", "Metadata can be had as application/dicom+json.")
def metadata_as_json(site: Site, given: Material) -> None:
    is_json(metadata(site, given, JSON))


@rule("10.4.4", "shall", 'Metadata can be had as multipart/related; type="application/dicom+xml".')
def metadata_as_xml(site: Site, given: Material) -> None:
    is_xml(metadata(site, given, XML))


@rule("8.7.8.1", "shall", "Accept: */* gets the default media type of the resource.")
def a_wildcard_gets_the_default(site: Site, given: Material) -> None:
    is_json(metadata(site, given, "*/*"))


@rule("8.7.8.1", "shall", "A media range such as application/* gets a media type within it.")
def a_range_of_a_type_is_understood(site: Site, given: Material) -> None:
    reply = metadata(site, given, "application/*").expect(200)
    reply.require(reply.essence.startswith("application/"), "a type within application/*")
    reply.require(len(reply.items) == 1, "the instance")


@rule("RFC 9110 12.5.1", "shall", "A request without Accept takes any media type.")
def no_accept_means_anything(site: Site, given: Material) -> None:
    is_json(metadata(site, given, None))


@rule("8.7.8.1", "shall", "Of two media types the one with the higher q-value is selected.")
def the_heavier_type_wins(site: Site, given: Material) -> None:
    is_xml(metadata(site, given, f"{JSON};q=0.2, {XML};q=0.9"))
    is_json(metadata(site, given, f"{XML};q=0.2, {JSON};q=0.9"))


@rule("RFC 9110 12.4.2", "shall", "A media range without q weighs 1.")
def no_weight_is_one(site: Site, given: Material) -> None:
    is_xml(metadata(site, given, f"{JSON};q=0.5, {XML}"))


@rule("RFC 9110 12.4.2", "shall", "q=0 means not acceptable.")
def weight_zero_excludes(site: Site, given: Material) -> None:
    is_xml(metadata(site, given, f"{JSON};q=0, {XML};q=0.1"))


@rule("RFC 9110 12.5.1", "shall", "The most specific range that applies decides the weight.")
def the_most_specific_range_decides(site: Site, given: Material) -> None:
    is_xml(metadata(site, given, f"{JSON};q=0.1, */*;q=0.2, {XML};q=0.3"))
    is_json(metadata(site, given, f"*/*;q=0.9, {XML};q=0.1"))


@rule("8.7.8.1", "shall", "A media type that is not supported gives way to one that is.")
def unknown_types_are_passed_over(site: Site, given: Material) -> None:
    is_json(metadata(site, given, f"application/x-no-such-type, {JSON};q=0.1"))


@rule("RFC 9110 5.3", "shall", "Several Accept fields mean one list.")
def several_accept_fields_are_one_list(site: Site, given: Material) -> None:
    path = given.having("ct1").path + "/metadata"
    accepts = [("Accept", "application/x-no-such-type"), ("Accept", JSON)]
    is_json(site.get(path, headers=accepts))


@rule("RFC 9110 5.6.1.2", "shall", "Empty elements of a list are ignored.")
def empty_list_elements_are_ignored(site: Site, given: Material) -> None:
    is_json(metadata(site, given, f", ,{JSON},"))


@rule("RFC 9110 8.3.1", "shall", "Type, subtype and parameter names are case-insensitive.")
def types_are_case_insensitive(site: Site, given: Material) -> None:
    is_json(metadata(site, given, "Application/DICOM+JSON"))
    is_xml(metadata(site, given, 'Multipart/Related; TYPE="application/dicom+xml"'))


@rule("8.7.2", "shall", "Quoted and unquoted values of a parameter are equivalent.")
def quotes_make_no_difference(site: Site, given: Material) -> None:
    is_xml(metadata(site, given, "multipart/related; type=application/dicom+xml"))
    instance = given.having("ct1").path
    is_files(site.get(instance, accept="multipart/related; type=application/dicom"))


@rule("8.7.2", "shall", "Quoted and unquoted transfer syntaxes are equivalent.")
def quotes_around_a_transfer_syntax_make_no_difference(site: Site, given: Material) -> None:
    instance = given.having("ct1").path
    for text in (f'"{EXPLICIT}"', EXPLICIT, '"*"', "*"):
        is_files(site.get(instance, accept=f"{DICOM}; transfer-syntax={text}"))


@rule("RFC 9110 5.6.6", "shall", "Whitespace around the semicolon of a parameter is optional.")
def whitespace_around_parameters_is_optional(site: Site, given: Material) -> None:
    is_xml(metadata(site, given, 'multipart/related;type="application/dicom+xml"'))
    is_xml(metadata(site, given, 'multipart/related \t; \ttype="application/dicom+xml"'))


@rule("8.7.8.1", "shall", "When nothing acceptable is supported the answer is 406: metadata.")
def metadata_that_cannot_be_had_is_406(site: Site, given: Material) -> None:
    metadata(site, given, "audio/basic").expect(406)


@rule("8.7.8.1", "shall", "When nothing acceptable is supported the answer is 406: an instance.")
def an_instance_that_cannot_be_had_is_406(site: Site, given: Material) -> None:
    site.get(given.having("ct1").path, accept="audio/basic").expect(406)


@rule("8.7.8.1", "shall", "When nothing acceptable is supported the answer is 406: a frame.")
def a_frame_that_cannot_be_had_is_406(site: Site, given: Material) -> None:
    site.get(given.having("ct1").path + "/frames/1", accept="audio/basic").expect(406)


@rule("8.7.8.1", "shall", "When nothing acceptable is supported the answer is 406: a search.")
def a_search_that_cannot_be_had_is_406(site: Site, given: Material) -> None:
    query = {"PatientID": given.patient_id("ct")}
    site.get("/studies", accept="audio/basic", query=query).expect(406)


@rule("RFC 9110 15.5.7", "should", "A 406 says which representations there are.")
def a_406_says_what_could_be_had(site: Site, given: Material) -> None:
    reply = metadata(site, given, "audio/basic").expect(406)
    reply.require(JSON.encode() in reply.body, f"a body that names {JSON}")


@rule("8.7.8.1", "shall", "The query parameter accept is preferred to the header.")
def the_accept_parameter_comes_first(site: Site, given: Material) -> None:
    is_json(metadata(site, given, XML, parameter=JSON))
    is_xml(metadata(site, given, JSON, parameter=XML))


@rule("8.7.8.1", "shall", "When nothing in the accept parameter is supported the header decides.")
def the_header_decides_after_the_parameter(site: Site, given: Material) -> None:
    is_json(metadata(site, given, JSON, parameter="image/x-no-such-type"))


@rule("8.3.3.1", "shall", "The accept parameter holds a list.")
def the_accept_parameter_is_a_list(site: Site, given: Material) -> None:
    is_json(metadata(site, given, "audio/basic", parameter=f"image/x-no-such-type,{JSON}"))


@rule("8.7.8.1", "shall", "Ranges for other resources do not disturb (OHIF sends such a list).")
def a_list_for_several_resources_is_understood(site: Site, given: Material) -> None:
    is_json(metadata(site, given, f"{JSON}, multipart/related; type=application/octet-stream"))


@rule("8.7.3.2", "may", "Plain application/json is answered with JSON.")
def plain_json_is_json(site: Site, given: Material) -> None:
    reply = metadata(site, given, "application/json").optional(406).expect(200)
    reply.require(len(reply.items) == 1, "the instance")


# --- instances: single part and multipart -------------------------------------------------------


@rule("10.4.4", "shall", "The default of an instance is multipart/related of application/dicom.")
def the_default_of_an_instance_is_multipart(site: Site, given: Material) -> None:
    is_files(site.get(given.having("ct1").path, accept="*/*"))


@rule("10.4.4", "may", "One instance can be had as application/dicom without multipart.")
def one_instance_can_be_single_part(site: Site, given: Material) -> None:
    reply = site.get(given.having("ct1").path, accept="application/dicom").optional(400, 406)
    reply.expect(200).require(reply.essence == "application/dicom", "application/dicom")
    data_set(reply, reply.body)


@rule("10.4.4", "should", "A series asked for in a single part media type alone is a 406.")
def a_series_is_never_single_part(site: Site, given: Material) -> None:
    site.get(given.having("ct1").series, accept="application/dicom").expect(406)


@rule("10.4.4", "should", "Several frames asked for in a single part media type alone are a 406.")
def several_frames_are_never_single_part(site: Site, given: Material) -> None:
    path = given.having("multi").path + "/frames/1,2"
    site.get(path, accept="application/octet-stream").expect(406)


@rule("RFC 2387 3.1", "shall", "multipart/related names the type of its parts.")
def multipart_names_its_type(site: Site, given: Material) -> None:
    for path, accept, inner in (
        (given.having("ct1").path, DICOM, "application/dicom"),
        (given.having("ct1").path + "/metadata", XML, "application/dicom+xml"),
        (given.having("ct1").path + "/frames/1", OCTETS, "application/octet-stream"),
    ):
        reply = site.get(path, accept=accept).expect(200)
        said = reply.media_type.parameters.get("type", "").lower()
        reply.require(said == inner, f'type="{inner}" in Content-Type')
        reply.require(
            all(part.media_type.essence == inner for part in reply.parts),
            f"every part of {inner}",
        )


@rule(
    "8.7.9", "shall", "The Content-Type of each part says its transfer syntax, where not default."
)
def each_part_says_its_transfer_syntax(site: Site, given: Material) -> None:
    reply = site.get(given.having("multi").study, accept=AS_STORED).expect(200)
    for part in reply.parts:
        agrees(reply, part, data_set(reply, part.content))


@rule(
    "8.7.9", "should", "The Content-Type of each part says its transfer syntax, also the default."
)
def each_part_says_even_the_default_transfer_syntax(site: Site, given: Material) -> None:
    reply = site.get(given.having("ct1").path, accept=DICOM).expect(200)
    reply.require(
        all(part.transfer_syntax == EXPLICIT for part in reply.parts),
        f"transfer-syntax={EXPLICIT} in the Content-Type of the part, not "
        + repr([part.headers.get("content-type") for part in reply.parts]),
    )


# --- transfer syntaxes --------------------------------------------------------------------------


def explicit_of(site: Site, sample: Sample) -> None:
    reply = site.get(sample.path, accept=DICOM)
    found = only_file(reply)
    syntax = str(found.file_meta.TransferSyntaxUID)
    reply.require(syntax == EXPLICIT, f"the default transfer syntax {EXPLICIT}, not {syntax}")
    same_pixels(reply, found, sample)


@rule("8.7.3", "shall", "Without transfer-syntax an RLE instance comes in Explicit VR LE.")
def rle_is_decoded_by_default(site: Site, given: Material) -> None:
    explicit_of(site, given.having("rle"))


@rule("8.7.3", "shall", "Without transfer-syntax a JPEG-LS instance comes in Explicit VR LE.")
def jpeg_ls_is_decoded_by_default(site: Site, given: Material) -> None:
    explicit_of(site, given.having("jpeg-ls"))


@rule("8.7.3", "shall", "Without transfer-syntax a JPEG 2000 instance comes in Explicit VR LE.")
def jpeg_2000_is_decoded_by_default(site: Site, given: Material) -> None:
    explicit_of(site, given.having("jpeg-2000"))


@rule("8.7.3", "shall", "Without transfer-syntax an HTJ2K instance comes in Explicit VR LE.")
def htj2k_is_decoded_by_default(site: Site, given: Material) -> None:
    explicit_of(site, given.having("htj2k"))


@rule("8.7.3", "shall", "Without transfer-syntax a deflated instance comes in Explicit VR LE.")
def deflated_is_inflated_by_default(site: Site, given: Material) -> None:
    explicit_of(site, given.having("deflated"))


@rule("8.7.3", "should", "A lossy original, with the exception of §8.7.3, comes as it is.")
def a_lossy_original_comes_as_it_is(site: Site, given: Material) -> None:
    sample = given.having("jpeg")
    reply = site.get(sample.path, accept=DICOM)
    syntax = str(only_file(reply).file_meta.TransferSyntaxUID)
    reply.require(syntax == JPEG_BASELINE, f"{JPEG_BASELINE}, not {syntax}")


@rule("8.7.3.5.2", "shall", "transfer-syntax=* takes any; whatever comes holds the same pixels.")
def any_transfer_syntax_may_be_asked(site: Site, given: Material) -> None:
    for name in ("ct1", "rle", "jpeg-ls", "jpeg-2000", "htj2k"):
        sample = given.having(name)
        reply = site.get(sample.path, accept=AS_STORED)
        same_pixels(reply, only_file(reply), sample)


@rule("8.7.3.5.2", "should", "transfer-syntax=* gets an instance as it was stored.")
def a_star_gets_what_is_stored(site: Site, given: Material) -> None:
    for name in ("rle", "jpeg-ls", "jpeg-2000", "htj2k", "jpeg"):
        sample = given.having(name)
        reply = site.get(sample.path, accept=AS_STORED)
        syntax = str(only_file(reply).file_meta.TransferSyntaxUID)
        expected = sample.transfer_syntax
        reply.require(syntax == expected, f"{name} in {expected}, not {syntax}")


@rule("8.7.8.2", "shall", "The transfer syntax that was asked for, and is supported, is sent.")
def the_stored_transfer_syntax_may_be_asked(site: Site, given: Material) -> None:
    for name in ("rle", "jpeg-ls", "jpeg-2000", "htj2k", "jpeg"):
        sample = given.having(name)
        accept = f"{DICOM}; transfer-syntax={sample.transfer_syntax}"
        reply = site.get(sample.path, accept=accept)
        syntax = str(only_file(reply).file_meta.TransferSyntaxUID)
        reply.require(syntax == sample.transfer_syntax, f"{sample.transfer_syntax}, not {syntax}")


@rule("8.7.8.1", "shall", "A transfer syntax that cannot be had is a 406.")
def an_unknown_transfer_syntax_is_406(site: Site, given: Material) -> None:
    accept = f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.4.999"
    site.get(given.having("ct1").path, accept=accept).expect(406)


@rule("RFC 9110 12.5.1", "shall", "Transfer syntaxes are weighed by q like media types.")
def transfer_syntaxes_have_weights(site: Site, given: Material) -> None:
    sample = given.having("jpeg-2000")
    stored, default = f"{DICOM}; transfer-syntax={sample.transfer_syntax}", DICOM
    for accept, expected in (
        (f"{stored};q=0.3, {default};q=0.8", EXPLICIT),
        (f"{stored};q=0.8, {default};q=0.3", sample.transfer_syntax),
    ):
        reply = site.get(sample.path, accept=accept)
        syntax = str(only_file(reply).file_meta.TransferSyntaxUID)
        reply.require(syntax == expected, f"{expected}, not {syntax}")


def never(site: Site, sample: Sample, forbidden: str) -> None:
    for accept in (DICOM, AS_STORED, "*/*"):
        reply = site.get(sample.path, accept=accept)
        syntax = str(only_file(reply).file_meta.TransferSyntaxUID)
        reply.require(syntax != forbidden, f"any transfer syntax but {forbidden}")
        same_pixels(reply, only_file(reply), sample)
    reply = site.get(sample.path, accept=f"{DICOM}; transfer-syntax={forbidden}")
    if reply.status == 200:
        syntax = str(only_file(reply).file_meta.TransferSyntaxUID)
        reply.require(syntax != forbidden, f"any transfer syntax but {forbidden}")


@rule("8.7.3", "shall", "Implicit VR Little Endian never leaves, whatever was stored or asked.")
def implicit_never_leaves(site: Site, given: Material) -> None:
    never(site, given.having("implicit"), IMPLICIT)


@rule("8.7.3", "shall", "Explicit VR Big Endian never leaves, whatever was stored or asked.")
def big_endian_never_leaves(site: Site, given: Material) -> None:
    never(site, given.having("big-endian"), BIG_ENDIAN)


def transcoded(site: Site, sample: Sample, syntax: str, *, tolerance: int = 0) -> None:
    reply = site.get(sample.path, accept=f"{DICOM}; transfer-syntax={syntax}").optional(400, 406)
    found = only_file(reply)
    came = str(found.file_meta.TransferSyntaxUID)
    reply.require(came == syntax, f"{syntax}, not {came}")
    same_pixels(reply, found, sample, tolerance=tolerance)


def _transcoding(syntax: str, title: str) -> None:
    name = "to_" + title.lower().replace(" ", "_").replace("-", "_")

    def check(site: Site, given: Material) -> None:
        transcoded(site, given.having("monochrome2"), syntax)

    check.__name__ = name
    rule("8.7.3.1", "may", f"A native instance can be had in {title}, its pixels the same.")(check)


for _syntax, _title in (
    (RLE, "RLE Lossless"),
    (JPEG_LS, "JPEG-LS Lossless"),
    (JPEG_2000_LOSSLESS, "JPEG 2000 Lossless"),
    (HTJ2K_LOSSLESS, "HTJ2K Lossless"),
):
    _transcoding(_syntax, _title)


@rule(
    "8.7.3.1", "may", "An 8 bit native instance can be had in JPEG Baseline, and says it is lossy."
)
def to_jpeg_baseline(site: Site, given: Material) -> None:
    sample = given.having("rgb")
    accept = f"{DICOM}; transfer-syntax={JPEG_BASELINE}"
    reply = site.get(sample.path, accept=accept).optional(400, 406)
    found = only_file(reply)
    came = str(found.file_meta.TransferSyntaxUID)
    reply.require(came == JPEG_BASELINE, f"{JPEG_BASELINE}, not {came}")
    # PS3.3 §C.7.6.1.1.5: once an image has been lossy compressed it shall say so.
    said = str(found.get("LossyImageCompression"))
    reply.require(said == "01", f"Lossy Image Compression 01, not {said}")


@rule("8.7.3.1", "may", "A compressed instance can be had in another lossless compression.")
def from_one_compression_to_another(site: Site, given: Material) -> None:
    transcoded(site, given.having("rle"), JPEG_2000_LOSSLESS)


# --- character sets -----------------------------------------------------------------------------

charset = Registrar(CHARSET)


def _names_of(site: Site, given: Material, sample: str) -> tuple[Reply, dict[str, str]]:
    reply = site.get(given.having(sample).path + "/metadata", accept=JSON).expect(200)
    found = values(reply.items[0], "00100010")
    reply.require(len(found) == 1 and isinstance(found[0], dict), "a Patient's Name")
    return reply, dict(found[0])


def _name_rule(sample: str) -> None:
    stored = NAMES[sample][0]
    title = stored if isinstance(stored, str) else "\\".join(stored)
    groups = NAMES[sample][1].split("=")
    wanted = dict(zip(("Alphabetic", "Ideographic", "Phonetic"), groups, strict=False))

    def check(site: Site, given: Material) -> None:
        reply, found = _names_of(site, given, sample)
        reply.require(found == wanted, f"{wanted}, not {found}")

    check.__name__ = f"names_in_{sample}_come_in_utf8"
    sentence = f"A name stored in {title} comes in UTF-8 JSON, its component groups apart."
    charset("F.2.2", "shall", sentence)(check)


for _sample in NAMES:
    _name_rule(_sample)


@charset("8.8.5", "shall", "Names in native DICOM XML come in the document's character set.")
def names_in_xml_are_right(site: Site, given: Material) -> None:
    reply = site.get(given.having("chinese").path + "/metadata", accept=XML).expect(200)
    root = xml_of(reply, reply.parts[0])
    texts = [element.text or "" for element in root.iter()]
    reply.require("张" in texts and "Zhang" in texts, "张 and Zhang as components of the name")


@charset("PS3.19 A.1", "shall", "Native DICOM XML has the root NativeDicomModel in its namespace.")
def xml_is_the_native_model(site: Site, given: Material) -> None:
    reply = site.get(given.having("ct1").path + "/metadata", accept=XML).expect(200)
    root = xml_of(reply, reply.parts[0])
    names = (NATIVE_MODEL + "NativeDicomModel", "NativeDicomModel")
    reply.require(root.tag in names, f"the root NativeDicomModel, not {root.tag}")


@charset("RFC 8259 8.1", "shall", "JSON is UTF-8 without a byte order mark.")
def json_has_no_byte_order_mark(site: Site, given: Material) -> None:
    reply = site.get(given.having("chinese").path + "/metadata", accept=JSON).expect(200)
    reply.require(not reply.body.startswith(b"\xef\xbb\xbf"), "no byte order mark")
    try:
        reply.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise reply.failed(f"UTF-8 ({error})") from None


@charset("8.8.2", "shall", "The query parameter charset=utf-8 is supported.")
def the_charset_parameter_takes_utf8(site: Site, given: Material) -> None:
    for value in ("utf-8", "UTF-8"):
        path = given.having("chinese").path + "/metadata"
        site.get(path, accept=JSON, query={"charset": value}).expect(200)


@charset("8.8.3", "shall", "Accept-Charset: utf-8, with or without weights, is supported.")
def accept_charset_takes_utf8(site: Site, given: Material) -> None:
    for value in ("utf-8", "iso-8859-1;q=0.5, utf-8", "*"):
        path = given.having("chinese").path + "/metadata"
        site.get(path, accept=JSON, headers={"Accept-Charset": value}).expect(200)


@charset("8.7.3.5.3", "should", "A charset parameter of the media type itself is understood.")
def a_charset_in_the_media_type_is_understood(site: Site, given: Material) -> None:
    path = given.having("chinese").path + "/metadata"
    reply = site.get(path, accept=f"{JSON}; charset=utf-8").expect(200)
    said = MediaType.parse(reply.headers["content-type"])
    if said.parameters.get("charset", "utf-8").lower() != "utf-8":
        raise Failed(f"{reply.asked}: expected UTF-8, seen {reply.said()}")
