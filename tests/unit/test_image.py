"""What the Dockerfile promises. That it builds, and what comes of it, is for the end-to-end tests."""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Instruction:
    word: str
    text: str

    @property
    def argv(self) -> list[str]:
        """Of the exec form, which needs no shell; raises where it is the other form."""
        found: list[str] = json.loads(self.text)
        return found


def instructions() -> list[Instruction]:
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def stages() -> list[list[Instruction]]:
    """The instructions of each stage, from its FROM on; those ahead of the first come first."""
    found: list[list[Instruction]] = [[]]
    for instruction in instructions():
        if instruction.word == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


HEAD, BUILD, FINAL = stages()


def one(stage: list[Instruction], word: str) -> Instruction:
    (found,) = [instruction for instruction in stage if instruction.word == word]
    return found


def test_the_base_is_an_exact_version_and_may_be_another() -> None:
    name, _, default = one(HEAD, "ARG").text.partition("=")
    assert re.fullmatch(r"docker\.io/library/python:3\.13\.\d+-slim-trixie", default)
    assert [one(stage, "FROM").text for stage in (BUILD, FINAL)] == [f"${{{name}}} AS build", f"${{{name}}}"]


def test_nothing_knows_where_the_bases_python_is() -> None:
    text = "\n".join(instruction.text for stage in (BUILD, FINAL) for instruction in stage)
    assert not re.search(r"/usr/(local/)?bin/python|python3\.\d", text)


def test_packages_come_from_the_lock_with_hashes_as_wheels() -> None:
    (install,) = [line.text for line in BUILD if " install " in f"{line.text} "]
    for flag in ("--require-hashes", "--only-binary :all:", "-r requirements-image.lock", "--no-compile"):
        assert flag in install
    assert "apt" not in install


def test_no_address_of_an_index_is_written_down() -> None:
    for name in ("Dockerfile", "requirements-image.lock", "requirements.lock"):
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links (?!\. )", (ROOT / name).read_text()), name


def test_the_last_stage_takes_from_the_context_nothing_but_what_was_built() -> None:
    assert [line.text for line in FINAL if line.word in {"COPY", "ADD"}] == [
        "--from=build /opt/galera-exporter /opt/galera-exporter"
    ]


def test_it_runs_as_nobody_and_nothing_is_done_after_that() -> None:
    words = [line.word for line in FINAL]
    assert one(FINAL, "USER").text == "65534:65534"
    assert not {"RUN", "COPY", "ADD"} & set(words[words.index("USER") :])


def test_no_program_needs_a_shell_to_start_or_to_be_checked() -> None:
    assert one(FINAL, "ENTRYPOINT").argv == ["galera-exporter"]
    assert one(FINAL, "CMD").argv == ["--help"]
    options, _, command = one(FINAL, "HEALTHCHECK").text.partition("CMD ")
    assert "--timeout=" in options
    assert json.loads(command) == ["python3", "-m", "galera_exporter.healthcheck"]
    assert one(FINAL, "STOPSIGNAL").text == "SIGTERM"


def test_it_says_what_it_is_of_which_version_and_revision() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', one(FINAL, "LABEL").text))
    assert labels.keys() == {"title", "description", "licenses", "version", "revision"}
    assert (labels["version"], labels["revision"]) == ("${VERSION}", "${REVISION}")
    assert [line.text.partition("=")[0] for line in FINAL if line.word == "ARG"] == ["VERSION", "REVISION"]


def test_it_has_every_command_of_the_package() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    text = " ".join(line.text for line in BUILD if line.word == "RUN")
    entries = re.search(r"for entry in ([^;]+);", text)
    assert entries
    assert dict(entry.split(":") for entry in entries[1].split()) == {
        name: target.removesuffix(":main") for name, target in scripts.items()
    }


def test_pip_and_tests_are_gone_and_bytecode_is_there() -> None:
    built = " ".join(line.text for line in BUILD)
    final = " ".join(line.text for line in FINAL)
    assert "compileall" in built
    assert "-name tests" in built
    for name in ("pip", "ensurepip", "idlelib"):
        assert f"-name {name}" in final
    words = [line.text for line in FINAL]
    loads = next(index for index, text in enumerate(words) if "import" in text)
    assert not any("PYTHONDONTWRITEBYTECODE" in text for text in words[:loads])  # or nothing would be compiled there


def test_the_builder_gets_what_is_copied_and_nothing_else() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        source
        for line in BUILD
        if line.word == "COPY"
        for source in line.text.split()[:-1]
        if not source.startswith("--")
    }
    assert {rule for rule in allowed if any(fnmatch.fnmatch(rule, source) for source in copied)} == allowed
    assert all(any(fnmatch.fnmatch(rule, source) for rule in allowed) for source in copied)


def locked(name: str) -> dict[str, str]:
    """Name and version of each package of a lock that it has hashes for."""
    text = (ROOT / name).read_text()
    found = dict(re.findall(r"^([a-z0-9-]+)==(\S+)(?: ; [^\\\n]*)? \\\n +--hash=sha256:", text, re.MULTILINE))
    assert len(found) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)), f"{name}: a package without a hash"
    return found


@pytest.mark.parametrize("extra", ["auth", "kubernetes"])
def test_the_images_lock_has_all_that_the_package_needs(extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"][extra]]
    names = {re.split(r"[><=!~ ]", each)[0].lower() for each in wanted}
    assert names <= locked("requirements-image.lock").keys()


def test_the_image_has_the_versions_that_the_tests_ran_with() -> None:
    image = locked("requirements-image.lock")
    assert locked("requirements.lock").items() <= image.items()
    assert image.items() <= locked("requirements-dev.lock").items()
