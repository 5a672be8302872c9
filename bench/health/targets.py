# SPDX-License-Identifier: GPL-2.0-or-later
"""The targets of the health benchmark: each with its figure, its limit, and whether it holds."""

BARE_TIMES = 1.25
RUST_CPU = 0.45
RUST_RSS = 0.10
RUST_WALL = 0.50
STEADY_CPU = 0.80
STEADY_LATE_MS = 100
LATER_MS = 1000  # than if nothing were ever late


def target(what, figure, limit, below=False):
    good = figure < limit if below else figure <= limit
    return {
        "what": what,
        "figure": figure,
        "limit": limit,
        "verdict": "reached" if good else "missed",
    }


def errors(results):
    """Nothing may go wrong, however fast it is."""
    for part in ("batch", "nginx"):
        for n, each in results.get(part, {}).items():
            wrong = each["nlb"]["timeouts"] + each["nlb"]["failed"]
            yield target(f"{part} of {int(n):,}: probes of ours that failed", wrong, 0)


def costs(results):
    """Ratios; in the quick mode the runs are too short for them."""
    for kind, entry in results.get("us_per_probe", {}).items():
        if "nlb" in entry:
            times = entry["nlb"] / entry["bare"]
            yield target(f"{kind}: CPU per probe, of the bare loop's", times, BARE_TIMES)
    largest = results["batch"].get("140000", {})
    if "rust" in largest:
        nlb, rust = largest["nlb"], largest["rust"]
        yield target("140,000: CPU, of Rust's", nlb["cpu_s"] / rust["cpu_s"], RUST_CPU)
        yield target("140,000: memory, of Rust's", nlb["rss_kb"] / rust["rss_kb"], RUST_RSS)
    middle = results["batch"].get("28000", {})
    if "rust" in middle:
        times = middle["nlb"]["wall_s"] / middle["rust"]["wall_s"]
        yield target("28,000: time, of Rust's", times, RUST_WALL)


def beside(results):
    """The same ratios to the Rust that does better: no targets, but to be known."""
    for n, each in results["batch"].items():
        if "rust_multi" not in each:
            continue
        nlb, rust = each["nlb"], each["rust_multi"]
        ratios = (nlb[key] / rust[key] for key in ("cpu_s", "wall_s", "rss_kb"))
        yield f"{int(n):,}, of Rust's on the multi-thread runtime: CPU {{:.2f}}, time {{:.2f}}, memory {{:.3f}}".format(
            *ratios
        )


def steadiness(results):
    for name, text in (("steady", "steady"), ("steady_dead", "steady, a tenth dead")):
        entry = results.get(name)
        if not entry:
            continue
        yield target(f"{text}: false failures", entry["false_failures"], 0)
        if results["quick"]:
            continue
        late = entry["late_p99_ms"]
        yield target(f"{text}: lateness p99, ms", late, STEADY_LATE_MS, below=True)
        if name == "steady":
            yield target(f"{text}: share of a CPU", entry["cpu_share"], STEADY_CPU)


def deaths(results):
    entry = results.get("death_to_verdict_ms")
    if entry:
        yield target("dead backends without a verdict", entry["missed"], 0)
        if entry["missed"] < entry["backends"] and not results["quick"]:
            limit = entry["ideal"]["max"] + LATER_MS
            yield target("death to verdict, max ms", entry["max"], limit)


def judged(results):
    """All targets of what was measured."""
    yield from errors(results)
    if not results["quick"]:
        yield from costs(results)
    yield from steadiness(results)
    yield from deaths(results)
