"""The cluster, the release that most scenarios break and mend, and the report."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Generator, Iterator
from contextlib import suppress

import pytest

from e2e import diagnosis
from e2e.clients import make_account
from e2e.kube import cluster as clusters
from e2e.kube.cluster import Cluster
from e2e.release import Release
from e2e.report import Figure, Measure, Report, Result, save

_FIGURES = pytest.StashKey[list[Figure]]()
_REPORT = pytest.StashKey[Report]()
_MENDS = 90.0


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """The Kubernetes of this run."""
    begin = time.monotonic()
    with clusters.cluster() as made:
        took = time.monotonic() - begin
        server = json.loads(made.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
        facts = {"Kubernetes": server, "nodes": str(len(clusters.ready_nodes(made.api)))}
        report = pytestconfig.stash[_REPORT] = Report(facts)
        if made.nodes:
            report.add(Result("Three nodes are up and Ready", seconds=took))
        yield made


@pytest.fixture(scope="session")
def installed(cluster: Cluster) -> Iterator[tuple[Release, float]]:
    """The chart with its default values, all pods ready, and how many seconds that took."""
    release = Release(cluster, "galera")
    begin = time.monotonic()
    said = release.install()
    release.wait_ready()
    took = time.monotonic() - begin
    save("helm-install.txt", f"$ helm install db charts/galera\n{said}")
    make_account(release)
    yield release, took
    if not cluster.nodes:  # one of our own ends with all that is in it
        with suppress(OSError):
            release.remove()


@pytest.fixture
def db(installed: tuple[Release, float]) -> Iterator[Release]:
    """The release, healthy; one that does not mend by itself is installed anew for the next scenario."""
    release, _ = installed
    release.wait_ready(_MENDS)
    yield release
    try:
        release.wait_ready(_MENDS)
    except AssertionError:
        release.remove()
        release.install()
        release.wait_ready()
        make_account(release)
        raise


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measure:
    """A function that notes a figure for the report, and fails where a goal is missed."""
    figures = request.node.stash.setdefault(_FIGURES, [])

    def note(what: str, value: float, *, unit: str = "s", goal: float | None = None) -> None:
        figures.append(Figure(what, value, unit, goal))
        print(f"measured: {figures[-1].text()}")
        assert goal is None or value <= goal, f"{figures[-1].text()}: missed"

    return note


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report each scenario, and keep what the cluster says at the moment of a failure."""
    outcome = yield
    given = getattr(item, "funcargs", {}).values()
    cluster = next((value for value in given if isinstance(value, Cluster)), None)
    if cluster is None:
        cluster = next((value.cluster for value in given if isinstance(value, Release)), None)
    if outcome.failed and cluster is not None:
        with suppress(OSError):
            folder = diagnosis.keep(cluster, f"{item.name}-{call.when}", outcome.longreprtext)
            outcome.sections.append(("kept", str(folder)))
    report = item.config.stash.get(_REPORT, None)
    if report is not None and (call.when == "call" or outcome.failed or outcome.skipped):
        title = re.sub(r"^test_|\[.*$", "", item.name).replace("_", " ").replace(" tls ", " TLS ")
        result = Result(title[0].upper() + title[1:], outcome.outcome, call.duration)
        result.figures = item.stash.get(_FIGURES, [])
        report.add(result)
    return outcome
