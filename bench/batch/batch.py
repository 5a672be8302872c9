#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
How long it takes until thousands of backends are down, or up: from the first result file's
placing, or the connecting to the local API, to the last ring's switch. Side by side, with the
same files, a straightforward program (peer.c). One more service has traffic all the while.

  batch.py [--quick] [--json FILE]

Ends with status 1 when a target is missed, or a packet of the service that is not touched was
lost or went to another backend; 77 when it cannot run here.
"""
import argparse
import json
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tests/netns"))
# pylint: disable=wrong-import-position
import bgp
from batchenv import PER_PORT, PORTS, SLOTS, Column, Failed, World, told
from nsenv import fetch, wait_for
from trafficenv import own_mounts

SIZES = (1, 10, 100, 1000)  # VIPs
RUNS = 10
BGP_RUNS = 5
PEER_RUNS = {100: 5, 1000: 3}
PEER_HALF_RUNS = {100: 2, 1000: 1}  # at 1,000 VIPs it takes 20 s each way
SKIP = 77

TARGET_MS = 25
TARGET_UNREAD_MS = 10
TARGET_TIMES = 20
TARGET_BGP_MS = {"gone": 300, "back": 500}


COLUMNS = ("unread_down", "unread_up", "read_down", "read_up", "peer_down", "peer_up")


def columns(*names):
    return {name: Column() for name in names}


class Size:
    """All measurements with so many VIPs."""

    def __init__(self, world, runs, with_peer):
        self.world, self.runs, self.with_peer = world, runs, with_peer
        self.watcher = world.watcher()
        self.reader = world.program("reader", world.path("tmp/reader"), world.path("tmp/stage"))
        self.peer = world.program("peer", world.vips * len(PORTS), SLOTS)
        if with_peer:
            self.told(self.peer, "up")

    def told(self, process, name, *way):
        return told(process, *way, self.world.set_dir(name))

    def batches(self):
        return fetch(self.world.path("a.sock"), "/v1/batches")

    def unread_ms(self, before):
        """
        From the last change that the agent learned of, when it had read all, to its last
        switch, by its own clock.
        """
        services = self.world.vips * len(PORTS)

        def all_done():
            new = [b for b in self.batches()["last"] if b["seq"] > before]
            return new if sum(b["changed"] for b in new) >= services else None

        last = (wait_for(all_done) or [None])[-1]
        return (last["switched_ns"] - last["last_ns"]) / 1e6 if last else 0

    def change(self, way, name, first):
        """One change of the agent's, once it is idle; the first is compared slot by slot."""
        if not self.world.idle():
            raise Failed("the agent does not come to rest")
        before = self.batches()["batches"]
        answer = self.told(self.watcher, name, way)
        answer["unread_ms"] = self.unread_ms(before)
        told(self.watcher, "check", *(["slots"] if first else []))
        return answer

    def ways(self, way, out, back, peer_runs, reader):
        """`runs` times out and back; the entry of the results."""
        got = columns("down", "up", "told", *COLUMNS)
        for i in range(self.runs):
            for key, name in (("down", out), ("up", back)):
                answer = self.change(way, name, i == 0)
                got[key].add(answer["ms"])
                got["told"].add(answer["told_ms"])
                got["unread_" + key].add(answer["unread_ms"])
                if i < peer_runs and self.with_peer:
                    got["peer_" + key].add(self.told(self.peer, name)["ms"])
                if reader:
                    got["read_" + key].add(self.told(self.reader, name)["ms"])
        entry = {key + "_ms": column.median() for key, column in got.items() if column.ms}
        entry["down_max_ms"] = got["down"].greatest()
        entry["up_max_ms"] = got["up"].greatest()
        entry["runs"] = self.runs
        return entry

    def measure(self):
        vips = self.world.vips
        files = self.ways("files", "down", "up", PEER_RUNS.get(vips, self.runs), True)
        api = self.ways("api", "down", "up", 0, False)
        # The last, for then there are slots that changed lately, with flows to be looked after.
        half = self.ways("files", "half", "up", PEER_HALF_RUNS.get(vips, self.runs), False)
        api.update({key: value for key, value in files.items() if key.startswith("peer_")})
        return {"files": files, "half": half, "api": api}


def figure(entry, key):
    value = entry.get(key + "_ms")
    return f"{value:12.2f}" if value is not None else f"{'-':>12}"


SHOWN = ("down", "down_max", "up", "up_max") + COLUMNS


def show(way, backends, entry):
    print(f"{way:6}{backends:8,}" + "".join(figure(entry, key) for key in SHOWN), flush=True)


