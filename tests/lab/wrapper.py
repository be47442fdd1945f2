"""Lab nodes that are started as the chart starts them: through the wrapper, which asks a sidecar first."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.galera import GaleraCluster
from lab.galera_config import NodeConfig, give, other_user
from lab.mariadb import GaleraNode
from lab.process import Process, wait_stopped, wait_until
from lab.template import ACCOUNTS

# mysql.wsrep_cluster_members is made by the first server that runs with wsrep on; the init SQL runs before that.
# A grant on a table that is not there is accepted only together with CREATE.
_MEMBERS = "SELECT ON mysql.wsrep_cluster_members"
INIT_SQL = "".join(
    f"{statement};\n"
    for account in ACCOUNTS
    for statement in (
        (
            account.replace(_MEMBERS, f"CREATE, {_MEMBERS}"),
            account.replace("GRANT SELECT", "REVOKE CREATE").replace(" TO ", " FROM "),
        )
        if _MEMBERS in account
        else (account,)
    )
)

WRAPPER = Path(__file__).parents[2] / "charts" / "galera" / "files" / "galera-start.sh"
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

# A container platform: what ends without having been asked to is started again, and no process of it lives on.
_PLATFORM = """\
backoff=$1; shift
trap 'asked=1; kill -TERM "$pid" 2>/dev/null' TERM
asked=
while :; do
  "$@" & pid=$!
  while wait "$pid"; status=$?; kill -0 "$pid" 2>/dev/null; do :; done
  for left in $(pgrep -s "$$"); do [ "$left" = "$$" ] || kill -KILL "$left" 2>/dev/null; done
  [ "$asked" ] && exit "$status"
  echo "[platform] the container ended with status $status: again in $backoff s"
  sleep "$backoff" & wait "$!"
  [ "$asked" ] && exit 0
done
"""


def read_fields(file: Path) -> dict[str, str]:
    """Return the ``name=value`` lines of a handoff file; empty while there is none."""
    try:
        text = file.read_text()
    except FileNotFoundError:
        return {}
    return {name: value for name, found, value in (line.partition("=") for line in text.splitlines()) if found}


@dataclass(frozen=True, slots=True)
class WrapperState:
    """The wrapper's ``phase`` file."""

    boot_id: str
    phase: str
    """``preparing`` ... ``exited``; empty before the first start."""
    pid: int
    """Of mariadbd, or of what runs in its place; 0 where nothing runs."""
    exit: int | None
    text: str


