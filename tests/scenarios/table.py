"""The list: what may happen, what is promised then, and the test that makes it happen to real servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fault. ``test`` is as pytest names it, below tests/; without brackets all cases of it are meant."""

    name: str
    promise: str
    test: str

    @property
    def file(self) -> str:
        """The file of the test, below tests/."""
        return self.test.partition("::")[0]

    @property
    def function(self) -> str:
        """The name of the test."""
        return self.test.partition("::")[2].partition("[")[0]

    @property
    def parameters(self) -> str:
        """The one case that is meant; empty: all."""
        return self.test.partition("[")[2].removesuffix("]")


@dataclass(frozen=True, slots=True)
class Promise:
    """What is promised of the whole, and the tests that show it."""

    text: str
    tests: tuple[str, ...]


_CONNECTION: Final = "mariadb/test_connection.py::test_"
_SAMPLER: Final = "mariadb/test_sampler.py::test_"
_DATABASE: Final = "cluster/test_database_faults.py::test_"
_KEYS: Final = "cluster/test_registry_faults.py::test_"
_ETCD: Final = "registry/test_etcd.py::test_"
_BEAT: Final = "registry/test_heartbeat.py::test_"
_LOGIN: Final = "registry/test_login.py::test_"
_ANSWERS: Final = "registry/test_answers.py::test_"
_FIRST: Final = "bootstrap_real/test_first_start.py::test_"
_OUTAGES: Final = "bootstrap_real/test_outages.py::test_"
_DATA: Final = "bootstrap_real/test_data.py::test_"
_LOST: Final = "bootstrap_real/test_registry.py::test_"
_RUNNING: Final = "bootstrap_real/test_running.py::test_"
_NETWORK: Final = "host/test_host_network.py::test_"
_LOST_REPLIES: Final = "bootstrap_real/test_lost_replies.py::test_"
_LIMITS: Final = "host/test_host_limits.py::test_"
_CLIENTS: Final = "web/test_hostile_clients.py::test_"
_FOREIGN: Final = "a_foreign_value_is_counted_and_breaks_nothing"

