"""
Where each rule of the distribution protocol and each class of known attacks on registry clients is tested.

Rules P1 to P25 are those that a client of registries has to keep: opencontainers/distribution-spec and image-spec
(v1.1.1, and their main branches of 2026), distribution's token specification, RFC 9110 and RFC 8288, Docker's own
documents. Attacks are named with the advisories that made them known. What does not concern a client that only reads
metadata says why.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent

HTTP, REGISTRY, OCI, PACE = "test_http.py", "test_registry.py", "test_oci.py", "test_pace.py"
MARTS = "test_marts.py"
CONNECTIONS, HOSTILE, REFERRERS, OBSERVE = (
    "test_connections.py",
    "test_hostile.py",
    "test_referrers.py",
    "test_observe.py",
)
REAL, LOGIN, PROXY = (
    "integration/test_real_registry.py",
    "integration/test_login.py",
    "integration/test_faulty_proxy.py",
)

# The tests of a rule, or why there can be none.
Proof = dict[str, tuple[str, ...]] | str

RULES: dict[str, tuple[str, Proof]] = {
    "P1": (
        "names, tags and digests are checked before they become part of a path",
        {
            OCI: ("test_reference_is_canonical", "test_what_is_no_reference_says_why", "test_digests"),
            REGISTRY: ("test_listed_texts_that_are_no_tags",),
            HOSTILE: ("test_nothing_is_asked_for_but_what_was_named",),
        },
    ),
    "P2": (
        "Accept names every type of manifest, of tags and of documents",
        {REGISTRY: ("test_every_type_of_manifest_is_asked_for", "test_a_repository_over_the_wire")},
    ),
    "P3": (
        "a document is of the type that it was sent as, if that is one of a manifest (`text/plain` says nothing)",
        {
            OCI: ("test_bad_documents_are_refused", "test_index"),
            REGISTRY: (
                "test_what_is_sent_under_another_type_is_not_taken",
                "test_types_are_compared_without_their_parameters",
            ),
        },
    ),
    "P4": (
        "bytes are verified by the digest that was asked for; Docker-Content-Digest may be missing, wrong or other",
        {
            HTTP: ("test_wrong_bytes_are_tried_once_more", "test_sha512_and_payload_are_verified"),
            REGISTRY: (
                "test_without_a_usable_digest_the_tag_is_fetched",
                "test_a_tag_may_be_named_by_another_algorithm",
                "test_refused_head_leads_to_get",
                "test_bad_documents_are_failures_and_the_rest_goes_on",
                "test_what_is_hashed_is_what_came",
                "test_signed_schema1_is_taken",
            ),
            PROXY: ("test_two_thousand_tags_through_a_rough_network",),
        },
    ),
    "P5": (
        "HEAD that says too little, or is refused, leads to GET, which counts as a pull; its length is not needed",
        {
            REGISTRY: (
                "test_without_a_usable_digest_the_tag_is_fetched",
                "test_refused_head_leads_to_get",
                "test_a_tag_that_has_to_be_fetched_is_a_pull",
            )
        },
    ),
    "P6": (
        "documents of 4 MiB are taken, and none of more than 8, whatever Content-Length says",
        {
            HTTP: ("test_bodies_are_capped", "test_bodies_on_the_way_are_capped"),
            REGISTRY: ("test_documents_of_megabytes_are_taken", "test_endless_bodies_are_failures"),
            HOSTILE: ("test_what_has_no_end_is_ended", "test_what_is_broken_is_one_error"),
            PROXY: ("test_streams_without_end_are_left",),
        },
    ),
    "P7": (
        "redirects are followed, and Authorization stays with its server",
        {
            HTTP: (
                "test_redirects_carry_no_credentials_to_another_port",
                "test_redirects_on_the_same_server_keep_credentials",
                "test_scheme_host_and_port_make_a_server",
                "test_a_ping_that_leads_elsewhere_names_no_token_server",
                "test_bad_redirects_are_refused",
            )
        },
    ),
    "P8": (
        "lists of tags end where no link leads on, and never in a circle or on another server; a link counts from what "
        "was asked for, so that who a page was taken from by redirect does not name the next",
        {
            HTTP: (
                "test_next_link",
                "test_pages_are_followed",
                "test_pages_go_on_where_the_first_was_asked_for",
                "test_pages_never_leave_the_server_or_turn_in_circles",
                "test_pages_are_counted",
            ),
            REGISTRY: (
                "test_whole_repository",
                "test_pages_have_a_length_that_every_registry_takes",
                "test_a_list_of_too_many_tags_is_left",
                "test_pages_that_are_none",
                "test_broken_listing_keeps_what_was_read",
                "test_pages_that_tell_nothing_new_are_followed_for_a_while",
            ),
            PROXY: ("test_pages_are_followed_through_a_proxy", "test_pages_that_repeat_are_left"),
        },
    ),
    "P9": (
        "tokens are asked for by scope, last as long as they say from when they came (clocks differ: `issued_at` is "
        "not read), and are renewed once; refresh tokens are used where somebody keeps one, and never asked for",
        {
            HTTP: (
                "test_one_token_serves_a_repository",
                "test_a_token_is_for_its_scope",
                "test_a_token_has_two_names",
                "test_a_token_that_is_none",
                "test_a_token_lasts_from_when_it_came",
                "test_two_scopes_are_two_parameters",
                "test_expired_tokens_are_renewed_before_use",
                "test_a_revoked_token_is_renewed_once",
                "test_a_revoked_token_is_renewed_for_all_at_once",
                "test_a_refusal_without_a_challenge_means_what_the_ping_said",
                "test_password_goes_to_the_registrys_own_token_server",
                "test_an_identity_token_gets_tokens_by_post",
                "test_tokens_are_no_passwords",
                "test_a_wrong_password_is_not_tried_for_every_item",
                "test_refusals_tell_missing_from_wrong_credentials_and_both_from_rights",
            ),
            LOGIN: ("test_the_right_password_opens", "test_a_wrong_password_is_one_clear_line"),
        },
    ),
    "P10": (
        "challenges are read as RFC 9110 has them; a realm may be on another host",
        {
            HTTP: (
                "test_challenges_are_parsed_as_rfc_9110_has_them",
                "test_any_header_is_survived",
                "test_basic_is_for_its_own_host_only",
                "test_without_a_password_any_host_may_give_tokens",
            )
        },
    ),
    "P11": (
        "the body of an error may be anything; its code tells a missing tag from a missing repository",
        {
            HTTP: ("test_refusals_are_final_and_say_what_to_do", "test_any_body_of_a_refusal_is_survived"),
            REGISTRY: ("test_absent_and_vanished_tags", "test_missing_repository_is_a_failure"),
        },
    ),
    "P12": (
        "a server that asks to wait is waited for or left, by all requests to it",
        {
            HTTP: (
                "test_retry_after_is_honoured",
                "test_long_waits_are_refused",
                "test_tries_are_spread",
                "test_the_reset_of_a_rate_limit_is_waited_for",
                "test_spent_pull_limit_is_not_waited_for",
            ),
            PACE: (
                "test_waits_are_read",
                "test_whom_one_is_told_to_wait_all_wait",
                "test_those_that_waited_come_back_one_after_another",
                "test_what_is_no_count_of_pulls_stops_nothing",
                "test_a_storm_of_429_is_sat_out",
                "test_a_wait_beyond_the_cap_ends_the_server_for_the_run",
                "test_a_server_in_trouble_is_asked_less_at_a_time",
                "test_a_dying_server_is_left_alone",
                "test_pulls_are_left_to_others",
                "test_a_limit_that_is_used_up_ends_pulls_only",
                "test_a_run_sends_no_more_than_it_may",
            ),
            REGISTRY: (
                "test_a_limit_of_pulls_is_one_failure_and_the_next_run_goes_on",
                "test_a_registry_that_is_to_be_left_alone_is_one_failure",
            ),
            OBSERVE: ("test_where_pulls_do_not_suffice_the_api_tells_sizes",),
            PROXY: ("test_two_thousand_tags_through_a_rough_network",),
        },
    ),
    "P13": ("warnings are shown once and not acted on", {HTTP: ("test_warnings_are_said_once_and_change_nothing",)}),
    "P14": (
        "what is attached to images is listed by the referrers API, or by a tag; such tags are no tags of images. "
        "Nobody asks for a filter, so that a list that was filtered is not whole",
        {
            REFERRERS: (
                "test_lists_are_read_page_by_page",
                "test_pages_of_lists",
                "test_a_list_that_cannot_be_read_is_one_failure",
                "test_a_list_that_leaves_something_out_is_a_failure",
                "test_tags_that_point_at_lists",
                "test_a_tag_that_should_point_at_a_list_and_does_not",
                "test_without_lists_a_tag_points_at_one",
                "test_lists_take_the_place_of_tags_that_point_at_lists",
                "test_lies_of_a_list_are_failures",
                "test_nothing_is_asked_for_by_default",
            ),
            "test_artifact_tags.py": ("test_no_question_counts_them", "test_both_rules_are_one"),
            REGISTRY: ("test_tags_of_artifacts_are_there_and_not_looked_up",),
        },
    ),
    "P15": (
        "indexes may be empty, nested, and name what nobody knows; of two images for a platform the first counts",
        {
            OCI: (
                "test_index_in_its_poorest_forms",
                "test_all_that_tells_platforms_apart_is_kept",
                "test_platforms_are_normalised_as_containerd_does",
            ),
            REGISTRY: ("test_nested_indexes_and_odd_children", "test_indexes_end_somewhere"),
            MARTS: (
                "test_an_index_gives_each_platform_its_image",
                "test_the_first_of_a_platform_is_the_image",
                "test_platforms_are_normalised_in_sql_as_in_python",
            ),
        },
    ),
    "P16": (
        "attestations are no images",
        {
            OCI: (
                "test_index",
                "test_who_attests_says_so",
                "test_what_is_not_an_image_has_no_config_to_read",
                "test_layers_of_files_make_an_image",
            ),
            MARTS: ("test_what_is_no_image_is_not_counted",),
            REAL: ("test_attestations_and_artifacts_are_no_images",),
        },
    ),
    "P17": (
        "artifacts are no images, and configs of unknown types are not read",
        {
            OCI: ("test_what_is_not_an_image_has_no_config_to_read",),
            MARTS: ("test_what_is_no_image_is_not_counted",),
            REAL: ("test_attestations_and_artifacts_are_no_images",),
        },
    ),
    "P18": (
        "descriptors state sizes that are checked before the digest; data in place of a fetch is not used",
        {
            HTTP: ("test_size_is_checked_before_the_digest",),
            REGISTRY: (
                "test_bad_documents_are_failures_and_the_rest_goes_on",
                "test_data_in_a_descriptor_are_not_taken",
            ),
            OCI: ("test_bad_documents_are_refused",),
        },
    ),
    "P19": (
        "digests keep their grammar; those of unknown algorithms are kept and not fetched",
        {
            OCI: ("test_digests", "test_bad_documents_are_refused"),
            REGISTRY: ("test_nested_indexes_and_odd_children", "test_a_tag_may_be_named_by_another_algorithm"),
        },
    ),
    "P20": (
        "layers of every type have their size from the manifest",
        {
            OCI: ("test_docker_image_with_foreign_and_zstd_layers", "test_layers_of_files_make_an_image"),
            REAL: ("test_media_types_are_kept", "test_sizes_are_those_of_the_blobs"),
        },
    ),
    "P21": (
        "configs may be full of nulls; steps stand beside layers only where all numbers agree; chain IDs need the "
        "layers themselves, which nobody fetches",
        {
            OCI: ("test_config", "test_config_of_nulls"),
            MARTS: (
                "test_steps_are_aligned_with_layers_only_where_counts_agree",
                "test_a_config_of_another_number_of_layers_is_not_that_of_these",
            ),
            REAL: ("test_steps_stand_beside_their_layers",),
        },
    ),
    "P22": (
        "a blob may be in an image twice, and in many images",
        {
            OCI: ("test_image",),
            MARTS: ("test_steps_are_aligned_with_layers_only_where_counts_agree",),
            REAL: ("test_sizes_are_those_of_the_blobs",),
        },
    ),
    "P23": (
        "annotations may be anything; only those of attestations are read, and kept in their documents are all",
        {
            OCI: (
                "test_index_in_its_poorest_forms",
                "test_who_attests_says_so",
                "test_what_is_attested_is_a_digest_or_unknown",
                "test_any_body_is_read_or_refused",
            ),
            HOSTILE: ("test_hostile_documents_end_no_run",),
        },
    ),
    "P24": (
        "python is docker.io/library/python at registry-1.docker.io",
        {OCI: ("test_reference_is_canonical",), HTTP: ("test_plain_http_for_loopback_only",)},
    ),
    "P25": (
        "no proxy is told what is for a registry; mirrors (`ns`) are registries of their own name here",
        {
            CONNECTIONS: ("test_the_environment_does_not_say_where_to_go",),
            REGISTRY: ("test_pages_have_a_length_that_every_registry_takes",),
            HOSTILE: ("test_nothing_is_asked_for_but_what_was_named",),
        },
    ),
}

ATTACKS: dict[str, tuple[str, Proof]] = {
    "credentials to the host of a realm": (
        "CVE-2020-15157, CVE-2026-48978, GHSA-28r5-37g7-p6mp, go-containerregistry #2193 #2243 #2284 #2302",
        {
            HTTP: (
                "test_password_goes_nowhere_else",
                "test_password_goes_to_the_registrys_own_token_server",
                "test_whose_token_server_it_is",
                "test_nobody_is_sent_inside_for_a_token",
                "test_a_token_server_in_the_clear",
                "test_basic_is_for_its_own_host_only",
                "test_a_registry_token_is_used_as_it_is",
                "test_tokens_are_no_passwords",
            ),
            CONNECTIONS: ("test_a_token_server_that_is_internal",),
        },
    ),
    "token servers that lead elsewhere": (
        "go-containerregistry #2292 #2440, CVE-2026-33990, devcontainers/cli#1276",
        {
            HTTP: (
                "test_token_server_may_not_redirect",
                "test_a_refused_login_is_not_tried_for_every_item",
                "test_nobody_is_sent_inside_for_a_token",
                "test_scope_and_service_are_texts_of_a_query",
            ),
            CONNECTIONS: (
                "test_reach_of_a_host",
                "test_nobody_leads_further_inside_than_where_they_are",
                "test_a_name_is_what_it_resolves_to",
                "test_of_many_addresses_only_allowed_ones_are_tried",
                "test_a_registry_is_as_far_outside_as_it_ever_was",
                "test_a_token_server_that_is_internal",
            ),
        },
    ),
    "credentials across redirects": (
        "GHSA-vh4v-2xq2-g5cg, regclient #1095, go-containerregistry #2337 #2349 #2360; httpx auth flows",
        {
            HTTP: (
                "test_redirects_carry_no_credentials_to_another_port",
                "test_scheme_host_and_port_make_a_server",
                "test_a_ping_that_leads_elsewhere_names_no_token_server",
                "test_a_login_does_not_follow_redirects_to_another_server",
                "test_a_refused_password_is_told_with_its_keeper",
            )
        },
    ),
    "Location of uploads": ("CVE-2026-50151", "nothing is ever pushed"),
    "redirects to the clear or to where nobody else gets": (
        "regclient #1093",
        {
            HTTP: (
                "test_bad_redirects_are_refused",
                "test_who_comes_between_leads_no_further_than_itself",
                "test_a_way_back_does_not_vouch_for_who_was_between",
            ),
            CONNECTIONS: ("test_a_redirect_to_a_name_that_is_internal", "test_numbers_for_hosts_lead_nowhere"),
        },
    ),
    "pages on another server": (
        "go-containerregistry #2332",
        {
            HTTP: ("test_pages_never_leave_the_server_or_turn_in_circles",),
            REFERRERS: ("test_links_that_lead_nowhere_end_a_list",),
            "test_dockerhub.py": ("test_the_link_of_a_page_is_not_followed",),
            "test_chainguard.py": ("test_links_elsewhere_are_not_followed",),
            "test_catalog.py": ("test_what_was_read_of_a_broken_catalogue_counts",),
        },
    ),
    "URLs of foreign layers": (
        "go-containerregistry #2293",
        {HOSTILE: ("test_nothing_is_asked_for_but_what_was_named",)},
    ),
    "content that is not what its digest says": (
        "GHSA-qv35-3gw6-8q4j, containers/image #2687, CVE-2014-8179",
        {
            HTTP: ("test_wrong_bytes_are_tried_once_more", "test_size_is_checked_before_the_digest"),
            REGISTRY: ("test_bad_documents_are_failures_and_the_rest_goes_on", "test_refused_head_leads_to_get"),
            OCI: ("test_digest_of_signed_schema1_is_that_of_the_payload", "test_schema1_is_read_base_first"),
            "integration/test_bad_input.py": ("test_bytes_that_changed_on_the_registrys_disk",),
        },
    ),
    "digests and names in paths and queries": (
        "CVE-2024-3727, osv-scalibr #2408, ollama #17178",
        {
            OCI: ("test_digests", "test_bad_documents_are_refused"),
            REGISTRY: ("test_listed_texts_that_are_no_tags", "test_without_a_usable_digest_the_tag_is_fetched"),
            "test_catalog.py": ("test_names_that_are_no_repositories",),
            HOSTILE: ("test_nothing_is_asked_for_but_what_was_named",),
        },
    ),
    "documents that are two things at once": (
        "CVE-2021-41190, GHSA-77vh-xpmg-72qh, GHSA-5j5w-g665-5m35",
        {
            OCI: ("test_bad_documents_are_refused",),
            REGISTRY: ("test_what_is_sent_under_another_type_is_not_taken",),
        },
    ),
    "bodies, sizes and lists without end": (
        "go-containerregistry #2296, regclient #1096, GHSA-f36w-mj3v-6jqv, CVE-2017-11468, CVE-2023-2253",
        {
            HTTP: (
                "test_bodies_are_capped",
                "test_bodies_on_the_way_are_capped",
                "test_a_trickling_body_is_ended",
                "test_pages_are_counted",
            ),
            HOSTILE: (
                "test_what_has_no_end_is_ended",
                "test_what_never_begins_is_ended_by_time",
                "test_what_is_broken_is_one_error",
            ),
            OCI: ("test_bad_documents_are_refused",),
            REGISTRY: (
                "test_documents_of_megabytes_are_taken",
                "test_a_list_of_too_many_tags_is_left",
                "test_indexes_end_somewhere",
                "test_an_index_of_too_many_is_not_followed_for_ever",
            ),
            REFERRERS: ("test_lists_that_do_not_end_are_left", "test_a_list_that_cannot_be_read_is_one_failure"),
            "test_catalog.py": ("test_catalogues_end", "test_catalogues_of_nothing_new_end"),
            PROXY: ("test_streams_without_end_are_left", "test_pages_that_repeat_are_left"),
        },
    ),
    "cookies and the environment": (
        "what a server or a machine leaves lying for the next request",
        {CONNECTIONS: ("test_cookies_are_not_kept", "test_the_environment_does_not_say_where_to_go")},
    ),
    "archives that unpack elsewhere or without end": (
        "CVE-2021-21272, GHSA-g5v4-5x39-vwhx; CVE-2024-6232, CVE-2025-8194: archives are read and never unpacked",
        {
            "test_archive.py": (
                "test_names_never_lead_out",
                "test_names_are_data",
                "test_links_and_devices_are_not_read",
                "test_links_out_of_a_folder_are_not_read",
                "test_large_files_are_not_read",
                "test_an_archive_that_unpacks_without_end_is_refused",
                "test_a_zstd_window_of_gigabytes_is_not_allocated",
                "test_an_archive_of_endless_members_is_refused",
            ),
            "test_tar.py": ("test_what_is_no_sound_archive_is_said", "test_headers_take_no_memory_and_no_time"),
            "test_layout.py": (
                "test_documents_that_are_not_what_was_announced",
                "test_a_repeated_index_is_not_read",
                "test_a_repeated_blob_is_verified",
            ),
        },
    ),
    "words that are obeyed": (
        "CVE-2025-59840, CVE-2025-27793, GHSA-4vq7-882g-wcg4; terminals, spreadsheets, Markdown, HTML, SQL",
        {
            HOSTILE: (
                "test_hostile_words_are_shown_not_obeyed",
                "test_hostile_documents_end_no_run",
                "test_words_beside_a_status_are_not_read",
            ),
            HTTP: ("test_warnings_are_said_once_and_change_nothing", "test_any_body_of_a_refusal_is_survived"),
            PACE: ("test_what_a_limit_counts_for_is_shown_only_if_it_is_plain",),
            REGISTRY: ("test_content_types_are_words",),
            OCI: ("test_lone_surrogates_are_replaced",),
            "test_output.py": (
                "test_a_table_is_short_and_sends_no_control_characters",
                "test_csv_holds_every_digit_and_no_formula",
                "test_csv_begins_no_cell_as_a_formula",
                "test_markdown_cells_stay_cells",
            ),
            "test_queries.py": ("test_what_is_asked_about_is_never_sql",),
            "test_store.py": ("test_typed_sql_can_only_read_the_store",),
            "test_charts.py": (
                "test_text_from_registries_is_never_an_expression",
                "test_tooltips_load_nothing",
                "test_only_web_addresses_can_be_clicked",
            ),
            "test_report.py": ("test_text_stays_text", "test_a_page_allows_itself_its_own_scripts_only"),
            "test_render.py": ("test_steps_cannot_leave_their_fence", "test_other_facts_cannot_become_markdown"),
            "test_render_supported_tags.py": ("test_nothing_can_become_markdown",),
            "test_doctor.py": (
                "test_control_characters_of_servers_are_shown_not_sent",
                "test_long_and_wild_words_are_cut",
            ),
            "browser/test_page.py": ("test_a_page_cannot_ask_even_if_it_holds_markup",),
        },
    ),
}
TABLE = {**RULES, **ATTACKS}


def test_every_rule_has_its_row() -> None:
    """Rules are numbered without a gap; each says what it is, and is proven or has a reason not to be."""
    assert list(RULES) == [f"P{number}" for number in range(1, 26)]
    for words, proof in TABLE.values():
        assert words
        assert proof and (isinstance(proof, str) or all(proof.values()))


def test_every_test_of_the_table_is_collected() -> None:
    """A test that is renamed, removed or not seen by pytest takes its rule's proof with it."""
    proofs = [proof for _, proof in TABLE.values() if isinstance(proof, dict)]
    named = {(file, name) for proof in proofs for file, names in proof.items() for name in names}
    files = sorted({str(TESTS / file) for file, _ in named})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, timeout=300, check=False)
    found = set(re.findall(r"^tests/([\w/]+\.py)::(\w+)", done.stdout, re.MULTILINE))
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    assert sorted(named - found) == []