def measure_size(vips, runs, with_peer, results):
    """One agent with so many VIPs; fills in the results."""
    backends = vips * len(PORTS) * PER_PORT
    world = World(vips)
    try:
        if not world.up():
            raise Failed("not all VIPs are proven")
        world.begin_traffic()
        size = Size(world, runs, with_peer)
        for way, entry in size.measure().items():
            results[way][str(backends)] = entry
            show(way, backends, entry)
        for key, value in world.end_traffic().items():
            results["traffic"][key] += value
    except Failed:
        print("\n".join(world.log()))
        raise
    finally:
        world.close()


def missed_by(way, entry):
    """What of one way's greatest size is not as it should be."""
    for key in ("down", "up"):
        took, peer = entry[key + "_ms"], entry.get("peer_" + key + "_ms")
        unread = entry["unread_" + key + "_ms"]
        # The 25 ms are those of the files: a batch by the API is one text, parsed before all else.
        if way == "files" and took > TARGET_MS:
            yield f"{way}, {key}: {took:.1f} ms, not {TARGET_MS}"
        if way == "files" and unread > TARGET_UNREAD_MS:
            yield f"{way}, {key}: {unread:.1f} ms without the reading, not {TARGET_UNREAD_MS}"
        if peer is not None and peer < TARGET_TIMES * took:
            yield f"{way}, {key}: {peer / took:.1f} times as fast as the peer, not {TARGET_TIMES}"


def missed(results):
    """The targets that were not reached, a line each."""
    traffic, lines = results["traffic"], []
    if traffic["lost"] or traffic["moved"] or not traffic["sent"]:
        lines.append(f"packets of the other service: {traffic}")
    for way in ("files", "api"):
        entry = results[way].get(str(max(SIZES) * len(PORTS) * PER_PORT))
        lines += missed_by(way, entry) if entry else []
    for way, ms in TARGET_BGP_MS.items():
        took = results.get("bgp_1000", {}).get(way + "_ms", 0)
        if took > ms:
            lines.append(f"1,000 VIPs {way} in BGP: {took:.0f} ms, not {ms}")
    return lines


def measure_bgp(options, results):
    """With the settings that docs/benchmarks.md names, and without them."""
    if not bgp.available():
        print("BGP: not measured, there is no nlbd (make nlbd)")
        return
    vips = 10 if options.quick else options.bgp_vips
    for tuned in (True, False):
        if not tuned and options.quick:
            break
        entry = bgp.measure(vips, 2 if options.quick else BGP_RUNS, tuned, results["traffic"])
        results[f"bgp_{vips}" + ("" if tuned else "_default")] = entry
        print(f"BGP, {vips} VIPs, {'as documented' if tuned else 'zebra as it comes'}:")
        for way in ("gone", "back"):
            print(
                f"  {way}: {entry[way + '_ms']:.0f} ms (at most {entry[way + '_max_ms']:.0f}),"
                f" rings {entry[f'rings_{way}_ms']:.0f},"
                f" balancer's kernel {entry[f'node_kernel_{way}_ms']:.0f},"
                f" neighbour's kernel {entry[f'neighbour_kernel_{way}_ms']:.0f};"
                f" bgpd {entry[f'bgpd_share_{way}_ms']:.0f} after zebra,"
                f" {entry[f'bgpd_cpu_{way}_ms']:.0f} of CPU",
                flush=True,
            )


def measure_all(options, results):
    print(f"{'ms':6}{'backends':>8}" + "".join(f"{key:>12}" for key in SHOWN))
    for vips in options.vips or (SIZES[:2] if options.quick else SIZES):
        measure_size(vips, 3 if options.quick else options.runs, not options.no_peer, results)
    if options.bgp_vips:
        measure_bgp(options, results)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a few runs with few VIPs")
    parser.add_argument("--vips", type=int, action="append", help="only these sizes")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--no-peer", action="store_true", help="the agent alone")
    parser.add_argument("--bgp-vips", type=int, default=1000, help="0: without BGP")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("needs root")
        return SKIP
    own_mounts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    results = {"files": {}, "api": {}, "half": {}, "traffic": {"sent": 0, "lost": 0, "moved": 0}}
    try:
        measure_all(options, results)
    except Failed as error:
        print(f"bench-batch: {error}")
        return 1
    results["load"] = os.getloadavg()
    print("traffic: {sent:,} packets, {lost} lost, {moved} moved".format(**results["traffic"]))
    if options.json:
        os.makedirs(os.path.dirname(options.json) or ".", exist_ok=True)
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=1)
            out.write("\n")
    lines = missed(results)
    for line in lines:
        print(f"bench-batch: missed: {line}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
