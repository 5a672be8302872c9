#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
How long the whole agent needs for very many VIPs, and what memory: 10,000 VIPs with 10
backends each, no two alike, of one port and of two.

  load.py [--vips N] [--slots N] [--ports N] [--json FILE]

In each case: an agent without VIPs gets all of them by one file; kill -9, and the next agent
takes over what is in the maps; the file changes for one VIP. Time is taken from the file's
renaming (or the start) until the local API says that all is proven.
"""
import argparse
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/netns"))
# pylint: disable=wrong-import-position
import loadenv
from trafficenv import own_mounts

LIMIT_S = 300
SKIP = 77


def must(seconds, what):
    if seconds is None:
        raise SystemExit(f"not within {LIMIT_S} s: {what}")
    return round(seconds, 3)


def changed_one(node, vips):
    """One VIP's weights change: seconds until its ring has, and those of all others have not."""
    chosen, other = vips // 2, vips // 3
    before, beside = node.service(chosen), node.service(other)["ring"]
    node.place(vips, chosen)

    def done():
        now = node.service(chosen)
        return now["digest"] != before["digest"] and now["ring"]["state"] == "proven"

    seconds = must(node.timed(done, LIMIT_S), "the change of one VIP")
    if node.service(other)["ring"] != beside:
        raise SystemExit("another VIP's ring was touched")
    return seconds


def measure(vips, ports, slots):
    node = loadenv.Node(vips, ports, slots)
    got = {"vips": vips, "ports": ports, "backends": vips * loadenv.BACKENDS, "slots": slots}
    try:
        node.network()
        node.config()
        node.place(0)
        node.start()
        must(node.timed(lambda: node.fetch("/v1/health").get("status") == "ok", LIMIT_S), "start")
        empty = node.memory()
        before = node.cpu_seconds()
        got["file_bytes"] = node.place(vips)
        start = time.monotonic()
        got["read_s"] = must(node.timed(node.revision_runs, LIMIT_S), "the list")
        must(node.timed(lambda: node.ready(vips), LIMIT_S), "all VIPs")
        got["load_s"] = round(time.monotonic() - start, 3)
        after = node.cpu_seconds()
        got["load_cpu_s"] = {role: round(after[role] - before[role], 2) for role in after}
        got["memory_kib"] = node.memory()
        got["memory_empty_kib"] = empty
        got["map_bytes"] = node.map_bytes()
        digest = node.service(vips - 1)["digest"]
        node.kill()
        start = time.monotonic()
        node.start()
        must(node.timed(lambda: node.fetch("/v1/health").get("status") == "ok", LIMIT_S), "start")
        got["again_answers_s"] = round(time.monotonic() - start, 3)
        must(node.timed(lambda: node.ready(vips), LIMIT_S), "all VIPs, adopted")
        got["again_s"] = round(time.monotonic() - start, 3)
        got["again_cpu_s"] = node.cpu_seconds()
        got["again_memory_kib"] = node.memory()
        if node.service(vips - 1)["digest"] != digest:
            raise SystemExit("the adopted ring is another one")
        got["change_one_s"] = changed_one(node, vips)
        return got
    except SystemExit:
        node.show_logs()
        raise
    finally:
        node.close()


def show(got):
    print(
        f"{got['vips']:,} VIPs, {got['ports']} ports, {got['backends']:,} backends, rings of {got['slots']:,}"
    )
    for key in (
        "read_s",
        "load_s",
        "load_cpu_s",
        "again_answers_s",
        "again_s",
        "again_cpu_s",
        "change_one_s",
    ):
        print(f"  {key:16} {got[key]}")
    for role, kib in sorted(got["memory_kib"].items()):
        print(f"  memory {role:9} {kib}")
    total = sum(got["map_bytes"].values())
    print(
        f"  maps             {total / 1e6:.0f} MB, rings {got['map_bytes'].get('nlb_rings', 0) / 1e6:.0f} MB",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vips", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=13_313)
    parser.add_argument("--ports", type=int, action="append", help="default: 1 and 2")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("needs root")
        return SKIP
    own_mounts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    result = []
    for ports in options.ports or (1, 2):
        result.append(measure(options.vips, ports, options.slots))
        show(result[-1])
    if options.json:
        os.makedirs(os.path.dirname(options.json) or ".", exist_ok=True)
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"load": result}, out, indent=1)
            out.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
