"""The Kubernetes API as the observer uses it: the official client, each request bounded, each failure named.

Only the client's lower half is loaded: its configuration (service account, kubeconfig, TLS, the token that is
rotated) and its requests. The classes for every kind of object would double the process.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

import urllib3
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.incluster_config import load_incluster_config

from galera_exporter.errors import ConfigError, KubernetesError, KubernetesReason
from galera_exporter.observer.pods import LABEL, PRIMARY, Pod, Workload, read_pods, read_workload
from galera_exporter.registry.transport import TIMED_OUT, TIMED_POOLS, reason_in_words
from galera_exporter.settings import ObserverSettings

TIMEOUT: Final = 5.0
"""Seconds for one request, from the connection to the last byte of the answer."""
MAX_ANSWER: Final = 8 * 1024 * 1024
"""Bytes; a pod takes about 10 KiB."""

_REASONS: Final = {
    401: KubernetesReason.UNAUTHORIZED,
    403: KubernetesReason.FORBIDDEN,
    404: KubernetesReason.NOT_FOUND,
    409: KubernetesReason.CONFLICT,
    429: KubernetesReason.THROTTLED,
}
_MERGE: Final = "application/merge-patch+json"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_LONGEST: Final = 300
"""Characters of a server's message that are shown."""

T = TypeVar("T")


