"""Values that make no sense are refused, with what is wrong in words."""

from __future__ import annotations

from typing import Any

import pytest

from chart.release import render, run

EXTERNAL = ["http://etcd.example.com:2379"]
TLS = {"enabled": True, "existingSecret": "cert"}

BY_SCHEMA: dict[str, tuple[dict[str, Any], str]] = {
    "a value that does not exist": (
        {"replicas": 3},
        "at '': additional properties 'replicas' not allowed",
    ),
    "one that does not exist, deep inside": (
        {"etcd": {"persistence": {"sise": "1Gi"}}},
        "at '/etcd/persistence': additional properties 'sise' not allowed",
    ),
    "no node": ({"replicaCount": 0}, "at '/replicaCount': minimum: got 0, want 1"),
    "two members of etcd": ({"etcd": {"replicaCount": 2}}, "at '/etcd/replicaCount': value must be one of 1, 3"),
    "a size that is none": ({"persistence": {"size": "big"}}, "at '/persistence/size': 'big' does not match pattern"),
    "a limit that is none": (
        {"mariadb": {"resources": {"limits": {"memory": "2 GB"}}}},
        "at '/mariadb/resources/limits/memory': '2 GB' does not match pattern",
    ),
    "an endpoint without a scheme": (
        {"etcd": {"enabled": False, "external": {"endpoints": ["etcd:2379"]}}},
        "at '/etcd/external/endpoints/0': 'etcd:2379' does not match pattern",
    ),
    "a database that would end a statement": (
        {"auth": {"database": "a`; DROP"}},
        "at '/auth/database': 'a`; DROP' does not match pattern",
    ),
    "a digest that is none": ({"image": {"digest": "latest"}}, "at '/image/digest': 'latest' does not match pattern"),
    "a type of Service that does not exist": (
        {"service": {"type": "Headless"}},
        "at '/service/type': value must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'",
    ),
    "a time to live under which keys would end in a pause": (
        {"exporter": {"etcdTTL": 2}},
        "at '/exporter/etcdTTL': minimum: got 2, want 5",
    ),
    "a way of state transfer that needs a password": (
        {"galera": {"sstMethod": "mysqldump"}},
        "at '/galera/sstMethod': value must be one of 'mariabackup', 'rsync'",
    ),
    "a name that leaves no room": (
        {"fullnameOverride": "a" * 48},
        "at '/fullnameOverride': maxLength: got 48, want 47",
    ),
    "a label that is no text": ({"podLabels": {"x": True}}, "at '/podLabels/x': got boolean, want string"),
}

