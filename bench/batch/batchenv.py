# SPDX-License-Identifier: GPL-2.0-or-later
"""
The world of the batch benchmark: the hosts of tests/netns/trafficenv.py, an agent with many
VIPs beside the one that the traffic goes to, result files for all of them, and the program
`batch`. The VIPs have two ports of ten backends each, all different, all behind one gateway.
"""
import ipaddress
import json
import os
import statistics
import subprocess
import threading

from nsenv import BUILD, fetch, inside, run, wait_for
from trafficenv import Bed, ask, hear, tell

BATCH = os.path.join(BUILD, "bench/batch/batch")
PORTS = (80, 443)
PER_PORT = 10
SLOTS = 13313
POOL = "198.18.0.0/15"
WEIGHTS = {11: 1, 12: 1, 13: 1, 14: 1}  # of the traffic's own VIP
SPARE = 4  # maps hold so many times what there is
PPS = 10_000
FLOWS = 500  # each has a packet every 50 ms
ROUND_MS = 200


class Failed(Exception):
    """The benchmark cannot go on."""


def told(process, *words):
    """The answer of a mode of `batch`."""
    answer = ask(process, *words)
    if not answer:
        raise Failed(f"{' '.join(map(str, words))}: no answer")
    return answer


class Column:
    """The times of one thing, and what is quoted of them."""

    def __init__(self):
        self.ms = []

    def add(self, ms):
        self.ms.append(ms)

    def median(self):
        return round(statistics.median(self.ms), 3) if self.ms else None

    def greatest(self):
        return round(max(self.ms), 3) if self.ms else None


def vip_address(vip):
    return str(ipaddress.ip_address("198.18.0.0") + 256 * (vip // 250) + vip % 250 + 1)


def backend_address(vip, port, backend):
    number = (vip * len(PORTS) + port) * PER_PORT + backend
    return str(ipaddress.ip_address("10.64.0.0") + 256 * (number // 250) + number % 250 + 1)


def vip_entry(vip):
    """As the scheduler has it; without checks a backend is up."""
    ports = [
        {
            "protocol": "tcp",
            "port": number,
            "maglev_size": SLOTS,
            "backends": [{"address": backend_address(vip, p, b)} for b in range(PER_PORT)],
        }
        for p, number in enumerate(PORTS)
    ]
    return {"id": f"b{vip}", "address": vip_address(vip), "desired_revision": 1, "ports": ports}


def result_lines(vip, is_down):
    return "".join(
        f"{vip_address(vip)} tcp {number} {backend_address(vip, p, b)}"
        f" {'down bench' if is_down(b) else 'up'}\n"
        for p, number in enumerate(PORTS)
        for b in range(PER_PORT)
    )


SETS = {"down": lambda b: True, "up": lambda b: False, "half": lambda b: b % 2 == 0}


class Traffic(threading.Thread):
    """Packets to the VIP that nobody touches, until stop(); all are counted."""

    def __init__(self, sender):
        super().__init__(daemon=True)
        self.sender, self.sent, self.ended = sender, 0, threading.Event()
        self.start()

    def run(self):
        while not self.ended.is_set():
            answer = ask(self.sender, PPS, PPS * ROUND_MS // 1000, 20 * ROUND_MS)
            if not answer:
                break
            self.sent += answer["sent"]

    def stop(self):
        self.ended.set()
        self.join()
        return self.sent


class World(Bed):
    """One balancer with so many VIPs."""

    def __init__(self, vips):
        super().__init__("redirect", 4, WEIGHTS)
        self.vips = vips
        self.traffic = self.pids = None

    def network(self):
        super().network()
        inside(self.lb, "ip", "route", "add", "10.64.0.0/10", "via", "10.2.0.2")

    def config(self):
        """
        Files are placed on a tmpfs: to rename a thousand of them over others takes 2 ms
        there, and more than 100 ms on a disk.
        """
        super().config()
        os.mkdir(self.path("tmp"))
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", self.path("tmp"))
        for name in ("results", "stage", "reader", *SETS):
            os.mkdir(self.path("tmp/" + name))
        for name, is_down in SETS.items():
            for vip in range(self.vips):
                path = self.path(f"tmp/{name}/{vip_address(vip)}")
                with open(path, "w", encoding="utf-8") as out:
                    out.write(result_lines(vip, is_down))
        with open(self.path("vips.json"), encoding="utf-8") as known:
            wanted = json.load(known)
        wanted["vips"] += [vip_entry(vip) for vip in range(self.vips)]
        with open(self.path("vips.json"), "w", encoding="utf-8") as out:
            json.dump(wanted, out)
        self.write_conf()

    def write_conf(self):
        services = self.vips * len(PORTS) + 1
        changes = {
            "max-vips": SPARE * (self.vips + 1),
            "max-services": SPARE * services,
            "max-backends": SPARE * services * PER_PORT,
            "ring-slots": max(1 << 20, SPARE * services * (SLOTS + 1)),
        }
        with open(self.path("agent.conf"), encoding="utf-8") as known:
            lines = known.read().splitlines()
        for i, line in enumerate(lines):
            key = line.partition(" =")[0]
            if key in changes:
                lines[i] = f"{key} = {changes[key]}"
        lines += ["[health]", f"results-dir = {self.path('tmp/results')}"]
        with open(self.path("agent.conf"), "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")

    def ready(self):
        vips = fetch(self.path("a.sock"), "/v1/vips").get("vips", [])
        return len(vips) == self.vips + 1 and all(v.get("ready") for v in vips)

    def program(self, *args):
        return self.program_in(self.lb, *args)

    def program_in(self, host, *args):
        """A mode of `batch`, on a host."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", host, BATCH, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ends.append(process)
        return process

    def watcher(self):
        return self.program(
            "watch",
            self.path("bpf/nlb"),
            self.path("tmp/results"),
            self.path("tmp/stage"),
            self.path("a.sock"),
        )

    def set_dir(self, name):
        return self.path("tmp/" + name)

    def agent_pids(self):
        """The agent's three processes: the parent, which was started, and its children."""
        parent = self.agent.pid
        with open(f"/proc/{parent}/task/{parent}/children", encoding="utf-8") as children:
            return [parent, *map(int, children.read().split())]

    def cpu_ns(self):
        """CPU time of each process of the agent, by PID."""
        used = {}
        for pid in self.pids:
            used[pid] = 0
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as stat:
                    used[pid] += int(stat.read().split()[0])
        return used

    def idle(self):
        """Waits until the agent has done all that followed from a change."""
        self.pids = self.pids or self.agent_pids()
        last = [sum(self.cpu_ns().values())]
        calm = [0]

        def is_calm():
            now = sum(self.cpu_ns().values())
            calm[0] = calm[0] + 1 if now - last[0] < 500_000 else 0
            last[0] = now
            return calm[0] >= 3

        return wait_for(is_calm)

    def begin_traffic(self):
        self.before = self.settled(0)
        self.traffic = Traffic(self.sender(flows=FLOWS))

    def end_traffic(self):
        """What came of all packets that were sent: {"sent", "lost", "moved"}."""
        sent = self.traffic.stop()
        now = self.settled(self.before["packets"] + sent)
        return {
            "sent": sent,
            "lost": sent - (now["packets"] - self.before["packets"]),
            "moved": now["moved"],
        }

    def close(self):
        # Lazily: who still uses it is ended next.
        subprocess.run(["umount", "-l", self.path("tmp")], check=False, stderr=subprocess.DEVNULL)
        super().close()


__all__ = ["PER_PORT", "PORTS", "SLOTS", "Column", "Failed", "World", "ask", "hear", "tell", "told"]
