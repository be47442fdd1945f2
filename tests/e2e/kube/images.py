"""The container images of the tests, built here under their upstream names from Debian's packages and Go modules.

Nothing is pulled: a machine without a container registry can run the chart with its default values. Each
image has a key, the hash of all that goes into it; what is kept under the same key is not built again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from e2e.kube.configs import PAUSE
from e2e.kube.machine import CommandError, run
from e2e.kube.paths import BUILD, ROOT, SOURCES, TOOLS

SUITE = "trixie"
MARIADB = "docker.io/library/mariadb:11.8"
ETCD = "gcr.io/etcd-development/etcd:v3.6.16"
PROMETHEUS = "quay.io/prometheus/prometheus:v2.53.3"
ALERTMANAGER = "quay.io/prometheus/alertmanager:v0.28.1"
OPERATOR = "quay.io/prometheus-operator/prometheus-operator:v0.85.0"
RELOADER = "quay.io/prometheus-operator/prometheus-config-reloader:v0.85.0"

_RECIPES = SOURCES / "images"
_STEP = 900.0
# Where this machine says whom it trusts and how it reaches its package archives: builds see it, images do not keep it.
_HOST = [Path(place) for place in ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf", "/etc/apt/apt.conf.d")]


@dataclass(frozen=True, slots=True)
class Image:
    """How one image is made, and what it is called."""

    name: str
    recipe: Path
    """A file in the language of Dockerfiles."""

    inputs: tuple[Path, ...] = ()
    """Files and folders that it copies, all below ``context``."""

    context: Path = _RECIPES
    base: Image | None = None
    """The image of these that its recipe starts from."""

    @property
    def key(self) -> str:
        """The hash of what it is made from."""
        seen = hashlib.sha256()
        for text in (self.name, self.base.key if self.base else ""):
            seen.update(text.encode() + b"\0")
        for path in (self.recipe, *self.inputs):
            for file in sorted(_files(path)):
                seen.update(str(file.relative_to(ROOT)).encode() + b"\0")
                seen.update(file.read_bytes())
        return seen.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for file in path.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file


def _program(name: str, program: str) -> Image:
    return Image(name, _RECIPES / f"{program}.Containerfile", (TOOLS / program,), TOOLS)


def _stated(file: Path, pattern: str) -> str:
    """Return what a file of the project says in a line of its own: a version, or a name."""
    found = re.search(f"^{pattern}$", file.read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{file} has no line {pattern!r}")
    return found[1].strip('"')


_DEBIAN = Image(f"localhost/{SUITE}", _RECIPES / f"{SUITE}.Containerfile")
_DOCKERFILE = ROOT / "Dockerfile"
_PYTHON = Image(_stated(_DOCKERFILE, r"ARG PYTHON_IMAGE=(\S+)"), _RECIPES / "python.Containerfile", base=_DEBIAN)
_VERSION = _stated(ROOT / "charts" / "galera" / "Chart.yaml", r"appVersion: (\S+)")
OWN = Image(
    f"docker.io/library/galera-exporter:{_VERSION}",
    _DOCKERFILE,
    (ROOT / "exporter" / "galera_exporter", ROOT / "requirements-image.lock"),
    ROOT,
    base=_PYTHON,
)
DOWNLOADED = (
    Image(MARIADB, _RECIPES / "mariadb.Containerfile", base=_DEBIAN),
    Image(PROMETHEUS, _RECIPES / "prometheus.Containerfile", base=_DEBIAN),
    Image(ALERTMANAGER, _RECIPES / "alertmanager.Containerfile", base=_DEBIAN),
    OWN,
)
"""What is made of packages: most of their time is spent waiting for downloads."""

BUILT = (
    _program(PAUSE, "pause"),
    _program(ETCD, "etcd"),
    _program(OPERATOR, "prometheus-operator"),
    _program(RELOADER, "prometheus-config-reloader"),
)
"""What holds a program that ``.ci/tools`` has built."""


class Builder:
    """Builds images in a store of its own, layer by layer: what has not changed is there already."""

    def __init__(self, folder: Path = BUILD / "buildah", log: Path = BUILD / "images.log") -> None:
        self._folder = folder
        self._log = log
        folder.mkdir(parents=True, exist_ok=True)

    def build(self, image: Image) -> None:
        """Have the image in the store."""
        if image.base and not self._has(image.base):
            self.build(image.base)
        options = ["--layers", "--pull-never", "--file", str(image.recipe), "--label", f"e2e.key={image.key}"]
        for place in filter(Path.exists, _HOST):
            options += ["--volume", f"{place}:{place}:ro"]
        if image is _DEBIAN:
            self._debootstrap(self._folder / "debian")
        context = self._folder / "debian" if image is _DEBIAN else image.context
        self._buildah("bud", *options, "--tag", image.name, str(context))
        shutil.rmtree(self._folder / "debian", ignore_errors=True)

    def archive(self, image: Image, target: Path) -> Path:
        """Write the image as a docker-archive."""
        target.unlink(missing_ok=True)
        self._buildah("push", "-q", image.name, f"docker-archive:{target}:{image.name}")
        return target

    def _has(self, image: Image) -> bool:
        filters = [f"reference={image.name}", f"label=e2e.key={image.key}"]
        return bool(self._buildah("images", "-q", *(f"--filter={one}" for one in filters)).strip())

    def _debootstrap(self, folder: Path) -> None:
        """Leave a minimal Debian as ``folder/root.tar``."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        root = folder / "root"
        run(["debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, str(root)], timeout=_STEP)
        skip = [f"--exclude=./{place}/*" for place in ("proc", "sys", "dev", "var/cache/apt", "var/lib/apt/lists")]
        run(["tar", "-C", str(root), *skip, "-cf", str(folder / "root.tar"), "."], timeout=_STEP)
        shutil.rmtree(root)

    def _buildah(self, *args: str) -> str:
        store = ["--root", f"{self._folder}/root", "--runroot", f"{self._folder}/run", "--storage-driver", "overlay"]
        argv = ["buildah", *store, *args]
        env = {**os.environ, "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(self._folder)}
        with self._log.open("ab") as log:
            log.write(f"$ {' '.join(args)}\n".encode())
            log.flush()
            done = subprocess.run(
                argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, timeout=_STEP, check=False
            )
            log.write(done.stdout)
        if done.returncode != 0:
            raise CommandError(argv, done.returncode, "", "\n".join(self._log.read_text().splitlines()[-30:]))
        return done.stdout.decode()
