"""Why a node waits, in words: what it means, what to do, and the command for it. Pure.

The one table behind ``galeractl explain``, the status page, the help of the metrics and
docs/operations.md, which has a section for each reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from galera_exporter.bootstrap.decisions import Wait
from galera_exporter.bootstrap.state import Reason, Rule

NODE: Final = "NODE"
"""Stands in a command for the name of a node."""


@dataclass(frozen=True, slots=True)
class Words:
    """What there is to say about a reason."""

    title: str
    """A few words, after which the nodes that are waited for can be named."""
    meaning: str
    """What is so, and why nothing is done yet."""
    action: str
    """What a person should do."""
    command: str
    """The command that shows more, or that resolves it; ``NODE`` stands for a node's name."""
    passes: bool = False
    """Whether it passes by itself as a rule, within seconds to minutes."""


WORDS: Final[Mapping[Reason, Words]] = {
    Reason.ETCD_UNAVAILABLE: Words(
        title="etcd does not answer",
        meaning="Without etcd a node never begins a Primary component: nobody could keep two nodes from beginning two. "
        "It joins one that answers, unless etcd may still say that this node ended in order: others could count on it.",
        action="Bring etcd back. The nodes then go on by themselves.",
        command="galeractl etcd-health",
    ),
    Reason.UNREADABLE_RECORD: Words(
        title="a record cannot be read",
        meaning="A key of etcd that decides elections, or the node's own state.json, was written by a newer version "
        "of the sidecar, by hand, or was damaged. What it says is not guessed at.",
        action="Bring all sidecars to the newest version that is in use. Remove a key only if it was written by hand. "
        "A damaged state.json may be moved away: the node's data then count as unknown, and wait to be discarded.",
        command="galeractl explain",
    ),
    Reason.DUPLICATE_IDENTITY: Words(
        title="another process uses this node's name",
        meaning="Another owner holds this node's keys in etcd: the node's old pod may still run, "
        "for instance on a host that cannot be reached, or two nodes were given one name.",
        action="Make sure that the old process is dead: its keys end with its lease, 10 s later. "
        "Give each node a name of its own (--node-name).",
        command="galeractl status",
    ),
    Reason.SPLIT_BRAIN: Words(
        title="two Primary components of different elections answer",
        meaning="Nodes that serve clients belong to different epochs. Joining either of them could spread wrong data.",
        action="Stop the clients. Stop the nodes whose epoch is not the newest one: when they start again, "
        "their data are checked, and nothing is thrown away without an order.",
        command="galeractl explain",
    ),
    Reason.PRIMARY_STARTING: Words(
        title="a Primary component is coming up",
        meaning="A node is Primary and not confirmed in etcd yet. Nobody joins it before that.",
        action="Wait. It is confirmed once it is Synced, or it ends itself.",
        command="galeractl explain --watch",
        passes=True,
    ),
    Reason.PRIMARY_UNREACHABLE: Words(
        title="a Primary component runs and cannot be reached from here",
        meaning="etcd says that other nodes are Primary, but none of them answers this node. "
        "A node without contact must not begin a second component.",
        action="Check the network between the nodes: the ports of Galera (4567, 4568, 4444) and of the sidecars "
        "(10104). Keys of nodes that died end with their lease, 10 s later.",
        command="galeractl status",
    ),
    Reason.JOIN_TURN: Words(
        title="another node joins first",
        meaning="Nodes join one at a time: each one that comes changes the view, and disturbs the state transfers "
        "that are under way.",
        action="Wait until that node is Synced: a full state transfer takes as long as copying its data does. "
        "If that node hangs, look at its MariaDB log; its turn ends with its lease when it is stopped.",
        command="galeractl explain --watch",
        passes=True,
    ),
    Reason.REPORTING: Words(
        title="its report is being written",
        meaning="An election builds on what every node has said in etcd, and this node's word is not there yet.",
        action="Wait some seconds. If it lasts, etcd refuses the write: the sidecar's log says why.",
        command="galeractl etcd-health",
        passes=True,
    ),
    Reason.SETTLING: Words(
        title="etcd answers again, but what stands in it may be old",
        meaning="While etcd does not answer no lease ends: a report may be of a node that joined and went on since.",
        action="Wait until the leases have ended that were not renewed: one time to live (10 s) and a little more.",
        command="galeractl explain",
        passes=True,
    ),
    Reason.ELECTING: Words(
        title="another node is about to elect itself",
        meaning="All nodes agree on who has the newest data. Only that node writes the election.",
        action="Wait some seconds. If it lasts, look at the log of that node's sidecar.",
        command="galeractl explain --watch",
        passes=True,
    ),
    Reason.BOOTSTRAPPER_STARTING: Words(
        title="the elected node is starting its database",
        meaning="An election was won and its node is not Primary yet. The others join it then.",
        action="Wait: the recovery of a large InnoDB log takes minutes. If it fails again and again, that node's "
        "MariaDB log says why.",
        command="galeractl explain --watch",
        passes=True,
    ),
    Reason.BOOTSTRAPPER_ABSENT: Words(
        title="the elected node is gone",
        meaning="An election was won, and its node shows no sign of life. After 60 s another node takes over, "
        "if all others report and one of them has what the elected node had.",
        action="Start that node again. Where it will not come back, wait for the takeover.",
        command="galeractl explain --watch",
        passes=True,
    ),
    Reason.NODES_STARTING: Words(
        title="a database that was let start may run",
        meaning="A node was allowed to start and has not said since how it fared. "
        "Until it does, nobody knows that it is not Primary.",
        action="Wait until it reports again. If it hangs, look at its MariaDB log.",
        command="galeractl explain --watch",
        passes=True,
    ),
    Reason.SURVIVORS_STOPPING: Words(
        title="nodes without a Primary component are being stopped",
        meaning="An election is certain to follow. Databases that still run without a Primary component "
        "are stopped first, so that no two of them can find together meanwhile.",
        action="Wait. They stop in order, and start again as members of the new component.",
        command="galeractl explain --watch",
        passes=True,
    ),
    Reason.HOLD: Words(
        title="elections are on hold",
        meaning="An operator has frozen automatic elections. Nodes still join a Primary component that runs.",
        action="Release the hold when the maintenance is over.",
        command="galeractl release",
    ),
    Reason.ORDER_REFUSED: Words(
        title="an operator's order cannot be carried out",
        meaning="The order was given, and does not fit what is there now: its node does not report, "
        "has no usable data, or others have data that would be lost.",
        action="Withdraw it, look again, and give the order that fits.",
        command="galeractl withdraw",
    ),
    Reason.INITIAL_MEMBERS: Words(
        title="the first start waits for all nodes",
        meaning="All nodes that are here are empty, and there are fewer than the cluster should have. "
        "A node that is not here might have the data.",
        action="Start the others. If the cluster is meant to be smaller, lower --expected-size on all nodes.",
        command="galeractl explain",
    ),
    Reason.DATA_LOSS_GUARD: Words(
        title="all nodes are empty, and the cluster had data",
        meaning="Every volume was lost, or replaced. An empty cluster is never begun in place of one that had data "
        "unless an operator says so.",
        action="Bring back the volumes, or restore a backup into one of them. Only if the data are to be given up: "
        "begin again with an empty cluster.",
        command="galeractl reset --accept-data-loss",
    ),
    Reason.UUID_CONFLICT: Words(
        title="nodes have data of different clusters",
        meaning="The state UUIDs differ: a volume was restored or taken from another cluster. "
        "Which data are right, only a person knows.",
        action="Decide which data are right. Discard the data of each node that has others: it takes a copy of them.",
        command=f"galeractl discard {NODE}",
    ),
    Reason.DIVERGED: Words(
        title="data are not a part of the cluster's history",
        meaning="The node has transactions that the cluster never agreed on, or went on from another election. "
        "Galera itself would not notice, and let it join with different rows.",
        action="Save what is needed from that node (a dump of a copy of its directory), then discard its data: "
        "it takes a full state transfer. If its data were restored from a backup and are those to go on with: "
        "force-bootstrap it instead, with --accept-data-loss.",
        command=f"galeractl discard {NODE}",
    ),
    Reason.NO_SAFE_CANDIDATE: Words(
        title="no node has whole data",
        meaning="Nodes have data, but each was interrupted in a state transfer, was found inconsistent, "
        "or does not know its position. None can be started from.",
        action="Bring back a node that has whole data. If there is none: restore a backup into one node's emptied "
        "directory, empty the others, and let them report.",
        command="galeractl explain",
    ),
    Reason.REGRESSED: Words(
        title="the cluster was further than any node that reports",
        meaning="etcd remembers a later transaction than the best node has: a volume was put back to an older state, "
        "or the node that had it is away. Or a node that an order once passed over has more of the cluster's own data "
        "than the rest.",
        action="Bring back the node that had it, with its volume. Only if that is lost for good: bootstrap from the "
        "best node, which gives up the transactions beyond it.",
        command=f"galeractl force-bootstrap {NODE} --accept-data-loss",
    ),
    Reason.MISSING: Words(
        title="a node that may have newer data is missing",
        meaning="Not all nodes have reported, and nothing proves that those who are away have no newer transaction.",
        action="Start the missing nodes: that is all it needs. Only if they are lost for good: bootstrap from the best "
        "node that is here.",
        command=f"galeractl force-bootstrap {NODE}",
    ),
}

