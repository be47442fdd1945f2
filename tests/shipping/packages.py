"""The wheel and the chart's package: built, looked into, and the wheel installed as a user installs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from shipping.versions import ROOT

OUTPUT = ROOT / "build" / "release"
_PACKAGE = "galera_exporter"
_KUBERNETES = "1.29.0"
"""The oldest that the chart takes; helm takes an older one for granted where it asks no cluster."""
_STEP = 600.0


class StepError(Exception):
    """A command failed; the text has its last lines."""


def run(*argv: str | Path, cwd: Path = ROOT) -> str:
    """Run a command and return what it printed. Raises StepError."""
    done = subprocess.run(
        [str(each) for each in argv],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_STEP,
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(done.stdout.splitlines()[-15:])
        raise StepError(f"{' '.join(str(each) for each in argv)}: exit status {done.returncode}\n{last}")
    return done.stdout


def wheel() -> Path:
    """Build the source distribution and the wheel, and return the wheel."""
    for old in OUTPUT.glob("galera_exporter-*"):
        old.unlink()
    run(sys.executable, "-m", "hatchling", "build", "-d", OUTPUT)
    (made,) = OUTPUT.glob("*.whl")
    return made


def chart() -> Path:
    """Build the chart's package and render it, as helm does for one that was pulled."""
    for old in OUTPUT.glob("galera-*.tgz"):
        old.unlink()
    helm = ROOT / "build" / "tools" / "helm"
    run(helm, "package", ROOT / "charts" / "galera", "--destination", OUTPUT)
    (made,) = OUTPUT.glob("galera-*.tgz")
    run(helm, "template", "db", made, "--kube-version", _KUBERNETES)
    return made


def lacking(inside: Iterable[str], wanted: Iterable[str], ahead: str = "") -> list[str]:
    """Return the files that should be in a package and are not; ``ahead`` is the folder that they are in there."""
    have = set(inside)
    return sorted(name for name in wanted if ahead + name not in have)


def lacking_in_wheel(made: Path) -> list[str]:
    """Return the package's files in git that the wheel does not have."""
    with zipfile.ZipFile(made) as archive:
        inside = archive.namelist()
    return lacking(inside, tracked("exporter", _PACKAGE))


def lacking_in_chart(made: Path) -> list[str]:
    """Return the chart's files in git that its package does not have, without those that ``.helmignore`` names."""
    with tarfile.open(made) as archive:
        inside = archive.getnames()
    ignored = (ROOT / "charts" / "galera" / ".helmignore").read_text(encoding="utf-8").split()
    wanted = [name for name in tracked("charts/galera") if not name.startswith(tuple(ignored))]
    return lacking(inside, wanted, "galera/")


def tracked(folder: str, below: str = ".") -> list[str]:
    """Return the files that git has below a folder, relative to it."""
    return run("git", "ls-files", "--", below, cwd=ROOT / folder).splitlines()


def environment(target: Path, lock: str, *wheels: Path) -> Path:
    """Make a virtual environment from a lock and wheels, and return its ``bin``."""
    shutil.rmtree(target, ignore_errors=True)
    run(sys.executable, "-m", "venv", target)
    install(target, "--require-hashes", "-r", lock)
    if wheels:
        install(target, "--no-deps", *map(str, wheels))
        run(target / "bin" / "python", "-m", "pip", "check")
    return target / "bin"


def install(target: Path, *options: str) -> None:
    """Install into an environment with its own pip."""
    run(target / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *options)


def says(command: Sequence[str | Path]) -> str:
    """Return what a command prints, on one line."""
    return " ".join(run(*command).split())
