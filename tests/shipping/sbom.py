"""The bill of materials of what the image's Python has, as CycloneDX JSON; cyclonedx-py writes and validates it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from shipping.licences import SHIPPED, locked
from shipping.packages import OUTPUT, StepError, environment, run, wheel
from shipping.versions import ROOT, read, version


def write() -> Path:
    """Install the image's lock and the wheel, and describe that. Raises StepError."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    target = OUTPUT / "galera-exporter.cdx.json"
    python = environment(OUTPUT / "image", SHIPPED, wheel()) / "python"
    # The pip of the environment is not in the image.
    run(python, "-m", "pip", "uninstall", "-q", "-y", "pip")
    described = ("--pyproject", "pyproject.toml", "--output-reproducible", "-o", target, python)
    run(sys.executable, "-m", "cyclonedx_py", "environment", *described)
    bill = json.loads(target.read_text(encoding="utf-8"))
    # The version of the project is dynamic in pyproject.toml: the tool leaves it out.
    bill["metadata"]["component"]["version"] = version(read())
    target.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    found = lacking(bill, (ROOT / SHIPPED).read_text(encoding="utf-8"))
    if found:
        raise StepError(f"{target.name} does not agree with {SHIPPED}: {', '.join(found)}")
    return target


def lacking(bill: dict[str, object], lock: str) -> list[str]:
    """Return what only one of the two has, the bill's components or the lock."""
    components = bill["components"]
    assert isinstance(components, list)
    has = {f"{each['name'].lower().replace('_', '-').replace('.', '-')}=={each['version']}" for each in components}
    wanted = {f"{name}=={version}" for name, version in locked(lock).items()}
    return sorted(has ^ wanted)
