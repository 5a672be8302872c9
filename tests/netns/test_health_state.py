#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Health over changes and deaths, under traffic of 4,096 flows. The VIP list is replaced again and
again, with checks at another pace, more of them, another policy, more VIPs: no state is reset, no
packet lost, no flow moved. Then the health child is killed, and the whole agent: traffic goes
on, and states are what they were. One of five backends is not there at all. Prints TAP.
"""
import json
import os
import signal
import subprocess
import sys
import threading
import time

import trafficenv
from nsenv import Tap, fetch, pids_in, skip_all, wait_for
from trafficenv import FLOWS, VIPS, address, ask, own_mounts

LAST = (11, 12, 13, 14)
GONE = 15
PPS = 10_000
PACKETS = PPS
LIMIT_MS = 10_000
VIP = VIPS[4]
CHANGES = 40
KILLS = 3


class Bed(trafficenv.Bed):
    """Besides: an agent that is started again, and lists with checks."""

    agent_args = ("--respawn",)
    revision = 1

    def list(self, n=0):
        """The n-th list: always the same VIP, first; what is checked, and how, differs."""
        checks = [{"type": "icmp"}]
        if n % 4 >= 2:
            # Nobody listens there, and one that is up is enough.
            checks += [{"type": "tcp", "port": 9}]
        health = {
            "policy": ("all", "any", "any", "at_least")[n % 4],
            "interval_ms": (200, 300, 250)[n % 3],
            "timeout_ms": 150,
            "rise": 1 + n % 2,
            "fall": 2 + n % 3,
            "checks": checks,
        }
        if health["policy"] == "at_least":
            health["at_least"] = 1
        backends = [{"address": address(self.net, last, 4)} for last in (*LAST, GONE)]
        port = {"protocol": "tcp", "port": 80, "maglev_size": 65537, "backends": backends}
        vips = [{"id": "t", "address": VIP, "ports": [dict(port, health=health)]}]
        for i in range(n % 5):
            vips.append({"id": f"m{i}", "address": f"192.0.2.{i + 100}", "ports": [port]})
        self.revision += 1
        doc = {"revision": self.revision, "vips": vips}
        with open(self.path("vips.new"), "w", encoding="utf-8") as out:
            json.dump(doc, out)
        os.rename(self.path("vips.new"), self.path("vips.json"))

    def get(self, path):
        return fetch(self.path("a.sock"), path)

    def runs(self):
        """The list that runs is the one that was written last."""
        return self.get("/v1/status").get("scheduler", {}).get("revision") == self.revision

    def states(self):
        """State by backend; {} when there is no answer."""
        ports = self.get(f"/v1/vips/{VIP}").get("ports", [{}])
        return {b["address"]: b["state"] for b in ports[0].get("backends", [])}

    def pings(self):
        """The ICMP check of each backend that is there."""
        found = self.get(f"/v1/health/conditions?vip={VIP}").get("conditions", [])
        gone = address(self.net, GONE, 4)
        return [c for c in found if c["type"] == "icmp" and c["backend"] != gone]

    def wanted(self):
        wanted = {address(self.net, last, 4): "up" for last in LAST}
        return {**wanted, address(self.net, GONE, 4): "down"}

    def is_settled(self):
        return self.states() == self.wanted() and len(self.get("/v1/vips").get("vips", [])) == 1


def prepare(tap, bed):
    tap.result("the VIP is proven", bed.up(), "it is not")
    bed.list()
    tap.result("four are up, one is down", wait_for(bed.is_settled), bed.states())


def under_traffic(tap, bed, what, act):
    """act() while packets flow: all come in, and each flow stays where it was."""
    sender, over, sent = bed.sender(), threading.Event(), []

    def send():
        while not over.is_set():
            sent.append(ask(sender, PPS, PACKETS, LIMIT_MS).get("sent", 0))

    before = bed.counts()
    traffic = threading.Thread(target=send)
    traffic.start()
    try:
        wait_for(lambda: bed.counts()["packets"] >= before["packets"] + FLOWS)
        act()
    finally:
        over.set()
        traffic.join()
    after = bed.settled(before["packets"] + sum(sent))
    tap.equal(f"{what}: no packet is lost", after["packets"] - before["packets"], sum(sent))
    tap.equal(f"{what}: no flow moves", after["moved"] - before["moved"], 0)


def changes(tap, bed):
    """List after list. What is wrong with the states in between is collected."""
    wrong = []
    since = time.monotonic()

    def act():
        for n in range(1, CHANGES + 1):
            bed.list(n)
            if not wait_for(bed.runs):
                wrong.append(f"list {n} is not taken")
            if bed.states() != bed.wanted():
                wrong.append(f"list {n}: {bed.states()}")
            age = int(time.monotonic() - since)
            pings = bed.pings()
            if len(pings) != len(LAST) or any(c["state"] != "up" for c in pings):
                wrong.append(f"list {n}: {pings}")
            if any("failure" in c or c["since_s"] < age for c in pings):
                wrong.append(f"list {n}: states have been reset: {pings}")

    under_traffic(tap, bed, f"{CHANGES} lists", act)
    tap.result(f"{CHANGES} lists: no state is reset", not wrong, wrong[:2])
    bed.list()
    tap.result("the first list again", wait_for(bed.is_settled), bed.states())


def kills(tap, bed, what, victim):
    """kill -9, again and again. Nothing wrong is ever said of a backend."""
    wrong = []

    def act():
        for _ in range(KILLS):
            before = pids_in(bed.lb, "nlb-health")
            os.kill(victim(bed), signal.SIGKILL)
            if not wait_for(lambda: set(pids_in(bed.lb, "nlb-health")) - set(before)):
                wrong.append("no other health child")
            # Every answer on the way back: a verdict is what it was, or not there yet.
            seen = []
            wait_for(lambda: seen.append(bed.states()) or bed.is_settled())
            for states in seen:
                for backend, state in states.items():
                    if state not in (bed.wanted()[backend], "unknown"):
                        wrong.append(f"{backend} {state}")
            if not bed.is_settled():
                wrong.append(bed.states())

    under_traffic(tap, bed, what, act)
    tap.result(f"{what}: states come back", not wrong, wrong[:3])


def health_child(bed):
    return pids_in(bed.lb, "nlb-health")[0]


def parent(bed):
    with open(f"/proc/{bed.agent.pid}/task/{bed.agent.pid}/children", encoding="utf-8") as pids:
        return int(pids.read().split()[0])


def main():
    if os.geteuid() != 0:
        return skip_all("needs root")
    own_mounts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tap = Tap(12)
    bed = Bed("redirect", 4, dict.fromkeys(LAST, 1))
    try:
        prepare(tap, bed)
        changes(tap, bed)
        kills(tap, bed, "the health child is killed", health_child)
        kills(tap, bed, "the parent is killed", parent)
        if tap.failed:
            print("\n".join(f"# agent: {line}" for line in bed.log()))
    except subprocess.CalledProcessError as err:
        print(f"Bail out! {err}: {err.output}")
        return 1
    finally:
        bed.close()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
