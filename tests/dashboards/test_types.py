"""The JSON is of the types that Grafana publishes for it, of the version it is made for and of a later one."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dashboards import node
from dashboards.files import DOCUMENTS

VERSIONS = {"11.6": "@grafana/schema", "13.2": "@grafana/schema-13"}
"""Of Grafana, by the package in package.json that has its types."""


def compile_(folder: Path, package: str, documents: dict[str, Any]) -> list[str]:
    """Return what the compiler says of these documents, a line each."""
    modules = node.modules()
    (folder / "wire.d.ts").write_text((node.HERE / "wire.d.ts").read_text())
    for name, document in documents.items():
        text = json.dumps(document, indent=2)
        (folder / f"{name}.ts").write_text(
            f'import type {{ Dashboard }} from "./wire";\nexport const board: Dashboard = {text};\n'
        )
    there = modules / package
    options = {
        "strict": True,
        "noEmit": True,
        "skipLibCheck": True,
        "module": "esnext",
        "moduleResolution": "node10",
        "target": "es2022",
        "types": [],
        "baseUrl": ".",
        "paths": {"@grafana/schema": [str(there)], "@grafana/schema/*": [f"{there}/*"]},
    }
    (folder / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": options, "files": [f"{n}.ts" for n in documents]})
    )
    done: subprocess.CompletedProcess[str] = node.run([modules / "typescript" / "bin" / "tsc", "--project", folder])
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_committed_json_has_grafanas_types(tmp_path: Path, version: str) -> None:
    assert compile_(tmp_path, VERSIONS[version], DOCUMENTS) == []


FAULTS = {
    "a word that an option does not have": ('"textMode": "name"', '"textMode": "nome"'),
    "a name that there is not": ('"unit": "percentunit"', '"unitt": "percentunit"'),
    "a word in the place of another": ('"mode": "thresholds"', '"mode": "threshold"'),
    "a text for a number": ('"lineWidth": 2.0', '"lineWidth": "2"'),
    "a name of a panel's own options": ('"showHeader": true', '"showHeadr": true'),
    "a variable's number": ('"hide": 2', '"hide": "2"'),
    "a query's format": ('"format": "table"', '"format": "tabel"'),
    "an Angular panel": ('"type": "timeseries"', '"type": "graph"'),
    "something that is missing": ('"iconColor": "', '"colour": "'),
    "a place that is missing": ('"gridPos": {', '"gridPosition": {'),
}


def test_the_types_tell_of_faults(tmp_path: Path) -> None:
    text = json.dumps(DOCUMENTS["galera-recovery"])
    broken = {}
    for number, (there, instead) in enumerate(FAULTS.values()):
        assert there in text
        broken[f"fault{number}"] = json.loads(text.replace(there, instead, 1))
    said = "\n".join(compile_(tmp_path, VERSIONS["11.6"], broken))
    told = {name for name in broken if re.search(rf"\b{name}\.ts\(\d+,\d+\): error TS", said)}
    assert told == set(broken), [list(FAULTS)[int(name.removeprefix("fault"))] for name in broken if name not in told]
