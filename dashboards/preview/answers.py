"""A dashboard's queries, run: what each panel gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from preview.frames import Frame, legend, table, transformed
from preview.source import QueryError, Series, Source, Span, interpolated
from preview.spec import Dashboard, Marks, Panel, Target


@dataclass(frozen=True, slots=True)
class Named:
    """A series under the name that its panel gives it."""

    name: str
    series: Series


class Asker:
    """Runs the queries of one dashboard against one Prometheus, for one range of time.

    ``chosen`` are values of variables; of those that are not given, the first that Prometheus has is taken, or all.
    """

    def __init__(self, dashboard: Dashboard, source: Source, span: Span, chosen: Mapping[str, str]) -> None:
        self._source = source
        self._span = span
        self.values = {**span.built_in, **dashboard.constants, **self._variables(dashboard, chosen)}

    def ask(self, target: Target) -> list[Series]:
        """Run one query; raises QueryError."""
        expr = interpolated(target.expr, self.values)
        return self._source.instant(expr, self._span.end) if target.instant else self._source.range(expr, self._span)

    def named(self, panel: Panel) -> list[Named]:
        """Return all series of a panel, in the order of its queries."""
        return [
            Named(legend(target.legend, series.labels), series)
            for target in panel.targets
            for series in self.ask(target)
        ]

    def rows(self, panel: Panel) -> Frame:
        """Return the table of a panel."""
        alone = len(panel.targets) == 1
        frames = [table(self.ask(target), target.letter, alone=alone) for target in panel.targets]
        return transformed(frames, panel.transformations)

    def marks(self, marks: Marks) -> list[Named]:
        """Return where a kind of mark is."""
        expr = interpolated(marks.expr, self.values)
        return [Named(legend(marks.title, each.labels), each) for each in self._source.range(expr, self._span)]

    def filled(self, text: str) -> str:
        """Return a text with the variables in it."""
        return interpolated(text, self.values)

    def _variables(self, dashboard: Dashboard, chosen: Mapping[str, str]) -> dict[str, str]:
        values: dict[str, str] = {}
        for variable in dashboard.variables:
            if variable.name in chosen:
                values[variable.name] = chosen[variable.name]
            elif variable.multi:
                values[variable.name] = ".*"
            else:
                found = self._list(interpolated(variable.series, values), variable.values_of)
                values[variable.name] = found[0]
        return values

    def _list(self, series: str, label: str) -> Sequence[str]:
        found = self._source.label_values(series, label, self._span)
        if not found:
            raise QueryError(f"Prometheus has no {label} of {series}")
        return found
