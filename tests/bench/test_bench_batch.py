#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The batch benchmark runs, with few VIPs, and says what it has to about each size and way. It
fails by itself when a ring is not what the files say, slot by slot, and when a packet of the
service that is not touched is lost or moved. How long things take is not judged here, but for
what cannot be: the straightforward program is slower.
"""
import json
import math
import os
import subprocess
import tempfile

BATCH = os.path.join("bench", "batch", "batch.py")
SKIP = 77
SIZES = ("20", "200")
WAYS = ("files", "api", "half")
FIELDS = ("down_ms", "up_ms", "down_max_ms", "up_max_ms", "peer_down_ms", "peer_up_ms")
BGP_FIELDS = ("gone_ms", "back_ms", "bgpd_share_ms")


def wrong_numbers(entry, fields):
    """What is wrong with one entry; empty: nothing."""
    if entry is None:
        return "not in the JSON"
    for field in fields:
        value = entry.get(field)
        if not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
            return f"{field} is {value}"
    return ""


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
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "batch.json")
        done = subprocess.run(
            [BATCH, "--quick", "--json", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=240,
            check=False,
        )
        output = done.stdout.decode(errors="replace")
        if done.returncode == SKIP:
            print(f"1..0 # SKIP {output.strip()}")
            return
        results = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                results = json.load(file)
    named = list(tests(results, os.path.exists(os.path.join(build, "prefix/sbin/nlbd"))))
    print(f"1..{len(named) + 1}")
    shown = "\n".join("# " + line for line in output.splitlines())
    print("ok 1 runs" if done.returncode == 0 else f"{shown}\nnot ok 1 runs")
    for number, (name, wrong) in enumerate(named, 2):
        print(f"not ok {number} {name}: {wrong}" if wrong else f"ok {number} {name}")


main()
