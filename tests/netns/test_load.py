#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The real agent with 1,000 VIPs of 10 backends and two ports each: all of them come into the maps,
in a bounded amount of memory; kill -9, and the next agent has them all again without touching a
ring; a change of one VIP touches that one alone; a list that does not fit is refused where it
does not, with the limit's name, and the rest goes on. `make bench-load` is the same ten times as big.
"""
import sys

from loadenv import BACKENDS, Node
from nsenv import run_scenario

VIPS = 1000
PORTS = 2
SLOTS = 1009
WAIT_S = 60

# KiB for each VIP, of the process's own memory beyond what it has without any; before
# anybody asks the API for all of them, which takes as much once more.
LIMITS_KIB = {"parent": 16, "maps": 48, "health": 4}


def rings(node):
    """What the API says of each service's ring, and the service's digest."""
    services = {}
    for vip in node.fetch("/v1/vips").get("vips", []):
        for port in vip["ports"]:
            services[vip["address"], port["port"]] = {**port["ring"], "digest": port.get("digest")}
    return services


def touched(before, after):
    """The services whose ring is another one than before."""
    return sorted(key for key in after if after[key]["digest"] != before[key]["digest"])


def memory_is_wrong(empty, full):
    """Which process grew by more than it may; empty: none."""
    wrong = []
    for role, limit in LIMITS_KIB.items():
        each = (full[role]["own"] - empty[role]["own"]) / VIPS
        print(f"# {role}: {each:.1f} KiB a VIP")
        if each > limit:
            wrong.append(f"{role}: {each:.1f} KiB a VIP, more than {limit}")
    return ", ".join(wrong)


def scenario(tap, node):
    node.network()
    node.config()
    node.place(0)
    node.start()
    up = node.timed(lambda: node.fetch("/v1/health").get("status") == "ok", WAIT_S)
    if not tap.result("an agent without VIPs", up, node.fetch("/v1/health")):
        return
    empty = node.memory()

    node.place(VIPS)
    done = node.timed(lambda: node.ready(VIPS), WAIT_S)
    tap.result(f"{VIPS} VIPs come", done, node.fetch("/v1/status"))
    wrong = memory_is_wrong(empty, node.memory())
    tap.result("memory is bounded", not wrong, wrong)
    first = rings(node)
    whole = [r for r in first.values() if r["state"] == "proven" and r["backends"] == BACKENDS]
    tap.equal("all services are proven, with all backends", len(whole), VIPS * PORTS)
    digests = {r["digest"] for r in first.values()}
    tap.equal("each VIP has a ring of its own, on both ports", len(digests), VIPS)

    node.kill()
    node.start()
    done = node.timed(lambda: node.ready(VIPS), WAIT_S)
    tap.result("after kill -9 the next agent has them", done, node.fetch("/v1/status"))
    tap.equal("and every ring is what it was", touched(first, rings(node)), [])

    chosen = (node.vip(VIPS // 2), 80), (node.vip(VIPS // 2), 81)
    node.place(VIPS, VIPS // 2)
    done = node.timed(lambda: len(touched(first, rings(node))) == len(chosen), WAIT_S)
    tap.equal("a change of one touches that one", touched(first, rings(node)), list(chosen))

    more = VIPS + 100
    node.place(more)
    fits = node.vips + node.spare

    def settled():
        got = node.fetch("/v1/status").get("vips", {})
        return got.get("wanted") == more and got.get("ready") == fits

    done = node.timed(settled, WAIT_S)
    tap.result("of more than fit, those that fit come", done, node.fetch("/v1/status"))
    failed = [r.get("reason", "") for r in rings(node).values() if r["state"] == "failed"]
    said = sorted(set(failed))
    limit = f"max-vips ({fits}) reached"
    tap.equal("the others name the limit", (len(failed), said), ((more - fits) * PORTS, [limit]))


def main():
    return run_scenario(10, lambda: Node(VIPS, PORTS, SLOTS, room=4), scenario)


if __name__ == "__main__":
    sys.exit(main())
