"""``python -m shipping``: whether a release could be cut from these files, and what is known of what it depends on."""

from __future__ import annotations

import argparse
import os
import sys

from shipping import licences, packages, sbom, versions


def main() -> int:
    """Run what the command line asks for. The exit status is 1 where something is not in order."""
    parser = argparse.ArgumentParser(prog="python -m shipping", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="versions agree; wheel and chart build and install; $TAG: as for this git tag")
    commands.add_parser("sbom", help="write build/release/galera-exporter.cdx.json")
    commands.add_parser("licences", help="write docs/licences.md")
    given = parser.parse_args()
    try:
        if given.command == "sbom":
            print(f"sbom: {sbom.write()}")
        elif given.command == "licences":
            licences.PAGE.write_text(licences.page(), encoding="utf-8")
        else:
            return _check(os.environ.get("TAG", ""))
    except packages.StepError as error:
        print(f"{given.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _check(tag: str) -> int:
    texts = versions.read()
    found = versions.faults(texts, tag)
    for fault in found:
        print(f"release-check: {fault}", file=sys.stderr)
    if found:
        return 1
    version = versions.version(texts)
    print(f"release-check: all files say {version}")
    packages.OUTPUT.mkdir(parents=True, exist_ok=True)
    wheel, chart = packages.wheel(), packages.chart()
    found = [f"{wheel.name} lacks {name}" for name in packages.lacking_in_wheel(wheel)]
    found += [f"{chart.name} lacks {name}" for name in packages.lacking_in_chart(chart)]
    print(f"release-check: built {wheel.name} and {chart.name}")
    programs = packages.environment(packages.OUTPUT / "installed", "requirements.lock", wheel)
    for name in ("galera-exporter", "galeractl"):
        said = packages.says([programs / name, "--version"])
        print(f"release-check: installed from the lock: {said}")
        if said != f"{name} {version}":
            found.append(f"the installed {name} --version says {said!r}, not '{name} {version}'")
    for fault in found:
        print(f"release-check: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
