"""What is asked of MariaDB in one flight of the sampler, and how often.

The status each time; the members when the view has changed, and else every
10 s; the variables every minute. A part that fails leaves the others alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from galera_exporter.errors import DatabaseReason
from galera_exporter.mariadb.connection import Connection, Rows, ServerError
from galera_exporter.mariadb.status import MEMBERS, STATUS, VARIABLES, parse_members, parse_status, parse_variables
from galera_exporter.model import CollectorRun, DatabaseReading, Member, NodeSample, NodeVariables

MEMBERS_INTERVAL: Final = 10.0
"""Seconds between two reads of the members while the view stays the same."""
RETRY_INTERVAL: Final = 60.0
"""Seconds until what failed, other than the status, is tried again."""

# Denied on the table or a column of it; no such table (a server before 10.4).
_NO_GRANT: Final = frozenset({1142, 1143, 1146})

log = logging.getLogger(__name__)


class Collectors:
    """The statements of a node and what they last brought. Used by one thread."""

    def __init__(
        self, connection: Connection, variables_interval: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._interval = variables_interval
        self._clock = clock
        self._opened = 0
        self._variables: NodeVariables | None = None
        self._variables_due = 0.0
        self._members: tuple[Member, ...] | None = None
        self._members_due = 0.0
        self._view: tuple[object, ...] = ()
        self._denied = False
        self._reason: DatabaseReason | None = None
        self.runs: Mapping[str, CollectorRun] = MappingProxyType({})
        """The last run of each collector. Replaced, never changed, so that any thread may read it."""

    def collect(self, taken: float) -> DatabaseReading:
        """Ask for all that is due, and return the reading of ``taken``; it never raises."""
        try:
            reading = self._collect(taken)
        except ServerError as error:
            reading = DatabaseReading(taken, error.reason, str(error), runs=self.runs)
        except Exception as error:
            log.exception("A fault of the exporter's own while it read MariaDB")
            text = f"a fault of the exporter's own ({type(error).__name__})"
            reading = DatabaseReading(taken, DatabaseReason.OTHER, text, runs=self.runs)
        if reading.reason is not self._reason:
            self._reason = reading.reason
            level = logging.INFO if reading.up else logging.WARNING
            log.log(level, "MariaDB: %s%s", reading.reason, f": {reading.detail}" if reading.detail else "")
        return reading

    def _collect(self, taken: float) -> DatabaseReading:
        sample = parse_status(self._run("status", STATUS))
        if self._opened != self._connection.opened:  # perhaps another server: nothing learnt before counts
            self._opened = self._connection.opened
            self._variables_due = self._members_due = taken
        if taken >= self._variables_due:
            self._read_variables(taken)
        self._read_members(sample, taken)
        switched_off = self._variables is not None and self._variables.settings.get("wsrep_on") == 0
        off = switched_off or not sample.raw.get("wsrep_provider_name")
        return DatabaseReading(
            taken,
            DatabaseReason.NOT_GALERA if off else DatabaseReason.OK,
            "wsrep is off, or no provider is loaded" if off else "",
            sample=sample,
            variables=self._variables,
            members=self._members,
            runs=self.runs,
        )

    def _read_variables(self, taken: float) -> None:
        try:
            self._variables = parse_variables(self._run("variables", VARIABLES))
            self._variables_due = taken + self._interval
        except ServerError as error:
            self._variables = None
            self._variables_due = taken + min(RETRY_INTERVAL, self._interval)
            log.warning("The variables cannot be read: %s", error)

    def _read_members(self, sample: NodeSample, taken: float) -> None:
        if not (sample.primary and sample.ready):
            # The table still shows the last Primary view, and is readable (seen on 10.11 and 11.8).
            self._members, self._view, self._members_due = None, (), taken
            return
        view = (sample.conf_id, sample.cluster_size, sample.state, sample.member_uuid)
        known = self._members is not None and view == self._view
        if taken < self._members_due and (known or self._denied):
            return
        self._view = view
        try:
            found = parse_members(self._run("members", MEMBERS))
            # A new view is in the status a moment before it is in the table: until then its members are not known.
            self._members = found if len(found) == sample.cluster_size else None
            self._members_due = taken + MEMBERS_INTERVAL
            self._denied = False
        except ServerError as error:
            lasting = error.code in _NO_GRANT or error.reason is DatabaseReason.TIMEOUT
            if lasting and not self._denied:
                log.warning("The members cannot be read, next try in a minute: %s", error)
            self._members = None
            self._members_due = taken + RETRY_INTERVAL
            self._denied = lasting

    def _run(self, collector: str, statement: str) -> Rows:
        began = self._clock()
        success = False
        try:
            rows = self._connection.query(statement)
            success = True
        finally:
            run = CollectorRun(success=success, seconds=self._clock() - began)
            self.runs = MappingProxyType({**self.runs, collector: run})
        return rows