SCENARIOS: Final[dict[str, tuple[Scenario, ...]]] = {
    "MariaDB": (
        Scenario(
            "refused",
            "each page says so at once, without a value of before, and the server is found again",
            _SAMPLER + "a_server_that_is_gone_is_told_at_once_and_found_again",
        ),
        Scenario(
            "SIGSTOP for 30 s",
            "each page comes in time, says timeout, and has no stale value; the key ends; nobody ends the server",
            _DATABASE + "a_node_that_is_frozen_for_half_a_minute_is_a_timeout_and_its_page_comes_in_time_all_the_while",
        ),
        Scenario(
            "SIGSTOP with the marker of a state transfer",
            "a node that joined before is not taken for one that joins: its key ends",
            _DATABASE + "a_node_that_freezes_with_the_marker_of_its_last_transfer_is_not_taken_for_a_joiner",
        ),
        Scenario(
            "kill -9",
            "the others miss it in the view and by its key, and say so in words; it comes back by itself",
            _DATABASE + "a_killed_node_is_missed_by_size_and_key_and_comes_back",
        ),
        Scenario(
            "slow status",
            "late answers are shared by all who ask; beyond the time limit it is a timeout",
            _SAMPLER + "a_server_that_answers_late_is_up_and_one_that_answers_too_late_is_a_timeout",
        ),
        Scenario(
            "statement that takes too long",
            "the server itself ends it, and the connection stays",
            _CONNECTION + "a_statement_that_takes_too_long_is_a_timeout",
        ),
        Scenario(
            "locked members table",
            "costs the members' names, not the status",
            _SAMPLER + "a_locked_members_table_does_not_stop_the_status",
        ),
        Scenario(
            "max_connections",
            "has its own reason",
            _CONNECTION + "too_many_connections_of_the_server_have_the_same_reason",
        ),
        Scenario(
            "max_user_connections",
            "has the same reason, and passes when a place is free",
            _CONNECTION + "too_many_connections_of_the_account_have_their_own_reason",
        ),
        Scenario(
            "wrong password",
            "is told as such, and shown nowhere",
            _CONNECTION + "a_wrong_password_is_auth_and_shows_nowhere",
        ),
        Scenario(
            "rotated password",
            "the new one is read from its file, without a restart",
            _CONNECTION + "a_rotated_password_file_needs_no_restart",
        ),
        Scenario(
            "missing grant",
            "costs the members' names, not the status, and is logged once",
            _SAMPLER + "a_missing_grant_fails_the_members_alone_and_is_logged_once",
        ),
        Scenario(
            "socket replaced",
            "the next query finds the server behind the new one",
            _CONNECTION + "a_socket_that_another_server_has_put_in_its_place_is_used",
        ),
        Scenario(
            "other version",
            "nothing that was learnt from the server before is kept",
            _SAMPLER + "a_server_that_comes_back_as_another_version_is_shown_as_that_at_once",
        ),
        Scenario(
            "Disconnected",
            "it is up, not in a Primary component, and has no members",
            _SAMPLER + "a_disconnected_node_shows_no_members_of_its_past",
        ),
        Scenario(
            "non-Primary",
            "the survivor of three says so on its page, in words too",
            _DATABASE + "losing_two_nodes_leaves_a_third_that_says_non_primary",
        ),
        Scenario(
            "donor",
            "it stays up and says that it is one; the joiner is shown by its files",
            _DATABASE + "a_joiner_in_sst_answers_no_sql_and_is_shown_by_its_files",
        ),
        Scenario(
            "desynced",
            "its own page and the registry say so",
            _DATABASE + "a_desynced_node_says_so_on_its_own_page_and_in_the_registry",
        ),
        Scenario(
            "wsrep off",
            "it is not up: there is no Galera to speak of",
            _SAMPLER + "a_server_with_wsrep_off_is_not_galera",
        ),
        Scenario(
            "idle connection closed",
            "is replaced within the query",
            _CONNECTION + "an_idle_connection_that_the_server_gave_up_is_replaced_within_the_query",
        ),
        Scenario(
            "connection killed",
            "is replaced within the query",
            _CONNECTION + "a_connection_that_the_server_closed_is_replaced_within_the_query",
        ),
        Scenario(
            "stopped in order",
            "its page has its position, from its files",
            _DATABASE + "a_stopped_node_keeps_its_position_on_the_page_from_its_files",
        ),
    ),
    "etcd": (
        Scenario(
            "refused",
            "one line in the log names each endpoint; the node is registered again when etcd is back",
            _BEAT + "when_all_of_etcd_is_killed_it_is_unreachable_and_is_found_again",
        ),
        Scenario(
            "all members stopped",
            "pages go on from memory, and ages rise",
            _BEAT + "when_all_of_etcd_is_stopped_readings_go_on_and_all_is_well_again_afterwards",
        ),
        Scenario(
            "contacted member stopped",
            "costs one time limit, once",
            _ETCD + "a_stopped_member_costs_one_time_limit_then_the_next_one_is_asked_first",
        ),
        Scenario(
            "each member lost in turn",
            "each sidecar goes on with the other two",
            _KEYS + "each_sidecar_gets_by_with_two_of_three_members",
        ),
        Scenario(
            "leader killed",
            "no key is lost",
            _KEYS + "the_leader_of_etcd_killed_costs_no_key",
        ),
        Scenario(
            "no quorum for 60 s",
            "is told as such; no key is taken for lost, before or after",
            _BEAT + "a_minute_without_quorum_is_no_leader_and_ends_no_key",
        ),
        Scenario(
            "leader changes while leases are kept",
            "no lease is taken for lost, and no key is",
            _BEAT + "a_leader_that_changes_again_and_again_while_leases_are_kept_costs_no_lease_and_no_key",
        ),
        Scenario(
            "NOSPACE alarm",
            "is told as such; the key stays by its lease",
            _BEAT + "without_space_the_key_stays_by_its_lease_and_the_reason_is_shown",
        ),
        Scenario(
            "answers 500 ms late",
            "no key is lost, and no page is late",
            _NETWORK + "an_etcd_whose_answers_are_late_keeps_the_key[500ms]",
        ),
        Scenario(
            "compaction and defragmentation",
            "hides no key and ends none",
            _BEAT + "a_compaction_with_a_defragmentation_hides_no_key_and_ends_none",
        ),
        Scenario(
            "token expired",
            "is renewed within the call",
            _LOGIN + "a_token_that_expired_unused_is_renewed_within_the_call",
        ),
        Scenario(
            "tokens lost by a restart",
            "are renewed within the call",
            _LOGIN + "tokens_lost_by_a_restart_of_etcd_are_renewed_within_the_call",
        ),
        Scenario(
            "password rotated",
            "the new one is read from its file when the token is refused",
            _LOGIN + "a_rotated_password_is_read_when_the_token_is_refused",
        ),
        Scenario(
            "permission denied",
            "is told as such, and nothing was written",
            _LOGIN + "outside_the_own_prefix_permission_is_denied",
        ),
        Scenario(
            "data wiped",
            "the node registers again",
            _BEAT + "after_etcd_lost_its_data_the_node_registers_again",
        ),
        Scenario(
            "another cluster at the address",
            "its answer is refused once, then it is adopted",
            _ETCD + "an_answer_of_another_cluster_is_refused_once_and_then_adopted",
        ),
        Scenario(
            "lease revoked",
            "the key is back within two ticks, under a new lease",
            _BEAT + "a_revoked_lease_is_replaced_and_the_key_is_back_within_two_ticks",
        ),
        Scenario(
            "own key deleted",
            "it is back within two ticks, and counted",
            _BEAT + "a_key_deleted_by_hand_is_back_within_two_ticks",
        ),
        Scenario(
            "answer lost after the write",
            "it is not sent a second time; what was written is found",
            _ETCD + "a_transaction_whose_answer_is_lost_is_ambiguous_and_was_applied",
        ),
        Scenario(
            "200 with garbage",
            "is a bad answer, never an empty registry (a server of the tests': etcd does not do that)",
            _ANSWERS + "a_200_that_is_not_of_etcd_is_a_bad_answer_and_never_an_empty_registry",
        ),
        Scenario(
            "another authority's certificate",
            "is not trusted",
            "registry/test_tls.py::test_a_server_of_another_authority_is_not_trusted",
        ),
    ),
    "Registry": (
        Scenario(
            "two pods claim one name",
            "the first keeps it; the second says that it is a duplicate",
            _KEYS + "a_second_claimant_of_a_name_does_not_take_the_key",
        ),
        Scenario("foreign JSON", "is counted, and breaks nothing", _KEYS + _FOREIGN + "[json]"),
        Scenario("binary value", "is counted, and breaks nothing", _KEYS + _FOREIGN + "[binary]"),
        Scenario("value of 1 MiB", "is counted, and breaks nothing", _KEYS + _FOREIGN + "[large]"),
        Scenario("unknown schema version", "is counted, and breaks nothing", _KEYS + _FOREIGN + "[newer-schema]"),
        Scenario("markup in a key", "stays text on the status page", _KEYS + _FOREIGN + "[markup]"),
        Scenario(
            "1,000 stray keys",
            "are counted; the node is registered and sees all nodes",
            _BEAT + "foreign_content_is_counted_and_hurts_nothing",
        ),
        Scenario(
            "pod with a new IP",
            "it takes its name over, and is found at the new address by etcd and by Galera",
            _KEYS + "a_pod_that_comes_back_with_another_address_takes_its_name_and_is_found_there",
        ),
        Scenario(
            "only the sidecar restarted",
            "it takes its key over, and nobody sees it go",
            _DATABASE + "a_restarted_sidecar_finds_its_key_and_nobody_sees_a_flap",
        ),
        Scenario(
            "all keys deleted",
            "all are back within a heartbeat",
            _KEYS + "wiped_keys_are_all_back_within_a_heartbeat",
        ),
        Scenario(
            "sidecar asleep past its lease",
            "it gets a new one when it wakes",
            _BEAT + "a_process_that_was_paused_past_its_ttl_gets_a_new_lease",
        ),
    ),
    "Bootstrap": (
        Scenario(
            "fresh install",
            "one is elected, and the others take a full transfer",
            _FIRST + "01_three_that_start_together_with_empty_volumes_become_one_cluster_by_ssts",
        ),
        Scenario(
            "rolling restart under load",
            "nobody is elected, and no write fails on those that stay",
            _RUNNING + "25_a_rolling_restart_under_load_elects_nobody_and_always_leaves_two_that_serve",
        ),
        Scenario(
            "full crash, distinct seqnos",
            "the most advanced is elected; no acknowledged row is lost",
            _OUTAGES + "05_after_a_power_loss_under_load_the_most_advanced_node_is_elected_and_the_rest_join_by_ist",
        ),
        Scenario(
            "full crash, equal seqnos",
            "the lowest number is elected, and nobody needs a full transfer",
            _OUTAGES + "05_of_nodes_with_equal_positions_the_lowest_number_is_elected_and_nobody_needs_a_full_transfer",
        ),
        Scenario(
            "clean stop of all",
            "they come back, two without the third",
            _OUTAGES + "06_stopped_all_at_once_they_come_back_and_two_need_not_wait_for_the_third",
        ),
        Scenario(
            "one volume lost",
            "its node is not elected, and takes a full transfer",
            _OUTAGES + "10_a_node_that_lost_its_volume_in_an_outage_is_not_elected",
        ),
        Scenario(
            "all volumes lost",
            "nobody begins an empty cluster unless an operator says so",
            _OUTAGES + "11_when_all_volumes_are_lost_nobody_begins_an_empty_cluster_unless_an_operator_says_so",
        ),
        Scenario(
            "state UUIDs that differ",
            "nobody is elected until an operator discards one",
            _DATA + "21_a_volume_of_another_cluster_is_in_the_way_until_an_operator_discards_it",
        ),
        Scenario(
            "a member never returns",
            "nobody is elected until an operator says so by name",
            _OUTAGES + "07_while_one_stays_away_nobody_is_elected_until_it_returns_or_an_operator_says_so[order]",
        ),
        Scenario(
            "a joiner loses the component before it has a state",
            "it is started again, and the others need not wait for it",
            _OUTAGES + "05_a_joiner_whose_component_is_lost_before_it_has_a_state_does_not_keep_the_others_waiting",
        ),
        Scenario(
            "winner killed before its start",
            "its election goes on, and there is no second winner",
            _FIRST + "03_an_elected_node_that_dies_goes_on_and_there_is_no_second_winner[elected]",
        ),
        Scenario(
            "winner killed after its start",
            "its election goes on, and there is no second winner",
            _FIRST + "03_an_elected_node_that_dies_goes_on_and_there_is_no_second_winner[primary]",
        ),
        Scenario(
            "winner stopped past the TTL, then resumed",
            "another has taken over; the sleeper serves nobody, and joins",
            _FIRST + "04_an_elected_node_that_wakes_after_a_takeover_serves_nobody_and_joins[primary]",
        ),
        Scenario(
            "etcd lost in the middle of a decision",
            "nobody serves until it is back; then there is one lineage",
            _LOST + "13_an_etcd_that_dies_between_an_election_and_its_confirmation_leaves_one_lineage_and_no_server",
        ),
        Scenario(
            "etcd's data lost in an outage",
            "only all together may elect",
            _LOST + "12_after_a_wipe_in_an_outage_only_all_together_may_elect",
        ),
        Scenario(
            "operator's override",
            "the named node is elected, and the loss stays where it was accepted",
            _DATA + "20_a_node_that_is_forced_gives_up_what_others_have_and_those_take_an_sst",
        ),
        Scenario(
            "already Primary",
            "who comes back joins, though it was the one that began",
            _RUNNING + "17_a_bootstrapper_that_crashes_joins_the_others_and_its_decision_is_used_up",
        ),
        Scenario(
            "two of three killed",
            "the survivor takes part in an election, and the best is elected",
            _RUNNING + "15_a_survivor_without_quorum_takes_part_in_an_election_and_the_best_is_elected",
        ),
    ),
    "Network": (
        Scenario(
            "node cut off from etcd, drop",
            "the page comes in time with the database's values, the key ends, and is back afterwards",
            _NETWORK + "a_node_that_is_cut_off_from_etcd_without_a_word_loses_its_key_and_gets_it_back",
        ),
        Scenario(
            "node cut off from etcd, reject",
            "the same, with another reason",
            _NETWORK + "a_node_whose_way_to_etcd_is_refused_loses_its_key_and_gets_it_back",
        ),
        Scenario(
            "one-way",
            "another member is asked, and no key is lost",
            _NETWORK + "a_member_that_is_heard_no_more_though_it_hears_costs_no_key",
        ),
        Scenario(
            "50 % loss",
            "each page comes in time; all is well afterwards",
            _NETWORK + "with_every_second_packet_lost_pages_come_in_time_and_all_is_well_afterwards",
        ),
        Scenario(
            "200 ms delay",
            "no key is lost, and no page is late",
            _NETWORK + "an_etcd_whose_answers_are_late_keeps_the_key[200ms]",
        ),
        Scenario(
            "name server silent",
            "each page comes in time; etcd is found again by its name",
            _NETWORK + "a_name_of_etcd_that_is_not_resolved_any_more_delays_no_page_and_is_found_again[silent]",
        ),
        Scenario(
            "name server gone",
            "the same",
            _NETWORK + "a_name_of_etcd_that_is_not_resolved_any_more_delays_no_page_and_is_found_again[gone]",
        ),
        Scenario(
            "nodes cut off from one another",
            "a minority that restarts waits, and the majority serves",
            _RUNNING + "16_a_minority_that_restarts_behind_a_partition_waits_and_the_majority_serves[both]",
        ),
        Scenario(
            "majority cut off from etcd too",
            "the majority serves all the same, and the minority elects nobody",
            _RUNNING + "16_a_minority_that_restarts_behind_a_partition_waits_and_the_majority_serves[minority]",
        ),
    ),
    "Host": (
        Scenario(
            "read-only root file system",
            "the sidecar needs its two volumes and no other place to write",
            _LIMITS + "with_a_read_only_root_a_sidecar_decides_registers_and_serves",
        ),
        Scenario(
            "disk full",
            "no database starts before its label is on disk; one that runs goes on",
            _LIMITS + "on_a_full_disk_a_sidecar_lets_no_database_out_says_why_and_goes_on_when_there_is_space",
        ),
        Scenario(
            "64 descriptors",
            "a crowd of clients costs no scrape, no key and no connection to the database",
            _LIMITS + "with_64_descriptors_a_crowd_of_clients_costs_no_scrape_no_key_and_no_connection",
        ),
        Scenario(
            "64 MiB of memory",
            "1,000 scrapes by 64 at once, and a littered registry, stay below it",
            _LIMITS + "under_the_limit_of_64_mib_many_scrapers_and_a_littered_registry_kill_nobody",
        ),
        Scenario(
            "clock jumps by an hour",
            "nothing changes",
            _RUNNING + "29_a_clock_that_jumps_by_an_hour_changes_nothing",
        ),
    ),
    "HTTP": (
        Scenario(
            "500 half-open requests",
            "a scrape takes less than a second, from their own address too",
            _CLIENTS + "500_half_open_requests_delay_no_scrape_even_from_their_own_address",
        ),
        Scenario(
            "50 silent TLS clients",
            "a scrape takes less than a second",
            _CLIENTS + "50_silent_tls_clients_delay_no_scrape",
        ),
        Scenario(
            "1,000 connections",
            "leave room for a scrape",
            _CLIENTS + "a_thousand_connections_at_once_leave_room_for_a_scrape",
        ),
        Scenario(
            "header that drips",
            "is cut off by a deadline for the whole",
            _CLIENTS + "a_header_that_drips_is_cut_off_by_a_deadline_in_total",
        ),
        Scenario(
            "giant header",
            "gets its status, and is never read to its end",
            _CLIENTS + "a_megabyte_of_header_gets_431_though_it_is_never_read",
        ),
        Scenario(
            "keep-alive hoarder",
            "loses its oldest connection, and others get in",
            _CLIENTS + "a_hoarder_loses_its_oldest_connection_and_others_get_in",
        ),
        Scenario(
            "reader that does not read",
            "is cut off",
            _CLIENTS + "a_reader_that_does_not_read_is_cut_off",
        ),
        Scenario(
            "certificate rotated",
            "the new one is used, without a restart",
            "web/test_protection.py::test_a_rotated_certificate_is_used_without_a_restart",
        ),
    ),
    "Traps of the libraries": (
        Scenario(
            "PyMySQL: `connect_timeout` does not cover a stopped server; after a timeout the connection is dead",
            "each wait has its limit, and the connection is made anew",
            _CONNECTION + "a_stopped_server_is_a_timeout_and_works_again_when_it_goes_on",
        ),
        Scenario(
            "PyMySQL: each connect builds a TLS context",
            "none is built where there is no TLS",
            _CONNECTION + "connects_without_tls_build_no_tls_context",
        ),
        Scenario(
            "SHOW STATUS waits for the applier with `wsrep_sync_wait`",
            "the session is set up so that it waits for nothing long",
            _CONNECTION + "the_session_is_set_up_so_that_it_cannot_wait_long",
        ),
        Scenario(
            "etcd3gw: no time limit by default, and a timeout without a text",
            "each call has its limit, and its failure a text",
            _ETCD + "a_stopped_etcd_is_a_timeout_within_the_budget",
        ),
        Scenario(
            "etcd3gw: a lease that expired is kept without an error",
            "it is one",
            _ETCD + "a_lease_that_is_gone_is_an_error_though_etcd_answers_200",
        ),
        Scenario(
            "etcd3gw: a revision that goes back is not seen",
            "it is counted",
            _ETCD + "a_wiped_etcd_shows_as_a_revision_that_goes_back",
        ),
        Scenario(
            "requests: proxies and .netrc of the environment",
            "are not used",
            _ETCD + "proxies_and_netrc_of_the_environment_are_not_used",
        ),
        Scenario(
            "etcd's gateway refuses a certificate with a common name once users are on",
            "is told by name",
            "registry/test_tls.py::test_a_certificate_with_a_common_name_is_refused_by_name_once_authentication_is_on",
        ),
        Scenario(
            "`grastate.dat` says safe with the zero UUID",
            "it is not believed",
            _DATA + "18_a_grastate_that_says_that_the_data_are_broken_is_believed_also_where_it_says_safe",
        ),
        Scenario(
            "a crashed server without its recovered position loses the history",
            "it is recovered first",
            "wrapper/test_wrapper_runs.py::test_a_bootstrap_keeps_the_history_though_grastate_was_lost",
        ),
        Scenario(
            "a container starts again without its init containers",
            "a decision is for one start",
            "wrapper/test_wrapper_runs.py::test_a_decision_serves_one_start_only",
        ),
    ),
}

