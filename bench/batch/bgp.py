# SPDX-License-Identifier: GPL-2.0-or-later
"""
From the first result file's placing until a neighbour has heard that the last VIP is gone, or
back: the agent, nlbd, zebra and bgpd as they are, and a neighbour that notes the time
(frrenv.py). What is bgpd's own is what remains after zebra's last change of the balancer's
kernel routes; it overlaps with zebra's work, so its CPU time is told as well.
"""
import os

from batchenv import Column, Failed, ask, hear, tell, told
from frrenv import SBIN, FrrWorld
from nsenv import pids_in, wait_for

HEARERS = ("speaker", "node_routes", "neighbour_routes")


def available():
    return os.path.exists(os.path.join(SBIN, "nlbd"))


def cpu_ms(pid):
    with open(f"/proc/{pid}/schedstat", encoding="utf-8") as stat:
        return int(stat.read().split()[0]) / 1e6


class Announced:
    """A balancer whose VIPs are in the neighbours' tables, and who hears of them."""

    def __init__(self, world):
        self.world, self.vips = world, world.vips
        self.hearers = {name: getattr(world, name) for name in HEARERS}
        for name, hearer in self.hearers.items():
            if ask(hearer, self.vips).get("have") != self.vips:
                raise Failed(f"{name} has not heard of all VIPs")
        self.watcher = world.watcher()
        (self.bgpd,) = pids_in(world.lb, "bgpd")

    def change(self, name, wanted):
        """One change; ms until each has heard of the last VIP, and what bgpd used."""
        if not self.world.idle():
            raise Failed("the agent does not come to rest")
        for hearer in self.hearers.values():
            tell(hearer, wanted)
        used = cpu_ms(self.bgpd)
        answer = told(self.watcher, "files", self.world.set_dir(name))
        got = {"rings": answer["ms"]}
        for who, hearer in self.hearers.items():
            heard = hear(hearer)
            if heard.get("have") != wanted:
                raise Failed(f"{who} has {heard.get('have')} VIPs, not {wanted}")
            got[who] = (heard["last_ns"] - answer["begin_ns"]) / 1e6
        told(self.watcher, "check")
        got["share"] = max(0, got["speaker"] - got["node_routes"])
        got["cpu"] = cpu_ms(self.bgpd) - used
        # Besides the VIPs there is the traffic's.
        if not wait_for(lambda: self.world.listed() == wanted + 1):
            raise Failed(f"the neighbour's table has {self.world.listed()} prefixes")
        return got


def entry_of(columns, runs):
    """What is reported: of each column the median, of the first two the greatest too."""
    names = {
        "speaker": "",
        "node_routes": "node_kernel_",
        "neighbour_routes": "neighbour_kernel_",
        "rings": "rings_",
        "share": "bgpd_share_",
        "cpu": "bgpd_cpu_",
    }
    entry = {"runs": runs}
    for way, by_way in columns.items():
        for who, prefix in names.items():
            entry[f"{prefix}{way}_ms"] = by_way[who].median()
        entry[f"{way}_max_ms"] = by_way["speaker"].greatest()
    entry["bgpd_share_ms"] = max(entry["bgpd_share_gone_ms"], entry["bgpd_share_back_ms"])
    return entry


def measure(vips, runs, tuned, traffic):
    """`runs` times gone and back; the entry of the results. Adds to the counts of traffic."""
    world = FrrWorld(vips, tuned)
    columns = {}
    try:
        if not world.up():
            raise Failed("not all VIPs are proven")
        world.begin_traffic()
        announced = Announced(world)
        for _ in range(runs):
            for way, name, wanted in (("gone", "down", 0), ("back", "up", vips)):
                for who, ms in announced.change(name, wanted).items():
                    columns.setdefault(way, {}).setdefault(who, Column()).add(ms)
        for key, value in world.end_traffic().items():
            traffic[key] += value
    except Failed:
        print("\n".join(world.log()))
        raise
    finally:
        world.close()
    return entry_of(columns, runs)
