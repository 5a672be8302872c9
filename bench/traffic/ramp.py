#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Real traffic over veth at rising rates: what goes in, what comes out, what is lost. Each way
through the balancer is sent 10,000 packets a second, then more and more until the sender
cannot keep up, and at last as much as one sender, and two on two CPUs, can send.

  ramp.py [--quick] [--json FILE]

Ends with status 1 when a packet was lost below saturation, 77 when it cannot run here.
"""
import argparse
import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/netns"))
# pylint: disable=wrong-import-position
from trafficenv import Bed, ask, hear, own_mounts, tell

WEIGHTS = {11: 1, 12: 1, 13: 1, 14: 1}
WAYS = (("redirect", 4), ("redirect", 6), ("tx", 4), ("tx", 6))
RATES = (10_000, 50_000, 100_000, 200_000, 300_000, 400_000, 600_000, 800_000, 1_000_000)
KEPT_UP = 0.98
SKIP = 77


def step(bed, senders, pps, ms):
    """One rate for a while: packets per second sent and received, and what was lost."""
    before = bed.settled(0)["packets"]
    count = pps * ms // 1000 if pps else 1 << 60
    for sender in senders:
        # A rate is for a fixed number of packets, however long they take.
        tell(sender, pps, count, 20 * ms if pps else ms)
    answers = [hear(sender) for sender in senders]
    sent = sum(answer["sent"] for answer in answers)
    seconds = max(answer["ns"] for answer in answers) / 1e9
    received = bed.settled(before + sent)["packets"] - before
    return {
        "target_pps": pps,
        "senders": len(senders),
        "in_pps": round(sent / seconds),
        "out_pps": round(received / seconds),
        "sent": sent,
        "lost": sent - received,
        "refused": sum(answer["refused"] for answer in answers),
    }


def show(name, got):
    target = f"{got['target_pps']:,}" if got["target_pps"] else f"max, {got['senders']} CPU"
    print(
        f"{name:14} {target:>12} {got['in_pps']:>12,} {got['out_pps']:>12,}"
        f" {got['lost']:>8,} {got['refused']:>8,}",
        flush=True,
    )


def ramp(way, family, ms):
    """All rates of one way; what was lost below saturation."""
    name, steps, lost = f"{way}, IPv{family}", [], 0
    bed = Bed(way, family, WEIGHTS)
    try:
        if not bed.up():
            print("\n".join(bed.log()))
            raise SystemExit("the VIP is not proven")
        cpus = sorted(os.sched_getaffinity(0))
        senders = [bed.sender(cpu) for cpu in cpus[-1:-3:-1]]
        step(bed, senders[:1], 10_000, 200)
        for pps in RATES:
            got = step(bed, senders[:1], pps, ms)
            got["below_saturation"] = got["in_pps"] >= KEPT_UP * pps
            steps.append(got)
            show(name, got)
            if not got["below_saturation"]:
                break
            lost += got["lost"]
        for n in range(1, len(senders) + 1):
            steps.append(step(bed, senders[:n], 0, ms))
            show(name, steps[-1])
    finally:
        bed.close()
    return steps, lost


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a fifth of a second for each rate")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("needs root")
        return SKIP
    own_mounts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    head = ("way", "target pps", "in pps", "out pps", "lost", "refused")
    print(f"{head[0]:14} {head[1]:>12} {head[2]:>12} {head[3]:>12} {head[4]:>8} {head[5]:>8}")
    result, lost = {}, 0
    for way, family in WAYS:
        steps, gone = ramp(way, family, 200 if options.quick else 2000)
        result[f"{way}{family}"] = steps
        lost += gone
    print(f"lost below saturation: {lost}")
    if options.json:
        os.makedirs(os.path.dirname(options.json) or ".", exist_ok=True)
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"ways": result, "lost_below_saturation": lost}, out, indent=1)
            out.write("\n")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
