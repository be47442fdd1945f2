"""What the chart makes of values, as objects that a test can ask."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from alerts import helm

CHART = helm.CHART
CASES = tuple(sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml")))
NAMESPACE = "galera"
FULLNAME = "db-galera"


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a pod, native sidecars and tests' included."""

    pod: Pod
    spec: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name in the pod."""
        return str(self.spec["name"])

    @property
    def ports(self) -> dict[str, int]:
        """Its ports by name."""
        return {port["name"]: port["containerPort"] for port in self.spec.get("ports", ())}

    @property
    def env(self) -> dict[str, str]:
        """Its environment as the pod with ordinal 0 has it; what comes from a Secret is left out."""
        fields = {
            "metadata.name": f"{self.pod.owner}-0",
            "metadata.uid": "6b6b2f7e-0000-4000-8000-000000000000",
            "status.podIP": "10.0.0.1",
        }
        found: dict[str, str] = {}
        for each in self.spec.get("env", ()):
            source = each.get("valueFrom", {})
            if "fieldRef" in source:
                found[each["name"]] = fields[source["fieldRef"]["fieldPath"]]
            elif not source:
                found[each["name"]] = self.expand(each["value"], found)
        return found

    @property
    def args(self) -> list[str]:
        """Its arguments as the pod with ordinal 0 has them."""
        return [self.expand(each, self.env) for each in self.spec.get("args", ())]

    @staticmethod
    def expand(text: str, env: Mapping[str, str]) -> str:
        """Replace $(NAME) by what was defined before, as Kubernetes does."""
        for name, value in env.items():
            text = text.replace(f"$({name})", value)
        return text


@dataclass(frozen=True, slots=True)
class Pod:
    """The pod that an object makes."""

    owner: str
    kind: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]
    claims: tuple[str, ...]
    """Volumes that the StatefulSet makes."""

    @property
    def component(self) -> str:
        """``galera``, ``etcd``, ``observer`` or ``test``."""
        return self.labels["app.kubernetes.io/component"]

    @property
    def containers(self) -> tuple[Container, ...]:
        """All of them."""
        listed = (*self.spec.get("initContainers", ()), *self.spec["containers"])
        return tuple(Container(self, each) for each in listed)

    @property
    def ports(self) -> dict[str, int]:
        """Ports of all containers by name."""
        return {name: port for container in self.containers for name, port in container.ports.items()}

    def container(self, name: str) -> Container:
        """Return the container of this name."""
        return next(each for each in self.containers if each.name == name)


class Release:
    """All objects of one rendering."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.objects: tuple[Mapping[str, Any], ...] = tuple(each for each in yaml.safe_load_all(text) if each)

    def all(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the objects of this kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def get(self, kind: str, name: str) -> Mapping[str, Any]:
        """Return one object."""
        return next(each for each in self.all(kind) if each["metadata"]["name"] == name)

    def has(self, kind: str, name: str) -> bool:
        """Whether there is such an object."""
        return any(each["metadata"]["name"] == name for each in self.all(kind))

    @property
    def pods(self) -> tuple[Pod, ...]:
        """The pods of all objects that make some."""
        return tuple(_pods(self.objects))

    def pod(self, component: str) -> Pod:
        """Return the pod of a component that makes one kind of pods."""
        (found,) = (pod for pod in self.pods if pod.component == component)
        return found

    def config(self, key: str) -> str:
        """Return one file of the chart's ConfigMap."""
        return str(self.get("ConfigMap", FULLNAME)["data"][key])


def _pods(objects: tuple[Mapping[str, Any], ...]) -> Iterator[Pod]:
    for each in objects:
        if each["kind"] in ("StatefulSet", "Deployment"):
            template = each["spec"]["template"]
            claims = tuple(claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", ()))
        elif each["kind"] == "Pod":
            template, claims = each, ()
        else:
            continue
        metadata = template["metadata"]
        yield Pod(
            owner=each["metadata"]["name"],
            kind=each["kind"],
            labels=metadata["labels"],
            annotations=metadata.get("annotations", {}),
            spec=template["spec"],
            claims=claims,
        )


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether matchLabels match."""
    return selector.items() <= labels.items()


def run(
    *arguments: str | Path, values: Mapping[str, Any] | None = None, chart: Path = CHART
) -> subprocess.CompletedProcess[str]:
    """Return what ``helm template`` says, as release ``db``."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:  # JSON is YAML too
        json.dump(dict(values or {}), file)
        file.flush()
        return subprocess.run(
            [
                *(helm.tool("helm"), "template", "db", chart, "--namespace", NAMESPACE, "--kube-version", "1.29.0"),
                *("--values", file.name, *arguments),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir()},
        )


def render(values: Mapping[str, Any] | None = None, *arguments: str | Path) -> Release:
    """Return the objects that these values make."""
    done = run(*arguments, values=values)
    assert done.returncode == 0, done.stderr
    return Release(done.stdout)


@cache
def case(name: str) -> Release:
    """Return the objects of one file of ``ci/``."""
    return render(None, "--values", CHART / "ci" / f"{name}-values.yaml")


def values_of(name: str) -> dict[str, Any]:
    """Return the values of one file of ``ci/``."""
    found = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text(encoding="utf-8"))
    return dict(found)
