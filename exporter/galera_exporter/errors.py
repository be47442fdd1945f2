"""The closed list of failures.

Each reason is an enum member and, with the same text, the value of a metric
label: what the log says is what the graph shows. Nothing else of a failure
(no message of a server, no address) ever becomes a label.
"""

from enum import StrEnum


class DatabaseReason(StrEnum):
    """Why MariaDB gave no sample; the label of ``galera_up_reason``."""

    OK = "ok"
    REFUSED = "refused"
    """Nothing listens, or the host or socket cannot be reached."""
    AUTH = "auth"
    """Error 1045, 1044, 1698, 1862 and their like: the account is not let in."""
    TIMEOUT = "timeout"
    """Connected, or connecting, and no answer in time."""
    TOO_MANY_CONNECTIONS = "too_many_connections"
    """Errors 1040, 1203 and 1226."""
    BUSY = "busy"
    """A statement of an earlier caller is still in flight."""
    NOT_GALERA = "not_galera"
    """SQL answers, but wsrep is off or no provider is loaded."""
    OTHER = "other"


class RegistryReason(StrEnum):
    """Why etcd did not do what was asked; the label of ``galera_heartbeat_failures_total``."""

    UNREACHABLE = "unreachable"
    """No endpoint accepted a connection."""
    TIMEOUT = "timeout"
    """An endpoint was reached and did not answer in time."""
    NO_LEADER = "no_leader"
    """The member answers, but the cluster has no quorum, or is electing."""
    AUTH = "auth"
    """Name, password or token refused."""
    PERMISSION = "permission"
    """Logged in, but the role does not cover our prefix."""
    NO_SPACE = "no_space"
    """The NOSPACE alarm: etcd is read-only."""
    LEASE_EXPIRED = "lease_expired"
    """Our lease no longer exists."""
    WRONG_CLUSTER = "wrong_cluster"
    """The answer's cluster_id is not the one seen before."""
    BAD_ANSWER = "bad_answer"
    """The answer is not what etcd gives: no header, no JSON, too large."""
    DUPLICATE = "duplicate"
    """Another process holds this node's key."""
    OTHER = "other"


class KubernetesReason(StrEnum):
    """Why the Kubernetes API did not do what was asked; the label of ``galera_kube_request_failures_total``."""

    UNREACHABLE = "unreachable"
    """No connection, or a certificate that is not trusted."""
    TIMEOUT = "timeout"
    """No whole answer in time."""
    UNAUTHORIZED = "unauthorized"
    """401: the token is not taken."""
    FORBIDDEN = "forbidden"
    """403: the Role does not cover it."""
    NOT_FOUND = "not_found"
    """404."""
    CONFLICT = "conflict"
    """409: changed meanwhile, or there already."""
    THROTTLED = "throttled"
    """429."""
    SERVER = "server"
    """500 and above."""
    BAD_ANSWER = "bad_answer"
    """The answer is not what Kubernetes gives."""
    OTHER = "other"


class DatabaseError(Exception):
    """MariaDB gave no answer; ``reason`` says why, the text says it in words."""

    def __init__(self, reason: DatabaseReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class RegistryError(Exception):
    """Etcd gave no valid answer; ``reason`` says why, the text says it in words."""

    def __init__(self, reason: RegistryReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class KubernetesError(Exception):
    """The Kubernetes API did not do what was asked; ``reason`` says why, the text says it in words."""

    def __init__(self, reason: KubernetesReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class ConfigError(Exception):
    """The configuration has faults; ``faults`` names each input and how to mend it."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults
