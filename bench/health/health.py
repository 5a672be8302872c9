#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the health child costs, beside other probers in the same run.

  health.py [--quick] [--only PART]... [--n N]... [--rounds N] [--json FILE]

PART: batch (N probes of HTTP at once, against Rust, Go, Python and a bare epoll loop), nginx
(the same against nginx), kinds (CPU per probe of each kind), paced (the same, spread over time),
engines (epoll or io_uring), steady (140,000 conditions every 5 s; a tenth dies at once).

Ends with status 1 when a target is missed; 77 when it cannot run here.
"""
import argparse
import json
import os
import signal
import sys

import runs
import targets
from proberenv import BIN, Failed, World

PARTS = ("batch", "nginx", "kinds", "paced", "engines", "steady")
SIZES = (3000, 8000, 16000, 28000, 56000, 140000)
NGINX_SIZES = (8000, 28000)
MAX_OF = {"go": 28000, "python": 8000}  # above these they would take minutes
KIND_N = 28000
STEADY_N = 140000
SETTLE_S = 30  # second probes come within 7.5 s; lateness is that of the last 10 to 20 s
SKIP = 77
# hyper's client on tokio's runtime of one thread, on the other one, and hyper without its client
# there.
RUST = {
    "rust-client-single": "rust",
    "rust-client-multi": "rust_multi",
    "rust-conn-multi": "rust_conn",
}


def rounds_of(options, n):
    return options.rounds or (1 if options.quick else 5 if n <= 16000 else 3)


def names_of(options, n):
    if options.quick:
        return ["nlb", "bare"]
    return [p for p in ("nlb", "bare", *RUST, "go", "python") if n <= MAX_OF.get(p, n)]


def show_header():
    print(
        f"{'HTTP at once':>16} {'prober':12}{'wall s':>9}{'CPU s':>9}{'user':>8}{'sys':>8}"
        f"{'us/probe':>10}{'MB':>8}{'timeouts':>10}{'failed':>8}"
    )


def show_batch(label, n, got):
    for name, e in got.items():
        print(
            f"{label:>16} {name:12}{e['wall_s']:9.3f}{e['cpu_s']:9.3f}{e['user_s']:8.3f}"
            f"{e['sys_s']:8.3f}{e['cpu_s'] / n * 1e6:10.1f}{e['rss_kb'] / 1024:8.1f}"
            f"{e['timeouts']:10,}{e['failed']:8,}",
            flush=True,
        )


def renamed(got):
    """As the JSON has them."""
    return {RUST.get(name, name): entry for name, entry in got.items()}


def measure_batches(world, options, results):
    if not {"batch", "nginx"} & set(options.only):
        return
    show_header()
    if "batch" in options.only:
        for n in options.n or ((2000,) if options.quick else SIZES):
            got = runs.batch(world, n, names_of(options, n), rounds_of(options, n))
            results["batch"][str(n)] = renamed(got)
            show_batch(f"{n:,}", n, got)
    if "nginx" in options.only:
        sizes = (1000,) if options.quick else NGINX_SIZES
        names = ["nlb", "bare"] if options.quick else ["nlb", "bare", *RUST]
        got = runs.nginx(world, sizes, names, 1 if options.quick else 3)
        results["nginx"] = {n: renamed(each) for n, each in got.items()}
        for n, each in got.items():
            show_batch(f"nginx {int(n):,}", int(n), each)


def measure_kinds(world, options, results):
    got = {}
    if "kinds" in options.only:
        n = (options.n or [8000 if options.quick else KIND_N])[-1]
        got = runs.kinds(world, n, options.rounds or (1 if options.quick else 5))
    if "paced" in options.only:
        pace = (500, 0.5) if options.quick else (runs.INTERVAL_MS, 8)
        for kind, entry in runs.paced(world, *pace).items():
            got.setdefault(kind, {}).update(entry)
    if not got:
        return
    results["us_per_probe"] = got
    columns = ("nlb", "bare", "nlb_setup", "nlb_paced", "bare_paced", "bare_ticks")
    print(f"{'CPU us per probe':>16} " + "".join(f"{c:>12}" for c in columns))
    for kind, entry in got.items():
        cells = (f"{entry[c]:12.1f}" if c in entry else f"{'-':>12}" for c in columns)
        print(f"{kind:>16} " + "".join(cells), flush=True)


def measure_engines(world, options, results):
    if "engines" not in options.only:
        return
    size = (2000, 1, 0.5) if options.quick else (KIND_N, options.rounds or 3, 5)
    results["engines"] = got = runs.engines(world, *size)
    ticks = [f"tick_{tick}" for tick in runs.ENGINE_TICKS_MS]
    print(f"{'bare HTTP, us':>16} {'at_once':>12}" + "".join(f"{tick:>12}" for tick in ticks))
    for name, entry in got.items():
        print(f"{name:>16} " + "".join(f"{us:12.1f}" for us in entry.values()), flush=True)


def measure_steady(world, options, results):
    if "steady" not in options.only:
        return
    if options.quick:
        got = runs.steady(world, 2000, 1000, 900, (2, 2, 1))
    else:
        n = (options.n or [STEADY_N])[-1]
        seconds = (SETTLE_S, options.seconds, options.seconds / 2)
        got = runs.steady(world, n, runs.INTERVAL_MS, 3000, seconds)
    results.update(got)
    for name in ("steady", "steady_dead"):
        e = got[name]
        print(
            f"{name}: {e['probes_per_s']:,} probes/s, {e['cpu_share']:.0%} of a CPU"
            f" (and waited for it {e['cpu_wait_share']:.0%}), late"
            f" p50 {e['late_p50_ms']:.2f}, p99 {e['late_p99_ms']:.2f}, max {e['late_max_ms']:.2f} ms,"
            f" {e['false_failures']} false failures, {e['rss_kb'] / 1024:.1f} MB, {e['fds']:,} fds"
        )
    dead = got["death_to_verdict_ms"]
    cells = (f"{key} {dead.get(key, 0):,.0f} ({dead['ideal'][key]:,.0f})" for key in dead["ideal"])
    print(
        "death to verdict, ms (if nothing were ever late): " + ", ".join(cells),
        f"of {dead['backends']:,}, {dead['missed']:,} missed",
        flush=True,
    )


def parsed():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="few probes, no other languages")
    parser.add_argument("--only", choices=PARTS, action="append", help="only these parts")
    parser.add_argument("--n", type=int, action="append", help="only these sizes")
    parser.add_argument("--rounds", type=int, help="of each batch")
    parser.add_argument("--seconds", type=float, default=60, help="of the steady state")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    options.only = options.only or PARTS
    return options


def unable(options):
    """Why it cannot run here; empty: it can."""
    if os.geteuid() != 0:
        return "needs root"
    if not options.quick and len(os.sched_getaffinity(0)) < 2:
        return "needs two CPUs: one for the prober, one for the servers"
    if not os.path.exists(os.path.join(BIN, "drive")):
        return "not built"
    return ""


def measure_all(options, results):
    world = World()
    try:
        world.up()
        measure_batches(world, options, results)
        measure_kinds(world, options, results)
        measure_engines(world, options, results)
        measure_steady(world, options, results)
    finally:
        world.close()


def main():
    options = parsed()
    why = unable(options)
    if why:
        print(why)
        return SKIP
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    results = {"batch": {}, "quick": options.quick}
    try:
        measure_all(options, results)
    except Failed as error:
        print(f"bench-health: {error}")
        return 1
    results["load"] = os.getloadavg()
    lines = list(targets.judged(results))
    results["targets"] = lines
    if options.json:
        os.makedirs(os.path.dirname(options.json) or ".", exist_ok=True)
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=1)
            out.write("\n")
    for line in lines:
        print("{what}: {figure:.4g}, limit {limit:.4g}: {verdict}".format(**line))
    for line in targets.beside(results):
        print(line)
    return 0 if all(line["verdict"] == "reached" for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
