"""Runbooks as data: their sections, and every command in them, parsed against a small grammar.

``commands()`` yields each command of each runbook. A line ``kubectl exec ... -- galeractl status`` yields two: the
line itself (``kubectl``), and what it runs in the container (``galeractl``), so that the latter can be run where
there is no Kubernetes. Names of pods and namespaces stand in them as ``$NS``, ``$POD`` and ``$ETCD``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from galera_exporter.galeractl.cli import parser

ALERTS: Final = Path(__file__).parents[2] / "alerts"
RUNBOOKS: Final = ALERTS / "runbooks"

_SECTION: Final = re.compile(r"^## (.+)$", re.MULTILINE)
_FENCE: Final = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_ASSIGNMENT: Final = re.compile(r"([A-Z]+)=([\w-]+)")
_CAPTURE: Final = re.compile(r"[A-Z]+=\$\((.+)\)")
_POD: Final = re.compile(r"\$(POD|ETCD)|statefulset/\$CLUSTER")
_METRICS_PAGE: Final = "/api/v1/namespaces/$NS/pods/$POD:10104/proxy/metrics"
_LOOKS: Final = ("SHOW", "SELECT", "EXPLAIN")
_IN_CONTAINER: Final[Mapping[str, bool]] = {
    r"etcdctl (endpoint status (--cluster -w table|-w json)|alarm list|get / --prefix --keys-only --limit=50)": False,
    r"etcdctl (compaction \$REVISION|defrag|alarm disarm)": True,
    r"mariadb|mariadb-dump --all-databases --single-transaction": False,
    r"(tail -n \d+|ls -la?|df -h) /var/lib/mysql(/[\w.]+)?": False,
    r"rm -f /var/lib/mysql/sst_in_progress": True,
}
"""What is run in a container beside galeractl, and whether it changes anything."""


class GrammarError(Exception):
    """A command is not of a form that the runbooks use; the text says which part."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a runbook."""

    alert: str
    section: str
    """The heading that it stands under; empty for the variables at the top."""
    kind: str
    """kubectl, sql, or the program that kubectl runs in the container: galeractl, etcdctl, mariadb, tail, ..."""
    text: str
    """As it stands there; of a program in a container the part behind ``--``."""
    words: tuple[str, ...]
    """The program's arguments, without quotes; of SQL nothing."""
    has_side_effects: bool
    """Whether it changes anything in the cluster, in a database or in etcd."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    section: str
    language: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Runbook:
    """One runbook: its name is that of the alert."""

    alert: str
    text: str

    @property
    def sections(self) -> Mapping[str, str]:
        """Each heading of the second level, with what stands under it."""
        parts = _SECTION.split(self.text)
        return dict(zip(parts[1::2], parts[2::2], strict=True))

    @property
    def variables(self) -> Mapping[str, str]:
        """What the block at the top sets, with its examples."""
        (first,) = [block for block in self.blocks() if not block.section]
        found = [_ASSIGNMENT.fullmatch(line) for line in first.lines]
        if not all(found):
            raise GrammarError(f"{self.alert}: the first block sets variables and does nothing else")
        return {match[1]: match[2] for match in found if match}

    def blocks(self) -> Iterator[Block]:
        """Yield the fenced blocks, in order."""
        for match in _FENCE.finditer(self.text):
            headings = _SECTION.findall(self.text[: match.start()])
            lines = tuple(line.strip() for line in match[3].splitlines() if line.strip())
            yield Block(headings[-1] if headings else "", match[2], lines)

    def commands(self) -> Iterator[Command]:
        """Yield every command below the variables.

        Raises:
            GrammarError: for a line that is no command of the grammar.
        """
        for block in self.blocks():
            if not block.section:
                continue
            for line in block.lines:
                try:
                    yield from self._parse(block, line)
                except GrammarError as error:
                    raise GrammarError(f"{self.alert}, {block.section}: {line}: {error}") from None

    def _parse(self, block: Block, line: str) -> Iterator[Command]:
        if block.language == "sql":
            yield self._sql(block.section, line)
        elif block.language != "sh":
            raise GrammarError(f"a block is sh or sql, not {block.language!r}")
        elif not _ASSIGNMENT.fullmatch(line):
            capture = _CAPTURE.fullmatch(line)
            yield from self._kubectl(block.section, capture[1] if capture else line)

    def _sql(self, section: str, line: str) -> Command:
        if not line.endswith(";") or ";" in line[:-1]:
            raise GrammarError("one statement a line, with ; at its end")
        return Command(self.alert, section, "sql", line.rstrip(";"), (), changes_data(line))

    def _kubectl(self, section: str, line: str) -> Iterator[Command]:
        words = pipeline(line)
        call = parse_kubectl(words)
        inner = self._inner(section, call.inner)
        effects = call.changes or any(command.has_side_effects for command in inner)
        yield Command(self.alert, section, "kubectl", line, tuple(words), effects)
        yield from inner

    def _inner(self, section: str, words: Sequence[str]) -> list[Command]:
        if not words:
            return []
        program, arguments = words[0], tuple(words[1:])
        if program == "mariadb" and arguments:
            if len(arguments) != 2 or arguments[0] != "-e":
                raise GrammarError("mariadb alone, or with -e and one statement")
            return [Command(self.alert, section, "sql", arguments[1], (), changes_data(arguments[1]))]
        effects = changes_in_container(program, arguments)
        return [Command(self.alert, section, program, shlex.join(words), arguments, effects)]


def runbooks() -> tuple[Runbook, ...]:
    """Return all runbooks, by name."""
    return tuple(Runbook(path.stem, path.read_text()) for path in sorted(RUNBOOKS.glob("*.md")))


def commands() -> Iterator[Command]:
    """Yield every command of every runbook."""
    for each in runbooks():
        yield from each.commands()


def alternatives(pattern: str) -> list[str]:
    """Spell out the alternatives of a regular expression, those in groups too."""
    group = re.search(r"\(([^()]*)\)", pattern)
    if group is None:
        return pattern.split("|")
    before, after = pattern[: group.start()], pattern[group.end() :]
    found = [one for choice in group[1].split("|") for one in alternatives(f"{before}{choice}{after}")]
    return list(dict.fromkeys(found))


def pipeline(line: str) -> list[str]:
    """Split a line into the words of its first command; what follows may only be greps, or a file to write to."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|<>&;()`")
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    try:
        for word in lexer:
            if word in ("|", ">"):
                parts.append([word])
            elif set(word) <= set("|<>&;()`"):
                raise GrammarError(f"{word!r} is not used here")
            else:
                parts[-1].append(word)
    except ValueError as error:
        raise GrammarError(str(error)) from None
    for part in parts[1:]:
        match part:
            case ["|", "grep", "-E", _] | ["|", "grep", "-E", "-A" | "-B", _, _] | [">", _]:
                pass
            case _:
                raise GrammarError(f"{' '.join(part)!r}: a pipe ends in grep -E, or in a file")
    return parts[0]


