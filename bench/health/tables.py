#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Prints the tables of docs/benchmarks.md, "Health", from a file of results.

  tables.py build/bench/health.json
"""
import json
import sys

NAMES = {
    "nlb": "**nlb**",
    "bare": "bare loop",
    "rust": "Rust, hyper's client",
    "rust_conn": "Rust, below the client",
    "go": "Go",
    "python": "Python",
}
ENGINES = {
    "http": "epoll, a socket a probe",
    "recycled": "epoll, sockets used again",
    "uring": "io_uring, sockets used again",
}


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("| --- | " + " | ".join(["---:"] * (len(head) - 1)) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def batch(sizes):
    for n, entry in sizes.items():
        for name, got in entry.items():
            yield (
                f"{int(n):,} {NAMES[name]}",
                f"{got['wall_s']:.2f}",
                str(got["timeouts"]),
                f"{got['user_s']:.2f}, {got['sys_s']:.2f}",
                f"{got['cpu_s'] * 1e6 / int(n):.1f}",
                f"{got['rss_kb'] / 1024:.1f}",
            )


def kinds(results):
    for kind, entry in results.items():
        paced = [entry[key] for key in ("nlb_paced", "bare_paced", "bare_ticks") if key in entry]
        times = f"{entry['nlb'] / entry['bare']:.2f}"
        yield (
            kind,
            f"{entry['nlb']:.1f}",
            f"{entry['bare']:.1f}",
            times,
            *map("{:.1f}".format, paced),
        )


def engines(results):
    for name, entry in results.items():
        yield (ENGINES[name], *map("{:.1f}".format, entry.values()))


def steady(results):
    for key, words in (("steady", "all up"), ("steady_dead", "10% dead")):
        got = results[key]
        yield (
            words,
            f"{got['probes_per_s']:,.0f}",
            f"{got['cpu_share']:.0%}",
            *[f"{got[f'late_{q}_ms']:.1f}" for q in ("p50", "p99", "max")],
            str(got["false_failures"]),
            f"{got['rss_kb'] / 1024:.1f}",
        )


def deaths(got):
    for words, entry in (("measured", got), ("nothing ever late", got["ideal"])):
        yield (words, *[f"{entry[key] / 1e3:.1f}" for key in ("p50", "p99", "max")])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    for part in ("batch", "nginx"):
        if part in results:
            head = [part, "seconds", "timeouts", "CPU s: user, sys", "us a probe", "peak MB"]
            table(head, batch(results[part]))
    if "us_per_probe" in results:
        head = ["kind", "nlb", "bare", "nlb : bare", "nlb paced", "bare paced", "bare, by ticks"]
        table(head, kinds(results["us_per_probe"]))
    if "engines" in results:
        head = ["engine", "at once", *[f"paced, {k}" for k in list(results["engines"]["http"])[1:]]]
        table(head, engines(results["engines"]))
    if "steady" in results:
        head = ["140,000", "probes/s", "CPU", "late p50 ms", "p99", "max", "false", "peak MB"]
        table(head, steady(results))
        head = ["death to verdict, s", "p50", "p99", "max"]
        table(head, deaths(results["death_to_verdict_ms"]))
    print("load average at the end: " + " ".join(f"{x:.1f}" for x in results["load"]))


if __name__ == "__main__":
    main()
