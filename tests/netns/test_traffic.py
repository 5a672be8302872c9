#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Packets of 4,096 flows at a modest rate through the balancer over veth: not one is lost, each
flow stays with one backend, and the backends get as many flows as their weights say. IPv4
and IPv6, out by another port and by the same. A backend is taken out and put back under traffic: nothing is lost, only its
flows move, they stay where they are then, and it gets its share of new ones.
"""
import math
import os
import signal
import subprocess
import sys

from nsenv import Tap, skip_all, wait_for
from trafficenv import FLOWS, Bed, ask, hear, own_mounts, tell

WEIGHTS = {11: 1, 12: 1, 13: 2, 14: 4}
ROUNDS = 5
PPS = 20_000
LIMIT_MS = 30_000
SIGMAS = 5
WAYS = (("redirect", 4), ("redirect", 6), ("tx", 4), ("tx", 6))
CHANGED = (("redirect", 4), ("tx", 6))


def share_is_wrong(backends, rounds=ROUNDS):
    """Which backend's number of flows is not what its weight says; empty: none."""
    total = sum(WEIGHTS.values())
    wrong = []
    for last, weight in WEIGHTS.items():
        share = weight / total
        flows = backends.get(str(last), 0) / rounds
        if abs(flows - FLOWS * share) > SIGMAS * math.sqrt(FLOWS * share * (1 - share)):
            wrong.append(f"backend {last}: {flows:.0f} flows of {FLOWS}, weight {weight}/{total}")
    return ", ".join(wrong)


def silent(bed, last):
    """True when a backend gets nothing while every flow has a packet."""
    first = bed.counts()
    wait_for(lambda: bed.counts()["packets"] >= first["packets"] + FLOWS, 5)
    return bed.counts()["backends"].get(str(last), 0) == first["backends"].get(str(last), 0)


def changes(tap, name, bed, sender):
    """Backends go and come while packets flow."""
    before = bed.counts()
    gone = round(before["backends"]["13"] / ROUNDS)
    wanted = FLOWS * 4 * ROUNDS
    tell(sender, PPS, wanted, LIMIT_MS)

    taken = bed.admin(13, "down")
    quiet = wait_for(lambda: silent(bed, 13), 5)
    without = bed.counts()
    taken &= bed.admin(13, None)
    sent = hear(sender).get("sent")
    after = bed.settled(before["packets"] + wanted)
    tap.result(f"{name}: a backend is taken out and put back", taken and quiet, "it is not")
    tap.equal(f"{name}: none is lost meanwhile", after["packets"] - before["packets"], sent)
    tap.equal(f"{name}: only its flows move", without["moved"], gone)
    tap.equal(f"{name}: and none moves back", after["moved"] - without["moved"], 0)
    # Flows that begin now, from another address.
    sent = ask(bed.sender(last=3, syn=True), PPS, FLOWS, LIMIT_MS).get("sent")
    last = bed.settled(after["packets"] + sent)
    new = {key: last["backends"][key] - after["backends"].get(key, 0) for key in last["backends"]}
    wrong = share_is_wrong(new, 1)
    tap.result(f"{name}: it gets its share of new flows", not wrong, wrong)


def scenario(tap, way, family):
    name = f"{way}, IPv{family}"
    bed = Bed(way, family, WEIGHTS)
    try:
        if not tap.result(f"{name}: the VIP is proven", bed.up(), "it is not"):
            print("\n".join(f"# agent: {line}" for line in bed.log()))
        wanted = FLOWS * ROUNDS
        sender = bed.sender()
        sent = ask(sender, PPS, wanted, LIMIT_MS).get("sent")
        tap.equal(f"{name}: all are sent", sent, wanted)
        got = bed.settled(wanted)
        tap.equal(f"{name}: none is lost", got["packets"], sent)
        tap.equal(f"{name}: each flow stays with its backend", got["moved"] + got["other"], 0)
        wrong = share_is_wrong(got["backends"])
        tap.result(f"{name}: flows are spread by weight", not wrong, wrong)
        if (way, family) in CHANGED:
            changes(tap, name, bed, sender)
    finally:
        bed.close()


def main():
    if os.geteuid() != 0:
        return skip_all("needs root")
    own_mounts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tap = Tap(5 * len(WAYS) + 5 * len(CHANGED))
    try:
        for way, family in WAYS:
            scenario(tap, way, family)
    except subprocess.CalledProcessError as err:
        print(f"Bail out! {err}: {err.output}")
        return 1
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
