"""What our server lacks of the rules, each gap with its reason; CONFORMANCE.md says so too.

The list only shrinks: `test_ours.py` fails when a rule is broken that is not listed here, and when
one holds that is. Whoever closes a gap deletes its line here, then runs
`python -m tests.conformance.report`.
"""

GAPS: dict[str, tuple[str, ...]] = {
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
    ),
}

NOT_YET: dict[str, str] = {name: reason for reason, names in GAPS.items() for name in names}
"""Rule -> why it does not hold yet."""