BY_TEMPLATE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no etcd at all": (
        {"etcd": {"enabled": False}},
        ["etcd.external.endpoints: is empty while etcd.enabled is false: name the members of your etcd"],
    ),
    "two etcds": (
        {"etcd": {"external": {"endpoints": EXTERNAL}}},
        ["etcd.external.endpoints: are not used while etcd.enabled is true"],
    ),
    "two schemes, a CA for http, a user without a password, a certificate without a Secret": (
        {
            "etcd": {
                "enabled": False,
                "external": {"endpoints": [*EXTERNAL, "https://b:2379"], "tlsSecret": "ca", "user": "galera"},
            }
        },
        [
            "etcd.external.endpoints: mix http and https",
            "etcd.external.tlsSecret: the endpoints are http",
            "etcd.external.user: needs etcd.external.existingSecret",
        ],
    ),
    "a password and a certificate that nobody uses": (
        {
            "etcd": {
                "enabled": False,
                "auth": {"enabled": True},
                "external": {"endpoints": EXTERNAL, "existingSecret": "etcd", "clientCertificate": True},
            }
        },
        [
            "etcd.external.existingSecret: needs etcd.external.user",
            "etcd.external.clientCertificate: needs etcd.external.tlsSecret",
            "etcd.auth.enabled: is for the chart's own etcd",
        ],
    ),
    "a Secret for users that etcd does not have": (
        {"etcd": {"auth": {"existingSecret": "etcd"}}},
        ["etcd.auth.existingSecret: is not used while etcd.auth.enabled is false"],
    ),
    "a takeover before the key has ended": (
        {"exporter": {"etcdTTL": 60}},
        ["exporter.takeoverTimeout: must be at least 1.5 times exporter.etcdTTL, 90"],
    ),
    "TLS without a certificate": ({"tls": {"enabled": True}}, ["tls.enabled: needs a certificate"]),
    "TLS with two": (
        {"tls": {**TLS, "certManager": {"enabled": True, "issuerRef": {"name": "ca"}}}},
        ["tls.existingSecret: contradicts tls.certManager.enabled"],
    ),
    "TLS, and state transfers without": (
        {"tls": TLS, "galera": {"sstMethod": "rsync"}},
        ["galera.sstMethod: rsync would send the data in the clear"],
    ),
    "cert-manager without an issuer": (
        {"tls": {"enabled": True, "certManager": {"enabled": True}}},
        ["tls.certManager.issuerRef.name: is empty"],
    ),
    "a certificate for no TLS": (
        {"tls": {"existingSecret": "cert"}},
        ["tls.enabled: is false, and other values of tls are set"],
    ),
    "passwords twice": (
        {"auth": {"existingSecret": "passwords", "rootPassword": "x"}},
        ["auth.existingSecret: contradicts auth.rootPassword and auth.password"],
    ),
    "root from afar without a password": ({"auth": {"rootRemote": True}}, ["auth.rootRemote: needs auth.rootPassword"]),
    "a password of nobody": ({"auth": {"password": "x"}}, ["auth.password: needs auth.username"]),
    "an account that is taken": (
        {"auth": {"username": "exporter"}},
        ["auth.username: exporter is an account of MariaDB's or of the chart's own"],
    ),
    "a database that is taken": ({"auth": {"database": "mysql"}}, ["auth.database: mysql is one of MariaDB's own"]),
    "options of the provider that the start sets": (
        {"galera": {"providerOptions": {"pc.bootstrap": True, "ist.recv_addr": "x"}}},
        ["galera.providerOptions: pc.bootstrap is set by the chart", "galera.providerOptions: ist.recv_addr is set"],
    ),
    "two options in one": (
        {"galera": {"providerOptions": {"gcache.size": "1G;pc.bootstrap=1"}}},
        ["galera.providerOptions: gcache.size: a value has no ';' and no '='"],
    ),
    "options without a section": (
        {"mariadb": {"config": "max_connections = 3"}},
        ["mariadb.config: must begin with a section, such as [mariadbd]"],
    ),
    "options of the server that the chart sets, in any spelling": (
        {"mariadb": {"config": "[mariadbd]\nwsrep-cluster-address=gcomm://\n loose_WSREP_ON = 0\nskip-name-resolve\n"}},
        ["mariadb.config: wsrep-cluster-address is set by the chart", "mariadb.config: loose_WSREP_ON is set by"],
    ),
    "a script that would not be run": (
        {"mariadb": {"initdbScripts": {"x.sh": "true"}}},
        ["mariadb.initdbScripts: x.sh: only files *.sql are run"],
    ),
    "a port of the machines for a Service that has none": (
        {"primaryService": {"nodePort": 30306}},
        ["primaryService.nodePort: needs primaryService.type NodePort or LoadBalancer"],
    ),
    "the observer's label on all pods": ({"podLabels": {"galera.role": "primary"}}, ["podLabels: galera.role is"]),
    "everything scraped twice": (
        {"metrics": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}},
        ["metrics.serviceMonitor.enabled: with metrics.podMonitor.enabled everything would be scraped twice"],
    ),
    "a name that no Service can have": (
        {"fullnameOverride": "1st"},
        ['fullnameOverride: objects would be called "1st", and the name of a Service begins with a letter'],
    ),
}


@pytest.mark.parametrize(("values", "message"), BY_SCHEMA.values(), ids=BY_SCHEMA)
def test_the_schema_names_the_value_and_what_is_wrong_with_it(values: dict[str, Any], message: str) -> None:
    done = run(values=values)
    assert done.returncode != 0
    assert message in done.stderr


@pytest.mark.parametrize(("values", "messages"), BY_TEMPLATE.values(), ids=BY_TEMPLATE)
def test_contradictions_are_told_all_at_once_with_what_to_do(values: dict[str, Any], messages: list[str]) -> None:
    done = run(values=values)
    assert done.returncode != 0
    told = [line.removeprefix("  - ") for line in done.stderr.splitlines() if line.startswith("  - ")]
    assert len(told) == len(messages), told
    for message in messages:
        assert any(line.startswith(message) for line in told), (message, told)


@pytest.mark.parametrize(
    "config",
    [
        "# a comment\n\n; another\n  [mariadbd]\nmax_connections = 3\n",
        "[mariadbd]\n# wsrep_on = OFF\nport_open_timeout = 3\nwsrep_slave_fk_checks = ON\n",
    ],
)
def test_other_options_of_the_server_are_taken(config: str) -> None:
    assert render({"mariadb": {"config": config}}).objects
