#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Packets of 4,096 flows at a modest rate through the balancer over veth: not one is lost, each
flow stays with one backend, and the backends get as many flows as their weights say. IPv4
and IPv6, out by another port and by the same; then backends come and go under traffic.
"""
import math
import os
import signal
import subprocess
import sys

from nsenv import Tap, skip_all
from trafficenv import FLOWS, Bed, ask, own_mounts

WEIGHTS = {11: 1, 12: 1, 13: 2, 14: 4}
ROUNDS = 5
PPS = 20_000
LIMIT_MS = 30_000
SIGMAS = 5
WAYS = (("redirect", 4), ("redirect", 6), ("tx", 4), ("tx", 6))


def share_is_wrong(backends):
    """Which backend's number of flows is not what its weight says; empty: none."""
    total = sum(WEIGHTS.values())
    wrong = []
    for last, weight in WEIGHTS.items():
        share = weight / total
        flows = backends.get(str(last), 0) / ROUNDS
        if abs(flows - FLOWS * share) > SIGMAS * math.sqrt(FLOWS * share * (1 - share)):
            wrong.append(f"backend {last}: {flows:.0f} flows of {FLOWS}, weight {weight}/{total}")
    return ", ".join(wrong)


def scenario(tap, way, family):
    name = f"{way}, IPv{family}"
    bed = Bed(way, family, WEIGHTS)
    try:
        if not tap.result(f"{name}: the VIP is proven", bed.up(), "it is not"):
            print("\n".join(f"# agent: {line}" for line in bed.log()))
        wanted = FLOWS * ROUNDS
        sent = ask(bed.sender(), PPS, wanted, LIMIT_MS).get("sent")
        tap.equal(f"{name}: all are sent", sent, wanted)
        got = bed.settled(wanted)
        tap.equal(f"{name}: none is lost", got["packets"], sent)
        tap.equal(f"{name}: each flow stays with its backend", got["moved"] + got["other"], 0)
        wrong = share_is_wrong(got["backends"])
        tap.result(f"{name}: flows are spread by weight", not wrong, wrong)
    finally:
        bed.close()


def main():
    if os.geteuid() != 0:
        return skip_all("needs root")
    own_mounts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tap = Tap(5 * len(WAYS))
    try:
        for way, family in WAYS:
            scenario(tap, way, family)
    except subprocess.CalledProcessError as err:
        print(f"Bail out! {err}: {err.output}")
        return 1
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
