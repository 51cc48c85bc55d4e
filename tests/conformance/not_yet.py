"""What our server lacks of the rules, each gap with its reason; CONFORMANCE.md says so too.

The list only shrinks: `test_ours.py` fails when a rule is broken that is not listed here, and when
one holds that is. Whoever closes a gap deletes its line here, then runs
`python -m tests.conformance.report`.
"""

GAPS: dict[str, tuple[str, ...]] = {
    "A parameter that is no attribute is refused by name, where the standard has it ignored.": (
        "a_search_ignores_unknown_parameters",
    ),
    "Values of some parameters are not checked yet.": (
        "a_day_that_no_month_has_is_refused",
        "an_unknown_charset_parameter_is_refused",
    ),
    "An accept parameter hides the header even when nothing in it is supported.": (
        "the_header_decides_after_the_parameter",
    ),
    "Multiple value matching takes any of the values, where PS3.4 wants all.": (
        "multiple_value_matching_is_and",
    ),
    "A search leaves out required attributes that have no value.": (
        "required_attributes_are_returned_empty",
    ),
    "Warning 299 has no number unless the total is known; `count=true` makes it known.": (
        "remaining_results_are_counted",
    ),
    "A request without Host is taken as one for the address it came to.": (
        "a_request_without_host_is_400",
    ),
    "Nothing is encoded on request yet.": (
        "to_rle_lossless",
        "to_jpeg_ls_lossless",
        "to_jpeg_2000_lossless",
        "to_htj2k_lossless",
        "to_jpeg_baseline",
        "from_one_compression_to_another",
        "native_frames_as_htj2k",
        "native_frames_as_jpeg_ls",
    ),
    "OPTIONS on the base URI is not described yet.": (
        "options_describes_the_service",
        "options_without_the_slash",
        "the_description_is_wadl",
        "the_description_has_the_base",
        "the_description_has_studies",
        "the_description_has_the_tree",
        "the_description_in_json",
        "a_description_that_cannot_be_had",
    ),
    "There is no URI service yet.": (
        "uri_gets_an_instance",
        "uri_sends_explicit_by_default",
        "uri_honours_transfer_syntax",
        "uri_renders_by_default",
        "uri_gets_a_png",
        "uri_content_type_that_cannot_be_had",
        "uri_request_type_is_mandatory",
        "uri_object_uid_is_mandatory",
        "uri_study_and_series_are_mandatory",
        "uri_unknown_instance",
        "uri_instance_of_another_study",
        "uri_rows_and_columns",
        "uri_window",
        "uri_half_a_window",
        "uri_frame_number",
        "uri_frame_beyond_the_last",
        "uri_image_quality",
        "uri_region",
        "uri_lossy_instance_as_it_is",
    ),
    "The resources bulkdata and pixeldata are not there yet.": (
        "an_instance_as_octets_is_its_bulk_data",
        "a_series_as_octets_is_its_bulk_data",
        "bulkdata_of_an_instance",
        "bulkdata_of_a_series",
        "bulkdata_of_a_study",
        "pixeldata_of_an_instance",
        "pixeldata_of_a_series",
        "pixeldata_of_a_study",
        "pixeldata_has_a_content_location",
        "pixeldata_is_in_order",
    ),
    "Zip archives are not made yet.": (
        "a_study_as_zip",
        "a_series_as_zip",
        "a_zip_has_a_dicomdir",
    ),
    "Rendering lacks this yet.": (
        "rendered_as_gif",
        "multi_frame_as_gif",
        "window_linear_exact",
        "window_sigmoid",
        "viewport_of_six",
        "annotation_is_burned_in",
        "icc_profile_is_in_the_picture",
        "several_frames_are_rendered",
        "a_presentation_state_is_rendered",
        "a_video_as_mp4",
    ),
    "Reports and documents are not rendered yet.": (
        "a_report_as_text_html",
        "a_report_as_text_plain",
        "a_report_as_text_xml",
        "a_document_as_pdf",
        "bulk_data_of_a_document",
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
    "Not every answer has an ETag yet.": ("etag_of_several_frames",),
    "Vary is not sent yet.": (
        "vary_has_accept",
        "other_answers_vary_too",
    ),
    "Range is ignored yet.": (
        "ranges_of_bulk_data",
        "ranges_beyond_bulk_data",
        "ranges_of_a_frame",
        "ranges_beyond_a_frame",
        "ranges_of_an_instance",
        "ranges_beyond_an_instance",
        "several_ranges",
        "if_range_decides",
        "accept_ranges_is_said",
    ),
    "Metadata is not encoded yet.": (
        "metadata_in_gzip",
        "metadata_in_zstd",
    ),
    "Forwarded and X-Forwarded-* are not read yet.": (
        "forwarded_is_respected",
        "x_forwarded_is_respected",
        "x_forwarded_prefix_is_respected",
    ),
    "Other origins are not let in yet.": (
        "a_search_is_allowed",
        "retrieves_are_allowed",
        "errors_are_allowed",
        "a_preflight_of_a_retrieve",
        "a_preflight_of_a_store",
        "headers_are_exposed",
    ),
}

NOT_YET: dict[str, str] = {name: reason for reason, names in GAPS.items() for name in names}
"""Rule -> why it does not hold yet."""
