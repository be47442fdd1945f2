"""What etcd has done, as it counts it itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from lab import EtcdCluster
from lab.page import Page
from lab.web import fetch

METHODS = {
    "Range": "reads",
    "Txn": "transactions",
    "LeaseKeepAlive": "renewals of a lease",
    "LeaseGrant": "grants of a lease",
}
"""Methods of etcd's API, in words; of others there are none while nothing happens."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Requests of clients by method, of all members; writes and bytes, of one."""

    requests: Mapping[str, float]
    revisions: float
    puts: float
    in_use: float
    """Bytes of the database without pages that are free."""
    size: float
    """Bytes of its file."""

    @classmethod
    def of(cls, cluster: EtcdCluster) -> Usage:
        """Ask every member."""
        pages = [Page.parse(fetch(f"{endpoint}/metrics")) for endpoint in cluster.endpoints]
        return cls.read(pages)

    @classmethod
    def read(cls, pages: list[Page]) -> Usage:
        """Add up what members say: a request is counted by the member that it came to, a write by each."""
        requests: Counter[str] = Counter()
        for page in pages:
            for labels, value in page.series("grpc_server_handled_total"):
                requests[labels["grpc_method"]] += int(value)
        first = pages[0]
        return cls(
            {method: float(count) for method, count in requests.items() if count},
            *(
                first.value(name) or 0.0
                for name in (
                    "etcd_debugging_mvcc_current_revision",
                    "etcd_mvcc_put_total",
                    "etcd_mvcc_db_total_size_in_use_in_bytes",
                    "etcd_mvcc_db_total_size_in_bytes",
                )
            ),
        )

    def since(self, before: Usage) -> Usage:
        """Return what came between ``before`` and this."""
        more = {method: count - before.requests.get(method, 0.0) for method, count in self.requests.items()}
        return Usage(
            {method: count for method, count in more.items() if count},
            self.revisions - before.revisions,
            self.puts - before.puts,
            self.in_use - before.in_use,
            self.size - before.size,
        )
