"""Real servers on loopback, for tests, the demo and the benchmarks.

Every server runs in a process group of its own, below one scratch folder, on ports that are
reserved as long as its lab object lives. A warden process ends what is left if this process dies.
"""

from lab.etcd import EtcdCluster, EtcdMember
from lab.galera import GaleraCluster
from lab.mariadb import GaleraNode
from lab.page import Page
from lab.pod import Pod
from lab.ports import Ports
from lab.process import LabTimeoutError, Process, wait_until
from lab.prometheus import Alertmanager, Notification, Prometheus, Receiver, Target, webhook
from lab.scratch import scratch
from lab.sidecar import Sidecar
from lab.trio import QUICK_EVS, Trio

__all__ = [
    "QUICK_EVS",
    "Alertmanager",
    "EtcdCluster",
    "EtcdMember",
    "GaleraCluster",
    "GaleraNode",
    "LabTimeoutError",
    "Notification",
    "Page",
    "Pod",
    "Ports",
    "Process",
    "Prometheus",
    "Receiver",
    "Sidecar",
    "Target",
    "Trio",
    "scratch",
    "wait_until",
    "webhook",
]
