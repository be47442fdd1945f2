"""The images as the nodes' containerd keeps them: imported once, and given to each node by hard links."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from e2e.kube.configs import containerd
from e2e.kube.images import BUILT, DOWNLOADED, Builder, Image
from e2e.kube.machine import Machine, run
from e2e.kube.paths import BUILD
from lab.process import wait_until
from lab.scratch import scratch

_STORE = BUILD / "store"
_CONTENT = _STORE / "containerd"
_KEYS = _STORE / "keys.json"
_IMPORT = 300.0
# Each is changed in place by the containerd that has it open; all other files are written once.
_DATABASES = ("**/*.db", "**/*.lock")


def fill(build_programs: Callable[[], None]) -> list[str]:
    """Have every image in the store as its sources are now; return the names of those that had to be made.

    ``build_programs`` builds what the images of programs hold; the other images are made at the same time.
    """
    builder = Builder()
    with _locked(), ThreadPoolExecutor(1) as pool:
        programs = pool.submit(build_programs)
        made = _make(builder, DOWNLOADED)
        programs.result()
        made += _make(builder, BUILT)
        if made:
            _take(builder, made)
    return [image.name for image in made]


def give(folder: Path) -> None:
    """Make ``folder`` the root of a containerd that has all images."""
    with _locked():
        shutil.rmtree(folder, ignore_errors=True)
        run(["cp", "-al", str(_CONTENT), str(folder)], timeout=_IMPORT)
        for pattern in _DATABASES:
            for file in folder.glob(pattern):
                if file.is_file() and "snapshots" not in file.parts:
                    _own_copy(file)


def _own_copy(file: Path) -> None:
    copy = file.with_name(file.name + ".copy")
    shutil.copy2(file, copy)
    copy.replace(file)


def _make(builder: Builder, images: Sequence[Image]) -> list[Image]:
    kept = _keys()
    stale = [image for image in images if kept.get(image.name) != image.key]
    for image in stale:
        builder.build(image)
    return stale


def _take(builder: Builder, images: Sequence[Image]) -> None:
    """Import images with a containerd that runs for this alone."""
    keys = _keys()
    with scratch("e2e-store-") as folder:
        machine = Machine("store", folder)
        try:
            _CONTENT.mkdir(parents=True, exist_ok=True)
            machine.run("mkdir", "-p", "/var/lib/containerd")
            machine.run("mount", "--bind", str(_CONTENT), "/var/lib/containerd")
            (folder / "containerd.toml").write_text(containerd(str(folder)))
            server = machine.start("containerd", "containerd", "-c", str(folder / "containerd.toml"))
            wait_until(lambda: _answers(machine), 20, "containerd answers", [server.log])
            for image in images:
                keys.pop(image.name, None)
                _KEYS.write_text(json.dumps(keys))
                archive = builder.archive(image, _STORE / "import.tar")
                machine.run("ctr", "-n", "k8s.io", "images", "import", str(archive), timeout=_IMPORT)
                archive.unlink()
                keys[image.name] = image.key
                _KEYS.write_text(json.dumps(keys))
            server.stop()
        finally:
            machine.kill()


def _answers(machine: Machine) -> bool:
    return bool(machine.run("ctr", "version"))


def _keys() -> dict[str, str]:
    return dict(json.loads(_KEYS.read_text())) if _KEYS.exists() else {}


@contextmanager
def _locked() -> Iterator[None]:
    """One process at a time reads or changes the store."""
    _STORE.mkdir(parents=True, exist_ok=True)
    with (BUILD / "store.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
