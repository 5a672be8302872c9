#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The benchmark of the XDP program runs and says something about every case. The program
itself fails when a packet does not fare as its case says; times are not judged here, but
for those that cannot be.
"""
import math
import os

from benchtap import quick

BENCH = os.path.join(os.environ.get("NLB_BUILD", "build"), "bench", "bench_xdp")
CASES = (
    "tcp4_ack_1 tcp4_ack_10k tcp4_ack_100k tcp4_ack_1m tcp4_syn tcp4_synflood_100k udp4_1 "
    "udp4_100k tcp6_ack_1 tcp6_ack_100k tcp46_ack_1 nonvip4 nonvip6 icmp_toobig4 vips_1000 "
    "ring_changed_100k backend_died_100k"
).split()
FIELDS = ("ns", "floor_ns", "p10", "p90")


def verdict(entry):
    """What is wrong with one case's entry; empty: nothing."""
    if entry is None:
        return "not in the JSON"
    for field in FIELDS:
        if not isinstance(entry.get(field), (int, float)) or not math.isfinite(entry[field]):
            return f"{field} is not a number"
    # The fast end, which a busy machine disturbs least: nothing is free.
    return "" if entry["p10"] > 0 else f"{entry['p10']} ns"


def tests(results):
    """Name and what is wrong, of each."""
    cases = results.get("cases", {})
    extra = sorted(set(cases) - set(CASES))
    yield "no case unknown here", ", ".join(extra)
    for name in CASES:
        yield name, verdict(cases.get(name))


quick(BENCH, tests)
