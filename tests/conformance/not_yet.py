"""What our server lacks of the rules, each gap with its reason; CONFORMANCE.md says so too.

The list only shrinks: `test_ours.py` fails when a rule is broken that is not listed here, and when
one holds that is. Whoever closes a gap deletes its line here, then runs
`python -m tests.conformance.report`.
"""

GAPS: dict[str, tuple[str, ...]] = {
    "A parameter that is no attribute is refused by name, where the standard has it ignored.": (
        "a_search_ignores_unknown_parameters",
    ),
    "Values of some parameters are not checked yet.": ("a_day_that_no_month_has_is_refused",),
    "Multiple value matching takes any of the values, where PS3.4 wants all.": (
        "multiple_value_matching_is_and",
    ),
    "A search leaves out required attributes that have no value.": (
        "required_attributes_are_returned_empty",
    ),
    "Warning 299 has no number unless the total is known; `count=true` makes it known.": (
        "remaining_results_are_counted",
    ),
    "Metadata with bulk data apart is not stored yet.": (
        "metadata_in_json_with_octets",
        "metadata_in_xml_with_octets",
        "metadata_with_image_jpeg",
        "metadata_with_image_jls",
        "metadata_with_image_jp2",
        "metadata_with_image_jphc",
        "metadata_with_video_mp4",
        "image_pixel_attributes_are_derived",
        "metadata_with_a_document",
        "metadata_alone_is_stored",
        "missing_bulk_data_fails_alone",
    ),
}

NOT_YET: dict[str, str] = {name: reason for reason, names in GAPS.items() for name in names}
"""Rule -> why it does not hold yet."""