@dataclass(frozen=True, slots=True)
class Verb:
    """What a verb of kubectl may have on its line in these runbooks."""

    resources: frozenset[str] = frozenset()
    """Kinds of things; empty: the operand is a name."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Options with a value, and the form of the value."""
    flags: frozenset[str] = frozenset()
    changes: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A parsed call of kubectl."""

    verb: str
    operands: tuple[str, ...]
    inner: tuple[str, ...]
    """The command for the container."""
    changes: bool


_VERBS: Final[Mapping[str, Verb]] = {
    "get": Verb(
        frozenset(
            (
                "configmaps",
                "deployments",
                "endpointslices",
                "events",
                "networkpolicies",
                "nodes",
                "pod",
                "pods",
                "pvc",
                "pvc,pods",
                "statefulsets",
            )
        ),
        {
            "-o": r"wide|yaml|jsonpath=\{[.\w]+\}",
            "-l": r"app\.kubernetes\.io/component=(etcd|galera|observer)",
            "-L": r"galera\.role",
            "--raw": re.escape(_METRICS_PAGE),
            "--sort-by": r"\.lastTimestamp",
        },
        frozenset({"--show-labels"}),
    ),
    "describe": Verb(frozenset({"pod"})),
    "top": Verb(frozenset({"pod", "node"}), flags=frozenset({"--containers"})),
    "logs": Verb(
        values={"-c": "mariadb|exporter", "--tail": r"\d+", "--since": r"\d+[mh]"},
        flags=frozenset({"--previous", "--timestamps"}),
    ),
    "exec": Verb(values={"-c": "mariadb|exporter"}, flags=frozenset({"-it"})),
    "delete": Verb(frozenset({"pod", "pvc"}), {"--wait": "false"}, changes=True),
    "label": Verb(frozenset({"pod"}), changes=True),
    "cordon": Verb(changes=True),
}


def parse_kubectl(words: Sequence[str]) -> Call:
    """Parse a call of kubectl; every name of a pod and of a namespace must be a variable.

    Raises:
        GrammarError: for what the runbooks do not use.
    """
    if not words or words[0] != "kubectl":
        raise GrammarError("a line begins with kubectl")
    own: list[str] = list(words[1:])
    inner: tuple[str, ...] = ()
    if "--" in own:
        cut = own.index("--")
        own, inner = own[:cut], tuple(own[cut + 1 :])
    namespaced = own[:2] == ["-n", "$NS"]
    if namespaced:
        own = own[2:]
    name, *rest = own
    verb = _VERBS.get(name)
    if verb is None:
        raise GrammarError(f"kubectl {name} is not used here")
    given, operands = _options(verb, rest)
    if "--raw" in given:
        _require(not operands and not namespaced, "--raw has the namespace in its path")
        return Call(name, (), (), changes=False)
    if verb.resources:
        _require(
            bool(operands) and operands[0] in verb.resources, f"kubectl {name} of {' '.join(operands) or 'nothing'}"
        )
    of_the_cluster = name == "cordon" or operands[:1] in (["node"], ["nodes"])
    _require(namespaced != of_the_cluster, 'everything but machines is in -n "$NS"')
    _check_names(name, operands)
    _require((name == "exec") == bool(inner), "-- and a command belong to exec")
    _require("-c" in given or name not in ("exec", "logs") or _is_alone(operands, inner), "which container?")
    return Call(name, tuple(operands), inner, verb.changes)


def _is_alone(operands: Sequence[str], inner: Sequence[str]) -> bool:
    """Tell whether a pod has one container: those of etcd and of the observer have."""
    return operands == ["$ETCD"] or (operands == ["$POD"] and not inner)


def _options(verb: Verb, words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    given: dict[str, str] = {}
    operands: list[str] = []
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            operands.append(word)
        elif word in verb.flags:
            given[word] = ""
        elif option in verb.values:
            value = value if equals else next(rest, "")
            _require(re.fullmatch(verb.values[option], value) is not None, f"{option} {value}")
            given[option] = value
        else:
            raise GrammarError(f"{word} is not used here")
    return given, operands


def _check_names(verb: str, operands: Sequence[str]) -> None:
    match verb, *operands:
        case ("get" | "top", _) | ("cordon", "$MACHINE"):
            pass
        case ("logs" | "exec", name) | ("get" | "top" | "describe" | "delete", "pod", name):
            _require(_POD.fullmatch(name) is not None, f"{name}: a pod is named by a variable")
        case ("delete", "pvc", name):
            _require(re.fullmatch(r"data-\$(POD|ETCD)", name) is not None, f"{name}: a claim is data- and the pod")
        case ("label", "pod", "$POD", "galera.role=primary"):
            pass
        case _:
            raise GrammarError(f"kubectl {verb} {' '.join(operands)} is not used here")


def changes_data(statement: str) -> bool:
    """Tell whether an SQL statement does more than look."""
    return statement.split(maxsplit=1)[0].upper() not in _LOOKS


def changes_in_container(program: str, arguments: Sequence[str]) -> bool:
    """Tell whether a program in a container changes something.

    Raises:
        GrammarError: for a program, or arguments, that the runbooks do not use.
    """
    if program == "galeractl":
        return parse_galeractl(arguments) not in ("status", "explain", "etcd-health")
    call = " ".join((program, *arguments))
    known = [changes for form, changes in _IN_CONTAINER.items() if re.fullmatch(form, call)]
    _require(bool(known), f"{call} is not used here")
    return known[0]


def parse_galeractl(arguments: Sequence[str]) -> str:
    """Parse a call of galeractl by its own parser, and return the subcommand.

    Raises:
        GrammarError: for what galeractl would refuse.
    """
    try:
        parsed, unknown = _galeractl().parse_known_args(arguments)
    except SystemExit:
        raise GrammarError("galeractl does not understand that") from None
    _require(not unknown, f"galeractl does not know {' '.join(unknown)}")
    return str(parsed.command)


_galeractl = cache(parser)


def _require(holds: bool, text: str) -> None:  # noqa: FBT001 -- reads as an assertion
    if not holds:
        raise GrammarError(text)
