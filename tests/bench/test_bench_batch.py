#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The batch benchmark runs, with few VIPs, and says what it has to about each size and way. It
fails by itself when a ring is not what the files say, slot by slot, and when a packet of the
service that is not touched is lost or moved. How long things take is not judged here, but for
what cannot be: the straightforward program is slower.
"""
import os

from benchtap import quick, wrong_numbers

BATCH = os.path.join("bench", "batch", "batch.py")
SIZES = ("20", "200")
WAYS = ("files", "api", "half")
FIELDS = ("down_ms", "up_ms", "down_max_ms", "up_max_ms", "peer_down_ms", "peer_up_ms")
BGP_FIELDS = ("gone_ms", "back_ms", "bgpd_share_ms")


def wrong_way(entry):
    wrong = wrong_numbers(entry, FIELDS)
    if wrong:
        return wrong
    if entry["down_ms"] > entry["down_max_ms"] or entry["up_ms"] > entry["up_max_ms"]:
        return "a median is above its greatest"
    for key in ("down", "up"):
        if entry[f"peer_{key}_ms"] <= entry[f"{key}_ms"]:
            return f"{key}: the peer is faster: {entry}"
    return ""


def wrong_traffic(traffic):
    good = traffic.get("sent", 0) > 0 and traffic["lost"] == traffic["moved"] == 0
    return "" if good else str(traffic)


def tests(results, has_bgp):
    """Name and what is wrong, of each."""
    for way in WAYS:
        for size in SIZES:
            yield f"{way}, {size} backends", wrong_way(results.get(way, {}).get(size))
    yield "traffic", wrong_traffic(results.get("traffic", {}))
    if has_bgp:
        yield "BGP", wrong_numbers(results.get("bgp_10"), BGP_FIELDS)


def main():
    build = os.environ.get("NLB_BUILD", "build")
    has_bgp = os.path.exists(os.path.join(build, "prefix/sbin/nlbd"))
    quick(BATCH, lambda results: tests(results, has_bgp))


main()