class WrappedNode(GaleraNode):
    """A node whose ``process`` is the wrapper, with mariadbd as its child.

    Without a decision in ``handoff`` it waits: a sidecar with ``--bootstrap.handoff-dir`` has to run beside it.
    ``init`` is the SQL that the first start of a new cluster runs. ``backoff``: seconds after which
    it is started again when it has ended without ``stop`` or ``kill``, as a container platform
    does; None: never. ``kill`` is a power cut: the wrapper and all its children are gone at once.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        init: str = INIT_SQL,
        env: Mapping[str, str] | None = None,
        backoff: float | None = None,
    ) -> None:
        super().__init__(config)
        self.handoff = config.folder / "handoff"
        self.state_dir = config.folder / "state"
        self.init_dir = config.folder / "init"
        self._env = dict(env or {})
        self._backoff = backoff
        self.contained: tuple[str, ...] = ()
        """What the wrapper is started by, as root, and where: a container of its own."""
        for folder in (self.handoff, self.state_dir, self.init_dir):
            folder.mkdir(exist_ok=True)
            give(folder)
        for folder in (self.handoff, self.state_dir):
            folder.chmod(0o2770)  # the sidecar is another user of the group
        (self.init_dir / "10-lab.sql").write_text(init)

    @property
    def state(self) -> WrapperState:
        """What the wrapper says it does."""
        found = read_fields(self.handoff / "phase")
        status = found.get("exit")
        return WrapperState(
            boot_id=found.get("boot_id", ""),
            phase=found.get("phase", ""),
            pid=int(found.get("pid", 0)),
            exit=None if status is None else int(status),
            text=found.get("text", ""),
        )

    def start(self, *, new_cluster: bool = False) -> None:
        """Start the wrapper and return at once; whether it makes a new cluster is not for the caller to say."""
        if new_cluster:
            raise ValueError("the sidecar decides who makes a new cluster")
        if self.alive:
            raise RuntimeError(f"{self.name} is running")
        self.config.file.write_text(self.config.text())
        if not self.datadir.exists():
            self.datadir.mkdir()
        give(self.datadir)
        self.datadir.chmod(0o700)  # in a pod the sidecar does not even have it mounted
        command = [*self.contained, str(WRAPPER), "mariadbd", f"--defaults-file={self.config.file}"]
        if self._backoff is not None:
            command = ["bash", "-c", _PLATFORM, "platform", f"{self._backoff:g}", *command]
        with self.config.host.entered():
            self.process = Process(
                command,
                log=self.log,
                env={
                    "PATH": PATH,
                    "TMPDIR": str(self.config.folder / "tmp"),
                    "GALERA_HANDOFF_DIR": str(self.handoff),
                    "GALERA_STATE_DIR": str(self.state_dir),
                    "GALERA_DATADIR": str(self.datadir),
                    "GALERA_INIT_DIR": str(self.init_dir),
                    **self._env,
                },
                cwd=self.config.folder,
                user=None if self.contained else other_user(),
            )

    def stop(self, timeout: float = 60) -> None:
        """End the pod in order: SIGTERM to the wrapper, which ends mariadbd."""
        self.thaw()
        super().stop(timeout)

    def kill_server(self) -> int:
        """SIGKILL to mariadbd alone, as the OOM killer would; returns its pid."""
        state = self.state
        if state.phase != "starting" or state.pid == 0:
            raise RuntimeError(f"{self.name}: no mariadbd to kill, {state}")
        os.kill(state.pid, signal.SIGKILL)
        return state.pid

    def freeze(self) -> None:
        """SIGSTOP to the wrapper and all its children, as a paused container or machine; returns once they stopped."""
        self._signal_all(signal.SIGSTOP)
        if self.process is not None:
            wait_stopped(self.process.pid)
            state = self.state
            if state.phase == "starting" and state.pid:
                wait_stopped(state.pid)

    def thaw(self) -> None:
        """SIGCONT to all that was frozen."""
        self._signal_all(signal.SIGCONT)

    def wipe(self) -> None:
        """Lose the volume: the data, and what the wrapper and the sidecar keep beside them."""
        super().wipe()
        for folder in (self.state_dir, self.handoff):
            for entry in folder.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def wait_phase(self, phase: str, timeout: float = 30, *, after: str = "") -> WrapperState:
        """Wait until the wrapper is in this phase of a start (of another than ``after``, a boot id)."""

        def look() -> WrapperState | None:
            state = self.state
            return state if state.phase == phase and state.boot_id != after else None

        return wait_until(look, timeout, f"{self.name}'s wrapper is {phase}", [self.log], 0.02)

    def _signal_all(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.alive:
            os.killpg(self.process.pid, number)


class WrappedCluster:
    """``size`` nodes below ``root`` that start through the wrapper, all at once; their sidecars are not part of it."""

    def __init__(
        self,
        size: int,
        root: Path,
        *,
        name: str = "lab",
        options: Mapping[str, str] | None = None,
        provider_options: Mapping[str, str] | None = None,
        init: str = INIT_SQL,
        env: Mapping[str, str] | None = None,
        backoff: float | None = None,
    ) -> None:
        self._galera = GaleraCluster(size, root, name=name, options=options, provider_options=provider_options)
        self.name = name
        self.nodes = tuple(WrappedNode(node.config, init=init, env=env, backoff=backoff) for node in self._galera.nodes)

    def start(self) -> None:
        """Start all wrappers; the sidecars decide what becomes of them."""
        for node in self.nodes:
            if not node.alive:
                node.start()

    def wait_synced(self, timeout: float = 120) -> None:
        """Wait until every node is Synced, and every view has them all."""
        for node in self.nodes:
            node.wait_synced(timeout)
        size = str(len(self.nodes))
        wait_until(
            lambda: all(node.status().get("wsrep_cluster_size") == size for node in self.nodes),
            timeout,
            f"all views have {size} nodes",
            [node.log for node in self.nodes],
        )

    def close(self) -> None:
        """Kill all nodes and give the ports back."""
        for node in self.nodes:
            node.kill()
        self._galera.close()
