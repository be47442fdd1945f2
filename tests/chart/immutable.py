"""What Kubernetes does not let an upgrade change: ``python -m chart.immutable`` writes immutable.json."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chart.release import CASES, Release, case

FILE = Path(__file__).with_name("immutable.json")
_MUTABLE = frozenset(
    {
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    }
)
"""Of a StatefulSet's spec: all else is refused (pkg/apis/apps/validation, ValidateStatefulSetUpdate)."""


def fields(release: Release) -> dict[str, Any]:
    """Return, by object, the fields that cannot change while the object stays."""
    found = {f"{each['kind']} {each['metadata']['name']}": _of(each) for each in release.objects}
    return {name: part for name, part in sorted(found.items()) if part is not None}


def _of(found: Mapping[str, Any]) -> Any:
    spec = found.get("spec", {})
    match found["kind"]:
        case "StatefulSet":
            mounts = {
                container["name"]: sorted(
                    f"{mount['mountPath']} {mount.get('subPath', '')}".strip()
                    for mount in container["volumeMounts"]
                    if mount["name"] == "data"
                )
                for container in (*spec["template"]["spec"]["initContainers"], *spec["template"]["spec"]["containers"])
            }
            # Kubernetes would take other paths; the data would be somewhere else.
            return {key: value for key, value in spec.items() if key not in _MUTABLE} | {"paths of the data": mounts}
        case "Deployment":
            return spec["selector"]
        case "Service":
            return {"headless": spec.get("clusterIP") == "None"}
        case "RoleBinding":
            return found["roleRef"]
        case "Secret":
            return {"type": found["type"], "keys": sorted(found["data"])}
    return None


def main() -> int:
    """Write the file anew."""
    FILE.write_text(json.dumps({name: fields(case(name)) for name in CASES}, indent=1, sort_keys=True) + "\n")
    sys.stdout.write(f"{FILE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
