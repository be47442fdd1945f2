"""Why a member of etcd waits, in words: what it means, and what a person may have to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from galera_exporter.etcdmember.decision import Reason

WORDS: Final[Mapping[Reason, str]] = {
    Reason.LOOKING: "looking at the volume and at the other members",
    Reason.VOLUME_UNREADABLE: "the volume does not say whose data it has: nothing is guessed",
    Reason.OTHER_CLUSTER: "the data here are of another cluster than the one that runs: a person must choose",
    Reason.TWO_CLUSTERS: "two clusters of etcd answer, each with a quorum: a person must choose",
    Reason.NO_QUORUM: "the volume is empty, and the cluster has no quorum that could replace this member: "
    "waiting for the other members with data",
    Reason.FOUNDED_WITHOUT_US: "the volume is empty, and other members begin a cluster without this volume",
    Reason.MEMBERS_SILENT: "the volume is empty, and not all members answer: one of them may have data",
    Reason.MEMBERS_UNSURE: "the volume is empty, and not all members know yet what they have",
    Reason.AGREEING: "all volumes are empty: agreeing on a new cluster",
    Reason.CLUSTER_REFUSES: "etcd does not take this member yet",
    Reason.STARTING: "etcd runs and does not serve clients yet: it looks for a leader",
    Reason.CATCHING_UP: "etcd runs as a learner: it gets a vote once it has all data",
    Reason.ACCOUNTS: "etcd runs, and its users could not be made or looked at",
    Reason.FILES: "a file cannot be written",
}
