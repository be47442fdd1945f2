"""The page: types and units of the catalog, encoded again only where values changed, whole whatever fails."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from galera_exporter.bootstrap.decisions import Wait
from galera_exporter.bootstrap.reading import Action, BootstrapReading, NodePhase
from galera_exporter.bootstrap.state import Reason
from galera_exporter.bounded import BoundedCall
from galera_exporter.errors import DatabaseReason, RegistryReason
from galera_exporter.mariadb.status import parse_status, parse_variables
from galera_exporter.metrics import exposition, families
from galera_exporter.metrics.catalog import CATALOG
from galera_exporter.metrics.collector import MetricsPage
from galera_exporter.metrics.exposition import Exposition
from galera_exporter.metrics.metric import Kind, Samples
from galera_exporter.metrics.wsrep import STATUS
from galera_exporter.model import (
    ClusterStatus,
    ClusterView,
    DatabaseReading,
    DatadirFacts,
    Member,
    NodeRecord,
    NodeState,
    NodeView,
    Position,
    PositionSource,
    RegistryReading,
)
from galera_exporter.node import Node
from galera_exporter.settings import Config
from samples import running_files

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
UUID = "0d074685-e767-11f1-8e1d-aebb93f423f7"

STATUS_ROWS = {
    "wsrep_local_state_uuid": UUID,
    "wsrep_cluster_state_uuid": UUID,
    "wsrep_last_committed": "120",
    "wsrep_local_cached_downto": "20",
    "wsrep_flow_control_paused_ns": "1500000000",
    "wsrep_flow_control_active": "false",
    "wsrep_local_state": "4",
    "wsrep_local_state_comment": "Synced",
    "wsrep_cluster_size": "3",
    "wsrep_cluster_status": "Primary",
    "wsrep_cluster_conf_id": "18446744073709551615",
    "wsrep_replicated": "18446744073709551615",
    "wsrep_connected": "ON",
    "wsrep_ready": "ON",
    "wsrep_evs_state": "OPERATIONAL",
    "wsrep_evs_repl_latency": "0.1/0.2/0.3/0.05/7",
    "wsrep_evs_delayed": "a:tcp://1:1,b:tcp://2:1",
    "wsrep_evs_evict_list": "",
    "wsrep_provider_name": "Galera",
    "wsrep_local_recv_queue_avg": "0.5",
    "wsrep_shiny_new_thing": "42",
}
VARIABLE_ROWS = {
    "wsrep_on": "ON",
    "version": "10.11.19-MariaDB",
    "wsrep_node_name": 'we"ird\\\nname',
    "wsrep_provider_options": "gcs.fc_limit = 16; gcs.fc_factor = 0.5; gcs.fc_single_primary = no; gcache.size = 128M;",
}
RECORD = NodeRecord(
    node="db-0",
    owner="o",
    address="db-0:3306",
    status=ClusterStatus.PRIMARY,
    state=NodeState.SYNCED,
    position=Position(UUID, 120),
    source=PositionSource.STATUS,
    conf_id=3,
    size=3,
    ready=True,
    member_uuid=UUID,
    members=(),
    expected=3,
    ttl=10,
    version="0",
)


def rows() -> list[families.Row]:
    sample = parse_status(STATUS_ROWS.items())
    view = ClusterView(
        nodes=(
            NodeView("db-0", present=True, record=RECORD, age=1.5, leased=True, expirations=0, in_view=True),
            NodeView("db-1", present=False, record=None, age=42.0, leased=False, expirations=2),
        ),
        revision=7,
        foreign=1,
        missing=1,
        orphans=0,
    )
    registry = RegistryReading(up=True, view=view, last_success=1e9, request_seconds=0.001, registered=True)
    return [
        *families.database(DatabaseReading(0.0, DatabaseReason.OK, sample=sample)),
        *families.status(sample, queue_stats=True),
        *families.raw_status(sample, export=True),
        *families.variables(parse_variables(VARIABLE_ROWS.items()), sample.cluster_size),
        *families.members((Member("b", "n2", ""), Member("a", "n1", ""))),
        *families.datadir(running_files(UUID)),
        *families.registry(registry),
        *families.bootstrap(waiting()),
    ]


MISSING = Wait(Reason.MISSING, ("db-1", "db-2"))


def waiting(wait: Wait | None = MISSING, **changes: Any) -> BootstrapReading:
    counts = {Action.ELECT: 2, Action.START: 1}
    usual = BootstrapReading(NodePhase.GATE, 5.0, epoch=3, position=Position(UUID, 118), wait=wait, decisions=counts)
    return replace(usual, **changes)


def encode(
    pages: Exposition, made: Iterable[families.Row], accept: str = "", others: Iterable[Metric] = ()
) -> tuple[bytes, str]:
    form = pages.format(accept)
    return form.rows(made) + form.others(others), form.content_type


def values(page: bytes, *, openmetrics: bool = False) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    parse = parse_openmetrics if openmetrics else parse_text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(page.decode())
        for sample in family.samples
    }


@pytest.fixture
def page() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return values(encode(Exposition({}), rows())[0])


def test_both_formats_say_the_same_and_parse_strictly(page: dict[object, float]) -> None:
    body, content_type = encode(Exposition({}), rows(), OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")
    assert body.count(b"# EOF") == 1
    assert values(body, openmetrics=True) == page


def test_types_and_units_are_the_catalogs() -> None:
    body, _ = encode(Exposition({}), rows(), OPENMETRICS)
    found = {family.name: family for family in parse_openmetrics(body.decode())}
    for name, _ in rows():
        metric = CATALOG[name]
        base = name.removesuffix("_total").removesuffix("_info")
        family = found.get(base) or found.get(name)
        if family is None:  # a metric without a value now
            continue
        assert family.type == metric.kind.value, name
        assert family.unit == metric.unit, name
        assert metric.help in family.documentation


def test_undefined_counters_are_left_out_and_undefined_ids_are_minus_one(page: dict[object, float]) -> None:
    assert ("wsrep_replicated_total", ()) not in page
    assert page["wsrep_cluster_conf_id", ()] == -1


def test_base_units_flags_and_derived_values(page: dict[object, float]) -> None:
    assert page["wsrep_flow_control_paused_seconds_total", ()] == 1.5
    assert page["wsrep_flow_control_active", ()] == 0
    assert page["wsrep_evs_repl_latency_seconds", (("stat", "stddev"),)] == 0.05
    assert page["wsrep_evs_delayed_nodes", ()] == 2
    assert page["galera_state_uuid_match", ()] == 1
    assert page["galera_ist_window_transactions", ()] == 100
    assert page["galera_config_gcache_size_bytes", ()] == 128 * 2**20
    assert page["galera_flow_control_limit", ()] == math.floor(16 * math.sqrt(3) + 0.5)


def test_an_enumeration_has_all_its_values_with_one_on(page: dict[object, float]) -> None:
    states = {key[1]: value for key, value in page.items() if key[0] == "wsrep_local_state_comment"}  # type: ignore[index]
    assert len(states) == len(NodeState)
    assert [labels for labels, value in states.items() if value] == [(("state", "synced"),)]


def test_without_a_sample_the_states_are_unknown_and_no_number_of_the_server_is_there() -> None:
    reading = DatabaseReading(0.0, DatabaseReason.TIMEOUT)
    found = values(encode(Exposition({}), families.database(reading))[0])
    assert found["galera_up", ()] == 0
    assert found["galera_up_reason", (("reason", "timeout"),)] == 1
    assert found["wsrep_cluster_status", (("status", "unknown"),)] == 1
    assert not any(name.startswith("wsrep_") and not labels for name, labels in found)


def test_unknown_numeric_variables_are_counted_and_on_request_exported(page: dict[object, float]) -> None:
    assert page["galera_exporter_unknown_variables", ()] == 1
    assert page["wsrep_raw", (("variable", "wsrep_shiny_new_thing"),)] == 42


def test_resettable_queue_forms_come_only_on_request() -> None:
    sample = parse_status(STATUS_ROWS.items())
    names = {name for name, samples in families.status(sample, queue_stats=False) if samples}
    assert "wsrep_local_recv_queue_avg" not in names


def test_views_that_differ_have_different_fingerprints_and_order_does_not_matter() -> None:
    def fingerprint(*uuids: str) -> object:
        return dict(families.members(tuple(Member(uuid, "", "") for uuid in uuids)))["galera_view_fingerprint"]

    assert fingerprint("a", "b") == fingerprint("b", "a") != fingerprint("a", "c")
    assert fingerprint("ab", "c") != fingerprint("a", "bc")


def test_a_gone_node_keeps_its_age_and_loses_its_presence(page: dict[object, float]) -> None:
    assert page["galera_etcd_key_age_seconds", (("node", "db-1"),)] == 42
    assert page["galera_etcd_key_present", (("node", "db-1"),)] == 0
    assert page["galera_registry_key_expirations_total", (("node", "db-1"),)] == 2
    assert page["galera_registry_node_state", (("node", "db-1"), ("state", "unknown"))] == 1
    assert ("galera_registry_node_seqno", (("node", "db-1"),)) not in page


def test_a_registry_that_was_never_read_says_so_and_invents_no_nodes() -> None:
    reading = RegistryReading(up=False, view=ClusterView(), reason=RegistryReason.UNREACHABLE)
    found = values(encode(Exposition({}), families.registry(reading))[0])
    assert found["galera_registry_up", ()] == 0
    assert ("galera_registry_nodes", ()) not in found


def test_a_node_that_waits_says_for_what_and_for_whom(page: dict[object, float]) -> None:
    assert page["galera_bootstrap_phase", (("phase", "gate"),)] == 1
    assert page["galera_bootstrap_epoch", ()] == 3
    assert page["galera_bootstrap_position_seqno", ()] == 118
    reasons = {key[1][0][1]: value for key, value in page.items() if key[0] == "galera_bootstrap_waiting"}  # type: ignore[index]
    assert set(reasons) == set(Reason)
    assert [reason for reason, value in reasons.items() if value] == ["missing"]
    assert {key[1] for key in page if key[0] == "galera_bootstrap_waiting_for"} == {  # type: ignore[index]
        (("node", "db-1"),),
        (("node", "db-2"),),
    }
    counts = {key[1][0][1]: value for key, value in page.items() if key[0] == "galera_bootstrap_decisions_total"}  # type: ignore[index]
    assert set(counts) == set(Action)
    assert {action: count for action, count in counts.items() if count} == {"elect": 2, "start": 1}


def test_a_node_that_does_not_wait_has_every_reason_at_nought_and_names_nobody() -> None:
    reading = waiting(None, position=Position())
    found = values(encode(Exposition({}), families.bootstrap(reading))[0])
    assert not any(value for (name, _), value in found.items() if name == "galera_bootstrap_waiting")
    assert not any(name == "galera_bootstrap_waiting_for" for name, _ in found)
    assert found["galera_bootstrap_position_seqno", ()] == -1


@pytest.mark.parametrize("nodes", [(), ("db-0", "db-1")])
def test_nodes_that_contradict_each_other_are_a_suspicion(nodes: tuple[str, ...]) -> None:
    reading = RegistryReading(up=True, view=ClusterView(contradicting=nodes), last_success=1e9)
    found = values(encode(Exposition({}), families.registry(reading))[0])
    assert found["galera_split_brain_suspected", ()] == bool(nodes)


def test_constant_labels_are_on_every_sample() -> None:
    body, _ = encode(Exposition({"dc": "seoul"}), rows())
    assert all(("dc", "seoul") in labels for _, labels in values(body))


def test_a_family_is_encoded_again_only_when_it_has_other_series(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = exposition.family
    monkeypatch.setattr(exposition, "family", lambda metric, *rest: made.append(metric.name) or real(metric, *rest))
    pages = Exposition({})
    encode(pages, [("galera_up", (((), 1.0),)), ("galera_etcd_key_present", ((("a",), 1.0),))])
    page, _ = encode(pages, [("galera_up", (((), 0.0),)), ("galera_etcd_key_present", ((("a",), 0.0),))])
    assert made == ["galera_up", "galera_etcd_key_present"]
    assert set(values(page).values()) == {0}
    page, _ = encode(pages, [("galera_up", (((), 0.0),)), ("galera_etcd_key_present", ((("b",), 0.0),))])
    assert made == ["galera_up", "galera_etcd_key_present", "galera_etcd_key_present"]
    assert ("galera_etcd_key_present", (("node", "b"),)) in values(page)


SAMPLES = {
    "galera_up": st.floats(allow_nan=False).map(lambda value: (((), value),)),
    "galera_heartbeat_writes_total": st.integers(0, 2**63).map(lambda value: (((), float(value)),)),
    "galera_etcd_key_age_seconds": st.dictionaries(st.text(max_size=5), st.floats(0, 1e9), max_size=3).map(
        lambda ages: tuple(((node,), age) for node, age in ages.items())
    ),
    "galera_heartbeat_duration_seconds": st.tuples(st.integers(0, 99), st.floats(0, 99)).map(
        lambda pair: ((("0.1",), float(pair[0])), (("+Inf",), float(pair[0] + 1)), (("sum",), pair[1]))
    ),
    "galera_node_info": st.text(max_size=5).map(lambda text: ((("n", "a", "c", text, "s", "0"), 1.0),)),
}


@given(st.lists(st.fixed_dictionaries(SAMPLES), min_size=2, max_size=4), st.sampled_from(["", OPENMETRICS]))
@example([{"galera_up": (((), 0.0),)}, {"galera_up": (((), -0.0),)}, {"galera_up": (((), 1.0),)}], "")
@example([{"galera_up": (((), 1.0),)}, {"galera_up": (((), -0.0),)}], "")
def test_numbers_put_into_a_kept_text_give_the_page_that_a_new_encoder_gives(
    scrapes: list[dict[str, Samples]], accept: str
) -> None:
    kept = Exposition({"dc": "seoul"})
    for samples in scrapes:
        assert encode(kept, samples.items(), accept) == encode(Exposition({"dc": "seoul"}), samples.items(), accept)


def test_process_metrics_are_those_of_now_and_end_the_page() -> None:
    pages = Exposition({})
    for used in (1.5, 2.5):
        gauge = GaugeMetricFamily("process_cpu_seconds", "CPU time.", value=used)
        body, _ = encode(pages, [("galera_up", (((), 1.0),))], OPENMETRICS, [gauge])
        assert values(body, openmetrics=True)["process_cpu_seconds", ()] == used
        assert body.endswith(b"# EOF\n")


def test_odd_accept_headers_do_not_grow_memory() -> None:
    pages = Exposition({})
    for minor in range(100):
        encode(pages, rows(), f"application/openmetrics-text; version=1.0.{minor}")
    assert len(pages._formats) <= 4
    kept = pages.format("")
    encode(pages, rows(), OPENMETRICS)
    assert pages.format("") is kept, "what a scraper asks for is kept, whatever others asked before"


@given(st.text(max_size=30), st.text(max_size=200))
def test_any_text_of_a_server_or_a_client_gives_a_page_that_parses(value: str, accept: str) -> None:
    made: list[families.Row] = [("galera_cluster_member_info", (((value, value, value), 1.0),))]
    body, content_type = encode(Exposition({}), made, accept)
    if content_type.startswith("text/plain"):
        assert len(values(body)) == 1


def test_every_metric_has_a_help_and_names_its_source_where_it_has_one() -> None:
    for name, metric in CATALOG.items():
        assert metric.help.endswith("."), name
        assert (metric.kind is Kind.COUNTER) == name.endswith("_total"), name
        if name.startswith("wsrep_") and name != "wsrep_raw":
            assert metric.source, name
    assert {row.name for row in STATUS} <= set(CATALOG)


def test_a_call_that_hangs_holds_one_thread_and_lets_every_caller_go() -> None:
    started, release = [], threading.Event()

    def hang() -> int:
        started.append(1)
        release.wait(30)
        return 7

    call = BoundedCall(hang)
    for _ in range(3):
        with pytest.raises(TimeoutError, match="no answer"):
            call(1.0, 0.01)
    assert len(started) == 1
    release.set()
    assert call(1.0, 5) == 7


def test_a_call_is_shared_while_fresh_and_made_again_when_old(tmp_path: Path) -> None:
    now = [0.0]
    numbers: Iterator[int] = iter(range(10))
    call = BoundedCall(numbers.__next__, clock=lambda: now[0])
    assert (call(1.0, 5), call(1.0, 5)) == (0, 0)
    now[0] = 1.5
    assert call(2.0, 5) == 0
    assert call(1.0, 5) == 1
    missing = BoundedCall((tmp_path / "x").read_text)
    depths = []
    for _ in range(3):
        with pytest.raises(FileNotFoundError) as caught:
            missing(1.0, 5)
        depths.append(len(caught.traceback))
    assert len(set(depths)) == 1, "an error that is told again and again does not grow"


class Silent:
    """A sampler whose database never answered."""

    def read(self, _max_age: float, _timeout: float) -> DatabaseReading:
        return DatabaseReading(0.0, DatabaseReason.REFUSED)


class Broken:
    """A heartbeat with a fault of our own in it."""

    def reading(self) -> RegistryReading:
        raise ZeroDivisionError("a fault of ours")


def broken_bootstrap() -> BootstrapReading:
    raise ZeroDivisionError("a fault of ours")


def broken_datadir(_max_age: float, _timeout: float) -> DatadirFacts:
    raise PermissionError(13, "Permission denied")


def test_rooms_that_fail_cost_their_own_metrics_and_not_the_page(caplog: pytest.LogCaptureFixture) -> None:
    config = Config(node="db-0", datadir=Path("/data"), labels={"dc": "seoul"})
    node = Node(config, Silent(), broken_datadir)  # type: ignore[arg-type]  # same shape
    page = MetricsPage(node, Broken(), lambda: False, bootstrap=broken_bootstrap)  # type: ignore[arg-type]  # same shape
    for _ in range(3):
        body, _ = page.render("", 1.0)
    found = values(body)
    assert found["galera_up", (("dc", "seoul"),)] == 0
    for collector in ("registry", "bootstrap", "datadir"):
        assert found["galera_exporter_collector_success", (("collector", collector), ("dc", "seoul"))] == 0
    assert found["galera_exporter_web_config_last_reload_successful", (("dc", "seoul"),)] == 0
    assert found["process_resident_memory_bytes", (("dc", "seoul"),)] > 0
    assert not any(name.startswith(("galera_registry_", "galera_bootstrap_")) for name, _ in found)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3, "one line each, not one a scrape"
    assert any("collector datadir fails: PermissionError" in line for line in lines)


def test_a_database_that_hangs_leaves_time_for_its_files() -> None:
    now = [100.0]
    given: list[float] = []

    class Hanging:
        """A sampler that takes all the time it is given, unless nobody waits."""

        def read(self, _max_age: float, timeout: float) -> DatabaseReading:
            now[0] += timeout
            return DatabaseReading(0.0, DatabaseReason.TIMEOUT)

    def datadir(_max_age: float, timeout: float) -> DatadirFacts:
        given.append(timeout)
        return running_files(UUID, gra_log_files=3)

    node = Node(Config(node="db-0", datadir=Path("/data")), Hanging(), datadir)  # type: ignore[arg-type]  # same shape
    body, _ = MetricsPage(node, None, lambda: True, clock=lambda: now[0]).render("", 4.5)
    assert values(body)["galera_gra_log_files", ()] == 3
    assert given == [pytest.approx(0.45)]
    assert now[0] == pytest.approx(104.05), "it may use all the rest"