PROMISES: Final = (
    Promise(
        "`/metrics` answers within its deadline, whatever MariaDB or etcd do",
        (
            _DATABASE + "a_node_that_is_frozen_for_half_a_minute_is_a_timeout_and_its_page_comes_in_time_all_the_while",
            _NETWORK + "a_node_that_is_cut_off_from_etcd_without_a_word_loses_its_key_and_gets_it_back",
        ),
    ),
    Promise(
        "At most one connection to MariaDB, and one statement in flight",
        (_SAMPLER + "sixty_four_callers_share_one_connection_and_one_flight",),
    ),
    Promise(
        "Liveness and readiness of the sidecar depend on its own process only",
        ("host/test_host_network.py::test_without_database_and_etcd_the_probes_of_the_sidecar_say_yes",),
    ),
    Promise(
        "A sidecar that crashes never stops MariaDB",
        (_RUNNING + "31_sidecars_that_crash_again_and_again_cost_the_database_nothing",),
    ),
    Promise(
        "At most one node is let out to begin in each election, whatever becomes of etcd's answers",
        (
            _LOST_REPLIES + "32_whatever_becomes_of_etcds_answers_one_is_elected_and_nobody_twice",
            "sim/test_sim.py::test_every_interleaving_of_a_few_events_keeps_the_invariants",
        ),
    ),
    Promise(
        "Never one that is behind another that reports",
        (_OUTAGES + "05_after_a_power_loss_under_load_the_most_advanced_node_is_elected_and_the_rest_join_by_ist",),
    ),
    Promise(
        "Never while a fresh report says Primary",
        (_RUNNING + "16_a_minority_that_restarts_behind_a_partition_waits_and_the_majority_serves",),
    ),
    Promise(
        "All expected members report, or an operator says so by name",
        (_OUTAGES + "07_while_one_stays_away_nobody_is_elected_until_it_returns_or_an_operator_says_so",),
    ),
    Promise(
        "No secret in logs, metrics, process arguments or etcd",
        ("secrets/test_canaries.py::test_a_sidecar_that_uses_every_secret_shows_none",),
    ),
)
