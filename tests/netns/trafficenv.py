# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the traffic test and the traffic benchmark share: a client that sends many flows to one
VIP, the balancer with the whole agent on it, and one host that stands for all backends and
counts what comes to each.

    redirect:   client -- lb -- backends      in by one port, out by another
    tx:         client and backends -- lb     out by the port that it came in by

Run only in a mount namespace of its own (own_mounts), so that the bpffs goes away with it.
"""
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile

from nsenv import AGENT, BUILD, Api, inside, kill_all, run, wait_for

TRAFFIC = os.path.join(BUILD, "bench/traffic/traffic")
VIPS = {4: "192.0.2.10", 6: "2001:db8:f::10"}
FLOWS = 4096
RING = 65537


def own_mounts():
    """Starts this program again in a mount namespace of its own."""
    if "NLB_OWN_MOUNTS" not in os.environ:
        os.environ["NLB_OWN_MOUNTS"] = "1"
        os.execvp("unshare", ["unshare", "-m", "--propagation", "slave", sys.executable, *sys.argv])


def address(net, last, family):
    return f"10.{net}.0.{last}" if family == 4 else f"fd00:{net}::{last:x}"


class Bed:
    """The hosts, and what runs on them. weights: {last byte of a backend's address: weight}."""

    agent_args = ()

    def __init__(self, way, family, weights):
        tag = f"nlbtr{os.getpid()}"
        self.client, self.lb = tag + "cl", tag + "lb"
        self.backends = self.client if way == "tx" else tag + "be"
        self.hosts = list(dict.fromkeys((self.client, self.lb, self.backends)))
        self.net = 1 if way == "tx" else 2
        self.family = family
        self.weights = weights
        self.dir = tempfile.mkdtemp(prefix="tr", dir=BUILD)
        self.agent = None
        self.ends = []
        self.counter = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def cable(self, host, port, net):
        """A veth from the balancer; tunnels need room beside a full-sized packet."""
        inside(self.lb, "ip", "link", "add", port, "type", "veth", "peer", "name", "far")
        inside(self.lb, "ip", "link", "set", "far", "netns", host, "name", "eth0")
        for netns, link, last in ((self.lb, port, 1), (host, "eth0", 2)):
            inside(netns, "ip", "link", "set", link, "mtu", "1600", "up")
            inside(netns, "ip", "addr", "add", f"10.{net}.0.{last}/24", "dev", link)
            inside(netns, "ip", "addr", "add", f"fd00:{net}::{last}/64", "dev", link, "nodad")

    def network(self):
        for host in self.hosts:
            run("ip", "netns", "add", host)
            inside(host, "ip", "link", "set", "lo", "up")
            for name in ("all", "default"):
                inside(host, "sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=0")
        inside(self.lb, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        inside(self.lb, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        self.cable(self.client, "eth0", 1)
        if self.net == 2:
            self.cable(self.backends, "eth1", 2)
        mask = "24" if self.family == 4 else "64"
        for last in self.weights:
            home = f"{address(self.net, last, self.family)}/{mask}"
            more = [] if self.family == 4 else ["nodad"]
            inside(self.backends, "ip", "addr", "add", home, "dev", "eth0", *more)

    def config(self):
        backends = [
            {"address": address(self.net, last, self.family), "weight": weight}
            for last, weight in self.weights.items()
        ]
        port = {"protocol": "tcp", "port": 80, "maglev_size": RING, "backends": backends}
        vip = {"id": "t", "address": VIPS[self.family], "desired_revision": 1, "ports": [port]}
        with open(self.path("vips.json"), "w", encoding="utf-8") as out:
            json.dump({"revision": 1, "vips": [vip]}, out)
        with open(self.path("agent.conf"), "w", encoding="utf-8") as out:
            out.write(
                f"""
[node]
name = traffic
state-dir = {self.path("state")}
user =
[scheduler]
url = file:{self.path("vips.json")}
[dataplane]
interface = eth0
mode = native
bpf-dir = {self.path("bpf")}/nlb
max-vips = 64
max-services = 64
max-backends = 64
ring-slots = 1048576
[nlbd]
socket =
[api]
socket = {self.path("a.sock")}
"""
            )
        os.mkdir(self.path("state"))
        os.mkdir(self.path("bpf"))
        run("mount", "-t", "bpf", "bpf", self.path("bpf"))

    def ready(self):
        """True when the VIP is proven."""
        try:
            api = Api(self.path("a.sock"))
            api.request("GET", "/v1/vips/" + VIPS[self.family])
            return json.loads(api.getresponse().read())["ready"]
        except (OSError, http.client.HTTPException, ValueError, LookupError):
            return False

    def admin(self, last, word):
        """The operator's word on a backend: "down", or None to take it back. True: taken."""
        api = Api(self.path("a.sock"))
        change = {"address": address(self.net, last, self.family), "admin": word}
        path = f"/v1/vips/{VIPS[self.family]}/ports/tcp/80/backends"
        api.request("PATCH", path, json.dumps({"backends": [change]}))
        return api.getresponse().status == 200

    def end(self, host, *args):
        """One end of the traffic."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", host, TRAFFIC, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ends.append(process)
        return process

    def sender(self, cpu=None, last=2, syn=False, vip=None, flows=FLOWS):
        """Another sender; those of one source address send the same flows."""
        shown = subprocess.run(
            ["ip", "-n", self.lb, "-j", "link", "show", "dev", "eth0"],
            check=True,
            stdout=subprocess.PIPE,
        )
        mac = json.loads(shown.stdout)[0]["address"]
        args = ["--flows", str(flows)] + ([] if cpu is None else ["--cpu", str(cpu)])
        args += ["--syn"] if syn else []
        source = address(1, last, self.family)
        args += ["eth0", mac, source, vip or VIPS[self.family]]
        return self.end(self.client, "send", *args)

    def up(self):
        """Builds all of it; True when the VIP is proven."""
        self.network()
        self.counter = self.end(self.backends, "count", "eth0", VIPS[self.family])
        # It answers once its program is attached.
        if not self.counts():
            return False
        self.config()
        with open(self.path("agent.log"), "ab") as log:
            self.agent = subprocess.Popen(
                [
                    "ip",
                    "netns",
                    "exec",
                    self.lb,
                    AGENT,
                    "-c",
                    self.path("agent.conf"),
                    *self.agent_args,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return wait_for(self.ready)

    def counts(self):
        return ask(self.counter, "?")

    def settled(self, packets):
        """The counts once that many packets have come, or no more of them do."""
        return (
            wait_for(lambda: self.counts()["packets"] >= packets, 1)
            and self.counts()
            or (self.counts())
        )

    def log(self):
        try:
            with open(self.path("agent.log"), encoding="utf-8", errors="replace") as log:
                return log.read().splitlines()[-40:]
        except OSError:
            return []

    def close(self):
        for process in self.ends:
            process.kill()
            process.wait()
        if self.agent and self.agent.poll() is None:
            kill_all(self.lb)
            self.agent.wait()
        for host in self.hosts:
            subprocess.run(["ip", "netns", "del", host], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["umount", self.path("bpf")], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)


def tell(process, *words):
    """A command to one end; its answer is read by hear()."""
    process.stdin.write(" ".join(map(str, words)) + "\n")
    process.stdin.flush()


def hear(process):
    line = process.stdout.readline()
    return json.loads(line) if line else {}


def ask(process, *words):
    try:
        tell(process, *words)
    except BrokenPipeError:
        return {}
    return hear(process)