RULES: Final[Mapping[Rule, str]] = {
    Rule.INITIAL: "all nodes were empty",
    Rule.ALL: "all nodes had reported",
    Rule.LAST: "it was the last to leave, in order",
    Rule.FINAL: "those who were away had ended in order, not beyond it",
    Rule.TAKEOVER: "the node elected before had vanished, and this one had all that it had",
    Rule.ORDER: "an operator ordered it",
    Rule.ADOPTED: "its Primary component ran before etcd knew of it",
}
"""Why a node could be elected."""


REFUSED_SECTION: Final = "docs/operations.md#the-sidecars-login-is-refused"
REFUSED: Final = f"its database refuses the login of its sidecar: {REFUSED_SECTION}"
REFUSED_MEANING: Final = (
    "The server runs, but the account or the password that the sidecar has is not the server's. So nobody can tell "
    "how this node is: it is not confirmed, nobody joins it, and no clients are sent to it."
)
REFUSED_ACTION: Final = (
    "Give the sidecar the password that the database knows, or the database that of the sidecar. "
    "The sidecar tries again with what its password file has then: nothing has to be restarted."
)


def headline(wait: Wait) -> str:
    """Return why a node waits, with the nodes it names and the details, in one line."""
    nodes = f": {', '.join(wait.nodes)}" if wait.nodes else ""
    text = f" ({wait.text})" if wait.text else ""
    return f"{WORDS[wait.reason].title}{nodes}{text}"


def section(reason: Reason) -> str:
    """Return where the runbook has more."""
    return f"docs/operations.md#{reason}"
