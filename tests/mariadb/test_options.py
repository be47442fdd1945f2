"""Provider options and settings, in both forms that servers have."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galera_exporter.mariadb import options

MANY = settings(max_examples=10_000, deadline=None, database=None)
TEXTS = st.one_of(st.text(max_size=24), st.text("0123456789.-+xabfkKmMgGtTPYDHS =;", max_size=24))
# Some keys that are read, and any text as their values.
PAIRS = st.tuples(TEXTS, TEXTS, TEXTS).map(
    lambda values: dict(zip(("gcs.fc_limit", "gcs.fc_factor", "gcs.fc_single_primary"), values, strict=True))
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0.0),
        ("128M", 134217728.0),
        ("16m", 16777216.0),
        ("1k", 1024.0),
        ("2G", 2147483648.0),
        ("1T", 1099511627776.0),
        ("0x10", 16.0),
        ("0x1G", 1073741824.0),
        ("010", 8.0),
        ("-1", -1.0),
        ("9223372036854775807", 9223372036854775807.0),
        ("089", None),
        ("1.5M", None),
        ("M", None),
        ("10 M", None),
        ("1_0", None),
        ("", None),
        ("auto", None),
        ("9" * 400, None),
    ],
)
def test_a_size_has_any_base_and_a_unit(text: str, value: float | None) -> None:
    assert options.size(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("PT5S", 5.0),
        ("PT0.5S", 0.5),
        ("PT1M30S", 90.0),
        ("PT1M", 60.0),
        ("P1D", 86400.0),
        ("P1DT1H", 90000.0),
        ("P1M", 2592000.0),
        ("P1Y", 31536000.0),
        ("5.000000", 5.0),
        ("15", 15.0),
        ("P", None),
        ("PT", None),
        ("P1DT", None),
        ("PT5", None),
        ("PT5S6", None),
        ("-5", None),
        ("pt5s", None),
        ("nan", None),
        ("", None),
    ],
)
def test_a_duration_is_iso_8601_or_bare_seconds(text: str, value: float | None) -> None:
    assert options.duration(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("yes", 1.0), ("no", 0.0), ("true", 1.0), ("OFF", 0.0), ("1", 1.0), ("2", None), ("", None)]
)
def test_a_boolean_is_one_or_zero(text: str, value: float | None) -> None:
    assert options.boolean(text) == value


@pytest.mark.parametrize(("text", "value"), [("5", 5.0), ("0x1f", 31.0), ("-1", -1.0), ("5k", None), ("", None)])
def test_an_integer_has_no_unit(text: str, value: float | None) -> None:
    assert options.integer(text) == value


def test_options_are_split_at_semicolons_and_the_first_equals_sign() -> None:
    text = "gcache.size = 128M; gcomm.thread_prio = ; no equals sign; GCS.fc_limit=16;x = a=b; "
    assert options.parse_options(text) == {
        "gcache.size": "128M",
        "gcomm.thread_prio": "",
        "gcs.fc_limit": "16",
        "x": "a=b",
    }


def test_variables_of_the_provider_plugin_get_the_dotted_names() -> None:
    variables = {
        "wsrep_provider_evs_suspect_timeout": "5.000000",
        "wsrep_provider_base_dir": "/var/lib/mysql/",
        "wsrep_provider_debug": "OFF",
        "wsrep_provider": "/usr/lib/galera/libgalera_smm.so",
        "wsrep_provider_options": "debug = no",
    }
    assert options.provider_options(variables) == {
        "evs.suspect_timeout": "5.000000",
        "base_dir": "/var/lib/mysql/",
        "debug": "no",
    }


def test_settings_that_cannot_be_read_are_absent() -> None:
    assert options.settings({"wsrep_on": "perhaps", "sync_binlog": "1", "wsrep_provider_options": "pc.weight = x"}) == {
        "sync_binlog": 1.0
    }


@pytest.mark.parametrize(
    ("size", "extra", "limits"),
    [
        (1, {}, (16.0, 16.0)),
        (2, {}, (23.0, 23.0)),  # the log of the server: "Flow-control interval: [23, 23]"
        (3, {}, (28.0, 28.0)),
        (3, {"gcs.fc_factor": "0.5"}, (28.0, 14.0)),
        (3, {"gcs.fc_factor": "0.8"}, (28.0, 22.0)),
        (3, {"gcs.fc_single_primary": "yes"}, (16.0, 16.0)),
        (3, {"gcs.fc_master_slave": "ON"}, (16.0, 16.0)),
        (5, {"gcs.fc_limit": "100"}, (224.0, 224.0)),
        (0, {}, None),
        (3, {"gcs.fc_limit": "many"}, None),
        (3, {"gcs.fc_factor": ""}, None),
    ],
)
def test_flow_control_limits_grow_with_the_root_of_the_size(
    size: int, extra: dict[str, str], limits: tuple[float, float] | None
) -> None:
    assert options.flow_control_limits({"gcs.fc_limit": "16", "gcs.fc_factor": "1.0", **extra}, size) == limits


@MANY
@given(TEXTS)
def test_the_converters_are_total(text: str) -> None:
    for convert in (options.size, options.duration, options.boolean, options.integer):
        value = convert(text)
        assert value is None or math.isfinite(value)


@MANY
@given(TEXTS)
def test_parse_options_is_total(text: str) -> None:
    found = options.parse_options(f"gcache.size = {text}; {text}")
    assert "gcache.size" in found
    assert all(key and key == key.strip() for key in found)


@MANY
@given(PAIRS, st.integers(-5, 100_000))
def test_flow_control_limits_are_total(found: dict[str, str], size: int) -> None:
    limits = options.flow_control_limits(found, size)
    assert limits is None or all(math.isfinite(limit) and limit >= 0 for limit in limits)


@MANY
@given(TEXTS, TEXTS)
def test_settings_are_total(text: str, other: str) -> None:
    variables = {"wsrep_on": text, "sync_binlog": other, "wsrep_provider_options": f"gcache.size = {text}; {other}"}
    variables |= {"wsrep_provider_gcache_page_size": text, "wsrep_provider_evs_suspect_timeout": other}
    assert all(math.isfinite(value) for value in options.settings(variables).values())
