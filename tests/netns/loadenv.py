# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the load test and the load benchmark share: a node whose agent is given very many VIPs by
a file, and the questions when all of them are proven, what memory that took, and how long the
next agent needs to take them over.

The backends are behind one router, which is a permanent neighbour, so that no host has to
stand for them: nothing is sent there but the packets of the proofs, which never leave the node.
Run only in a mount namespace of its own, as nsenv.run_scenario() makes one.
"""
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from nsenv import AGENT, BUILD, agent_config, fetch, inside, kill_all, pids_in, run, wait_for

FIRST_VIP = ipaddress.ip_address("100.64.0.1")
FIRST_BACKEND = ipaddress.ip_address("10.64.0.1")
ROUTER = "10.1.0.2"
BACKENDS = 10  # of a VIP, the same on each of its ports
ROLES = {"parent": "nlb-agent", "maps": "nlb-maps", "health": "nlb-health"}


class Node:
    """One node in a namespace. ports: of each VIP; slots: of a ring; room: rings' worth of slots."""

    spare = 64  # so many VIPs more would fit

    def __init__(self, vips, ports=1, slots=13313, room=1.5):
        self.vips, self.ports, self.slots = vips, ports, slots
        self.ring_slots = max(65536, int(vips * (slots + 1) * room))
        self.netns = f"nlbload{os.getpid()}"
        self.dir = tempfile.mkdtemp(prefix="ld", dir=BUILD)
        self.agent = None
        self.revision = 0

    def path(self, name):
        return os.path.join(self.dir, name)

    def network(self):
        run("ip", "netns", "add", self.netns)
        inside(self.netns, "ip", "link", "set", "lo", "up")
        inside(self.netns, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        inside(self.netns, "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
        for link in ("eth0", "eth1"):
            inside(self.netns, "ip", "link", "set", link, "mtu", "1600", "up")
        inside(self.netns, "ip", "addr", "add", "10.1.0.1/24", "dev", "eth0")
        far = ("lladdr", "02:00:00:00:00:02", "dev", "eth0", "nud", "permanent")
        inside(self.netns, "ip", "neigh", "add", ROUTER, *far)
        inside(self.netns, "ip", "route", "add", "10.64.0.0/10", "via", ROUTER)

    def config(self):
        vips = self.vips + self.spare
        sizes = {
            "max-vips": vips,
            "max-services": vips * self.ports,
            "max-backends": vips * BACKENDS,
            "ring-slots": self.ring_slots,
        }
        agent_config(self.dir, sizes, node={"log-level": "notice"})

    def vip(self, number):
        return str(FIRST_VIP + number)

    def vip_json(self, number, weights):
        backends = [
            {
                "address": str(FIRST_BACKEND + number * BACKENDS + i),
                "weight": weights[i % len(weights)],
            }
            for i in range(BACKENDS)
        ]
        ports = [
            {"protocol": "tcp", "port": 80 + p, "maglev_size": self.slots, "backends": backends}
            for p in range(self.ports)
        ]
        return {
            "id": f"v{number}",
            "address": self.vip(number),
            "desired_revision": self.revision,
            "ports": ports,
        }

    def place(self, vips, changed=None):
        """The scheduler's list with that many VIPs, of which one has other weights; its size."""
        self.revision += 1
        new = self.path("vips.new")
        listed = [self.vip_json(n, (2, 1) if n == changed else (1,)) for n in range(vips)]
        with open(new, "w", encoding="utf-8") as out:
            json.dump({"revision": self.revision, "vips": listed}, out)
        size = os.path.getsize(new)
        os.rename(new, self.path("vips.json"))
        return size

    def start(self):
        with open(self.path("agent.log"), "ab") as log:
            self.agent = subprocess.Popen(
                ["ip", "netns", "exec", self.netns, AGENT, "-c", self.path("agent.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self):
        """kill -9 of the parent; returns when all of the agent has ended."""
        self.agent.send_signal(signal.SIGKILL)
        self.agent.wait()
        wait_for(lambda: not pids_in(self.netns))

    def fetch(self, path):
        return fetch(self.path("a.sock"), path)

    def ready(self, vips):
        """True when so many VIPs there are, and all of them are proven."""
        got = self.fetch("/v1/status").get("vips", {})
        return got.get("wanted") == vips and got.get("ready") == vips

    def revision_runs(self):
        return self.fetch("/v1/status").get("scheduler", {}).get("revision") == self.revision

    def timed(self, what, seconds):
        """Seconds until what() is true; None when it never is."""
        start = time.monotonic()
        return time.monotonic() - start if wait_for(what, seconds) else None

    def service(self, number, port=80):
        return self.fetch(f"/v1/vips/{self.vip(number)}/ports/tcp/{port}")

    def processes(self):
        """The agent's processes: role -> number."""
        found = {role: pids_in(self.netns, comm) for role, comm in ROLES.items()}
        return {role: pids[0] for role, pids in found.items() if pids}

    def memory(self):
        """KiB of each process: resident now, of that its own, and resident at most."""
        found = {}
        for role, pid in self.processes().items():
            with open(f"/proc/{pid}/status", encoding="utf-8") as lines:
                fields = dict(line.split(":", 1) for line in lines)
            found[role] = {
                key: int(fields[field].split()[0])
                for key, field in (("rss", "VmRSS"), ("own", "RssAnon"), ("peak", "VmHWM"))
            }
        return found

    def map_bytes(self):
        """What the kernel counts for each pinned map."""
        sizes = {}
        for top, _, names in os.walk(self.path("bpf/nlb")):
            for name in names if os.path.basename(top).startswith("v") else ():
                shown = subprocess.run(
                    ["bpftool", "-j", "map", "show", "pinned", os.path.join(top, name)],
                    stdout=subprocess.PIPE,
                    check=True,
                )
                sizes[name] = json.loads(shown.stdout)["bytes_memlock"]
        return sizes

    def cpu_seconds(self):
        """User and system time of each process so far."""
        found, tick = {}, os.sysconf("SC_CLK_TCK")
        for role, pid in self.processes().items():
            with open(f"/proc/{pid}/stat", encoding="utf-8") as line:
                words = line.read().rsplit(")", 1)[1].split()
            found[role] = (int(words[11]) + int(words[12])) / tick
        return found

    def show_logs(self):
        try:
            with open(self.path("agent.log"), encoding="utf-8", errors="replace") as log:
                print("".join("# " + line for line in log.readlines()[-40:]))
        except OSError:
            pass

    def close(self):
        if self.agent:
            kill_all(self.netns)
            self.agent.wait()
        subprocess.run(["ip", "netns", "del", self.netns], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["umount", self.path("bpf")], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)