class Kubernetes:
    """One namespace of a cluster. For one thread at a time; its methods raise KubernetesError."""

    def __init__(self, settings: ObserverSettings, namespace: str) -> None:
        """Raises ConfigError where it is not known how to reach the API."""
        self._statefulset = settings.statefulset
        self._namespace = namespace
        self.failures: Counter[KubernetesReason] = Counter(dict.fromkeys(KubernetesReason, 0))
        """Requests that failed. Any thread may read it."""
        self._client = ApiClient(_configuration(settings))
        self._client.rest_client.pool_manager.pool_classes_by_scheme = TIMED_POOLS

    def close(self) -> None:
        """Close the connections."""
        self._client.close()  # type: ignore[no-untyped-call]  # it has no types

    def workload(self) -> Workload:
        """Return the StatefulSet; NOT_FOUND where there is none."""
        path = "/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}"
        return self._call("GET", path, {"name": self._statefulset}, read=read_workload)

    def pods(self, selector: str, *, newest: bool) -> tuple[Pod, ...]:
        """Return the pods that ``selector`` finds, by ordinal.

        With ``newest`` as they are now; else as the API server has them in memory, which costs
        it next to nothing, and may be older by moments.
        """
        query = {"labelSelector": selector, **({} if newest else {"resourceVersion": "0"})}
        path = "/api/v1/namespaces/{namespace}/pods"
        return self._call("GET", path, query=query, read=lambda found: read_pods(found, self._statefulset))

    def label(self, pod: Pod, *, primary: bool) -> None:
        """Give the write pod's label to ``pod``, or take it away.

        Raises:
            KubernetesError: CONFLICT where the pod has changed since it was read, NOT_FOUND where it is gone.
        """
        metadata = {"resourceVersion": pod.version, "labels": {LABEL: PRIMARY if primary else None}}
        path = "/api/v1/namespaces/{namespace}/pods/{name}"
        self._call("PATCH", path, {"name": pod.name}, body={"metadata": metadata}, read=_anything)

    def create_event(self, event: Mapping[str, Any]) -> None:
        """Write an event; CONFLICT where there is one of its name."""
        self._call("POST", "/api/v1/namespaces/{namespace}/events", body=event, read=_anything)

    def update_event(self, name: str, fields: Mapping[str, Any]) -> None:
        """Change fields of an event; NOT_FOUND where Kubernetes has dropped it for its age."""
        path = "/api/v1/namespaces/{namespace}/events/{name}"
        self._call("PATCH", path, {"name": name}, body=fields, read=_anything)

    def _call(
        self,
        method: str,
        path: str,
        parts: Mapping[str, str] = _NOTHING,
        *,
        read: Callable[[object], T | None],
        query: Mapping[str, str] = _NOTHING,
        body: Mapping[str, Any] | None = None,
    ) -> T:
        """Do one request, and return what ``read`` makes of the answer; None is a bad answer."""
        try:
            return _right(path, read(self._checked(*self._ask(method, path, parts, query, body))))
        except KubernetesError as error:
            self.failures[error.reason] += 1
            raise

    def _ask(
        self, method: str, path: str, parts: Mapping[str, str], query: Mapping[str, str], body: Mapping[str, Any] | None
    ) -> tuple[int, bytes]:
        """Return the status and the content of the answer."""
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = _MERGE if method == "PATCH" else "application/json"
        try:
            request = self._client.param_serialize(
                method,
                path,
                path_params={"namespace": self._namespace, **parts},
                query_params=list(query.items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            response = self._client.call_api(*request, _request_timeout=TIMEOUT).response
            return response.status, _content(response)
        except ApiException as error:  # of the client itself: it could not trust the server's certificate
            raise KubernetesError(KubernetesReason.UNREACHABLE, str(error.reason).replace("\n", ": ")) from None
        except (urllib3.exceptions.HTTPError, OSError, ConfigException) as error:
            words = reason_in_words(error)
            reason = KubernetesReason.TIMEOUT if words == TIMED_OUT else KubernetesReason.UNREACHABLE
            raise KubernetesError(reason, words) from None

    def _checked(self, status: int, content: bytes) -> object:
        """Return the answer's JSON object; raise what the server says instead of it."""
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            found = None
        if 200 <= status < 300:  # noqa: PLR2004 - success in HTTP
            if not isinstance(found, dict):
                raise KubernetesError(KubernetesReason.BAD_ANSWER, "the answer is not a JSON object")
            return found
        message = str(found.get("message") or "") if isinstance(found, dict) else ""
        for secret in self._client.configuration.api_key.values():  # a server may be anything: it may send it back
            message = message.replace(str(secret).split()[-1], "***")
        reason = _REASONS.get(status, KubernetesReason.SERVER if status >= 500 else KubernetesReason.OTHER)  # noqa: PLR2004 - the same
        raise KubernetesError(reason, message[:_LONGEST] or f"HTTP status {status}")


def _right(path: str, found: T | None) -> T:
    if found is None:
        raise KubernetesError(KubernetesReason.BAD_ANSWER, f"{path}: the answer is not what was asked for")
    return found


def _anything(found: object) -> object:
    return found


def _content(response: Any) -> bytes:
    content = bytearray()
    for chunk in response.stream(64 * 1024):
        content += chunk
        if len(content) > MAX_ANSWER:
            response.close()
            raise KubernetesError(KubernetesReason.BAD_ANSWER, f"the answer is larger than {MAX_ANSWER >> 20} MiB")
    response.release_conn()
    return bytes(content)


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _configuration(settings: ObserverSettings) -> Configuration:
    configuration = Configuration()
    try:
        if settings.kubeconfig is not None:
            # Loads PyYAML and the helpers of clouds, which only those need who are outside of a cluster.
            from kubernetes.config.kube_config import load_kube_config  # noqa: PLC0415 - see above

            path = str(settings.kubeconfig)
            load_kube_config(path, client_configuration=configuration, persist_config=False)  # type: ignore[no-untyped-call]  # it has no types
        else:
            load_incluster_config(configuration)  # type: ignore[no-untyped-call]  # the same
            configuration.proxy = None  # an API server is never behind the proxy to the world
    except Exception as error:  # noqa: BLE001 - the loaders raise whatever a part of them raises: YAML, base64, types
        where = f"--kubeconfig {settings.kubeconfig}" if settings.kubeconfig else "no service account is mounted"
        hint = (
            "" if settings.kubeconfig else ": run it in a pod with automountServiceAccountToken, or give --kubeconfig"
        )
        raise ConfigError((f"{where} ({_line(error)}){hint}",)) from None
    configuration.retries = False
    configuration.connection_pool_maxsize = 1
    return configuration
