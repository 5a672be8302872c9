#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The health benchmark runs, with few conditions and without the peers in other languages, and says
what it has to. It fails by itself when a probe fails that should not, and when one of those that
died has no verdict, or a late one. What things cost is not judged here, but for what cannot be.
"""
import os

from benchtap import quick, wrong_numbers

HEALTH = os.path.join("bench", "health", "health.py")
KINDS = ("http", "tcp", "icmp")
BATCH_FIELDS = ("wall_s", "cpu_s", "rss_kb")
KIND_FIELDS = ("nlb", "bare", "nlb_setup", "nlb_paced", "bare_paced", "bare_ticks")
STEADY_FIELDS = ("cpu_share", "late_p99_ms", "late_max_ms", "rss_kb", "probes_per_s")


def wrong_batches(results):
    sizes = results.get("batch", {})
    if not sizes:
        return "no size"
    for entry in sizes.values():
        for prober in ("nlb", "bare"):
            wrong = wrong_numbers(entry.get(prober), BATCH_FIELDS)
            if wrong:
                return f"{prober}: {wrong}"
            if entry[prober]["timeouts"] or entry[prober]["failed"]:
                return f"{prober}: {entry[prober]}"
    return ""


def wrong_steady(entry, down):
    wrong = wrong_numbers(entry, STEADY_FIELDS)
    if wrong:
        return wrong
    if entry["false_failures"]:
        return f"{entry['false_failures']} false failures"
    if entry["down"] != down:
        return f"{entry['down']} are down, not {down}"
    if not entry["late_p50_ms"] <= entry["late_p99_ms"] <= entry["late_max_ms"]:
        return f"lateness is out of order: {entry}"
    # Each of them once in a second, as far as a busy machine lets us.
    least, most = (entry["up"] + down) * 0.5, (entry["up"] + down) * 1.3
    if not least <= entry["probes_per_s"] <= most:
        return f"{entry['probes_per_s']} probes a second"
    return ""


def wrong_deaths(entry):
    wrong = wrong_numbers(entry, ("p50", "p99", "max", "backends"))
    if wrong:
        return wrong
    if entry["missed"]:
        return f"{entry['missed']} without a verdict"
    # The third failure in a row is two intervals, less the jitter, after the first.
    return "" if entry["p50"] > 1800 else f"verdicts after {entry['p50']} ms: too soon"


def tests(results):
    """Name and what is wrong, of each."""
    yield "batch", wrong_batches(results)
    for kind in KINDS:
        entry = results.get("us_per_probe", {}).get(kind)
        yield f"CPU per probe, {kind}", wrong_numbers(entry, KIND_FIELDS)
    yield "steady", wrong_steady(results.get("steady"), 0)
    for engine in ("http", "recycled", "uring"):
        entry = results.get("engines", {}).get(engine)
        yield f"engine {engine}", wrong_numbers(entry, ("at_once", "tick_0", "tick_4"))
    died = results.get("death_to_verdict_ms", {})
    yield "death", wrong_deaths(died)
    yield "steady, a tenth dead", wrong_steady(results.get("steady_dead"), died.get("backends"))


quick(HEALTH, tests)
