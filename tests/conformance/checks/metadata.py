"""Metadata of studies, series and instances (PS3.18 §10.4.1.1.2)."""

from tests.conformance.checks.instances import stored_of_study
from tests.conformance.material import PRIVATE_CREATOR, Material, new_uid
from tests.conformance.reading import (
    JSON,
    NATIVE_MODEL,
    XML,
    bulk_uris,
    first,
    uids,
    values,
    xml_of,
)
from tests.conformance.rules import METADATA, Registrar
from tests.conformance.site import Site

rule = Registrar(METADATA)

SOP_INSTANCE_UID = "00080018"


@rule("10.4.1.1.2", "shall", "Metadata of a study has an object for each of its instances.")
def metadata_of_a_study(site: Site, given: Material) -> None:
    reply = site.get(given.having("ct1").study + "/metadata", accept=JSON).expect(200)
    wanted = sorted(one.uid for one in stored_of_study(given, "ct1"))
    reply.require(sorted(uids(reply.items, SOP_INSTANCE_UID)) == wanted, f"{len(wanted)} objects")


@rule("10.4.1.1.2", "shall", "Metadata of a study of every kind of object comes whole.")
def metadata_of_a_mixed_study(site: Site, given: Material) -> None:
    for name in ("multi", "values"):
        reply = site.get(given.having(name).study + "/metadata", accept=JSON).expect(200)
        wanted = sorted(one.uid for one in stored_of_study(given, name))
        found = sorted(uids(reply.items, SOP_INSTANCE_UID))
        reply.require(found == wanted, f"{len(wanted)} objects")


@rule("10.4.1.1.2", "shall", "Metadata of a series has its instances and no other's.")
def metadata_of_a_series(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    reply = site.get(sample.series + "/metadata", accept=JSON).expect(200)
    wanted = sorted(one.uid for one in stored_of_study(given, "ct1") if one.series == sample.series)
    reply.require(sorted(uids(reply.items, SOP_INSTANCE_UID)) == wanted, f"{len(wanted)} objects")


@rule("10.4.1.1.2", "shall", "Metadata of an instance is an array of one object.")
def metadata_of_an_instance(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    reply = site.get(sample.path + "/metadata", accept=JSON).expect(200)
    reply.require(uids(reply.items, SOP_INSTANCE_UID) == [sample.uid], "the instance")


@rule("10.4.1.1.2", "shall", "Metadata in XML has a part for each instance.")
def metadata_in_xml_has_a_part_each(site: Site, given: Material) -> None:
    reply = site.get(given.having("ct1").study + "/metadata", accept=XML).expect(200)
    found: list[str] = []
    for part in reply.parts:
        for element in xml_of(reply, part):
            if element.get("tag") == SOP_INSTANCE_UID:
                found += [one.text or "" for one in element if one.tag.endswith("Value")]
    wanted = sorted(one.uid for one in stored_of_study(given, "ct1"))
    reply.require(sorted(found) == wanted, f"{len(wanted)} parts, each with its SOP Instance UID")


@rule("10.4.1.1.2", "shall", "Metadata has no File Meta Information.")
def metadata_has_no_group_2(site: Site, given: Material) -> None:
    reply = site.get(given.having("ct1").path + "/metadata", accept=JSON).expect(200)
    odd = [tag for tag in reply.items[0] if tag.startswith("0002")]
    reply.require(not odd, f"no {odd}")


@rule("10.4.1.1.2", "shall", "Metadata has all attributes of the data set.")
def metadata_has_all_attributes(site: Site, given: Material) -> None:
    for name in ("ct1", "sr", "pdf"):
        sample = given.having(name)
        reply = site.get(sample.path + "/metadata", accept=JSON).expect(200)
        wanted = {f"{element.tag:08X}" for element in sample.dataset}
        lacking = sorted(wanted - {"7FE00010"} - set(reply.items[0]))
        reply.require(not lacking, f"{lacking} in {name}")


@rule("10.4.1.1.2", "shall", "Metadata has private attributes and their creators.")
def metadata_has_private_attributes(site: Site, given: Material) -> None:
    reply = site.get(given.having("values").path + "/metadata", accept=JSON).expect(200)
    item = reply.items[0]
    reply.require(values(item, "00090010") == [PRIVATE_CREATOR], "the private creator (0009,0010)")
    reply.require(values(item, "00091001") == ["private text"], "the private text (0009,1001)")


@rule("10.4.1.1.2", "should", "Pixel data is not in metadata but a BulkDataURI stands for it.")
def pixel_data_is_a_bulk_data_uri(site: Site, given: Material) -> None:
    for name in ("ct1", "multi", "jpeg-2000"):
        reply = site.get(given.having(name).path + "/metadata", accept=JSON).expect(200)
        found = bulk_uris(reply.items[0])
        reply.require("7FE00010" in found, f"a BulkDataURI of (7FE0,0010) in {name}")


@rule("10.4.1.1.2", "should", "Large values of private attributes are replaced by a BulkDataURI.")
def large_private_values_are_bulk_data(site: Site, given: Material) -> None:
    reply = site.get(given.having("values").path + "/metadata", accept=JSON).expect(200)
    found = bulk_uris(reply.items[0])
    for path in ("00091002", "00091006/0/00091002"):
        reply.require(path in found, f"a BulkDataURI of {path}, not only of {sorted(found)}")


@rule("10.4.1.1.2", "should", "Metadata is in the order of Instance Number within a series.")
def metadata_is_in_order(site: Site, given: Material) -> None:
    reply = site.get(given.having("ct1").series + "/metadata", accept=JSON).expect(200)
    numbers = [int(first(item, "00200013")) for item in reply.items]
    reply.require(numbers == sorted(numbers), f"it in order, not {numbers}")


@rule("10.4.3.1", "shall", "Metadata of what is not there is a 404.")
def metadata_of_nothing_is_404(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    for path in (
        f"/studies/{new_uid()}",
        f"{sample.study}/series/{new_uid()}",
        f"{sample.series}/instances/{new_uid()}",
    ):
        site.get(path + "/metadata", accept=JSON).expect(404)


@rule(
    "PS3.19 A.1.5", "shall", "Each attribute in XML has its tag and VR, and its keyword if public."
)
def xml_attributes_have_tag_vr_and_keyword(site: Site, given: Material) -> None:
    reply = site.get(given.having("values").path + "/metadata", accept=XML).expect(200)
    seen = 0
    for element in xml_of(reply, reply.parts[0]).iter(NATIVE_MODEL + "DicomAttribute"):
        tag, vr = element.get("tag") or "", element.get("vr") or ""
        seen += 1
        reply.require(len(tag) == 8 and len(vr) == 2, f"a tag and a VR, not {element.attrib}")
        if int(tag[:4], 16) % 2 == 0:
            reply.require(bool(element.get("keyword")), f"a keyword of {tag}")
        elif tag[4:6] != "00":
            creator = element.get("privateCreator")
            reply.require(creator == PRIVATE_CREATOR, f"the privateCreator of {tag}, not {creator}")
    reply.require(seen > 20, "DicomAttribute elements in the namespace of PS3.19")
