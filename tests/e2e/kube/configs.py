"""The configuration files of a Kubernetes without an uplink, a registry, systemd or a second cgroup tree."""

from __future__ import annotations

import json

CONTROL = "10.99.0.1"
"""Address of the control plane: of the API server and of the cluster's DNS."""

DOMAIN = "cluster.local"
SERVICES = "10.96.0.0/16"
PODS = "10.244.0.0/16"


def node_address(number: int) -> str:
    """Return the address of node 1, 2, ..."""
    return f"10.99.0.{10 + number}"


def pod_range(number: int) -> str:
    """Return the addresses of the pods of node 1, 2, ... as the controller manager gives them out too."""
    return f"10.244.{number}.0/24"


def kubeconfig(user: str) -> str:
    """Return the kubeconfig of a user whose token is its name: the network of the cluster ends with it."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "e2e", "cluster": {"server": f"https://{CONTROL}:6443", "insecure-skip-tls-verify": True}}
            ],
            "users": [{"name": user, "user": {"token": f"{user}-token"}}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": user}}],
            "current-context": "e2e",
        }
    )


def tokens(nodes: list[str]) -> str:
    """Return the API server's token file; everybody in it is an administrator."""
    users = [(name, name) for name in ("admin", "manager", "scheduler", "proxy", "dns")]
    users += [(f"system:node:{node}", node) for node in nodes]
    return "".join(f'{uid}-token,{name},{uid},"system:masters"\n' for name, uid in users)


def corefile(kubeconfig_path: str) -> str:
    """Return the configuration of the cluster's DNS."""
    return f"""\
.:53 {{
  errors
  kubernetes {DOMAIN} in-addr.arpa ip6.arpa {{
    kubeconfig {kubeconfig_path}
    pods insecure
    ttl 5
  }}
  cache 5
}}
"""


def containerd(cni: str) -> str:
    """Return containerd's configuration; ``cni`` is the folder of the network configuration."""
    return f"""\
version = 2
oom_score = 0
disabled_plugins = [
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"
]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""


PAUSE = "registry.k8s.io/pause:3.10.1"
"""The image that holds a pod's namespaces."""


def cni(number: int) -> str:
    """Return the pod network of node 1, 2, ...: a bridge with addresses of its own range."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": pod_range(number)}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, ports]})


def kubelet(cgroup: str, resolv: str) -> str:
    """Return the kubelet's configuration: containers go below ``cgroup``, whose limits are none of its business."""
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": cgroup,
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "failCgroupV1": False,
            # A kubelet of 1.34 can die of a nil pointer in doPodResizeAction where a pod is made anew at once; nobody
            # starts it again here, as systemd would.
            "featureGates": {"KubeletInUserNamespace": True, "InPlacePodVerticalScaling": False},
            "clusterDNS": [CONTROL],
            "clusterDomain": DOMAIN,
            "resolvConf": resolv,
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "oomScoreAdj": 0,
            "imageGCHighThresholdPercent": 100,
            "localStorageCapacityIsolation": False,
            "evictionHard": {"memory.available": "1Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        }
    )
