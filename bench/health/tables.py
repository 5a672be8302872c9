#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Prints the tables of docs/benchmarks.md, "Health", from the results of a run.

  tables.py build/bench/health.json
"""
import json
import sys

PROBERS = {
    "nlb": "nlb",
    "bare": "bare loop",
    "rust": "Rust, hyper's client",
    "rust_multi": "Rust, multi-thread",
    "rust_conn": "Rust, below it",
    "go": "Go",
    "python": "Python",
}
ENGINES = {
    "http": "epoll, a socket for each probe",
    "recycled": "epoll, sockets used again",
    "uring": "io_uring, sockets used again",
}


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("| --- |" + " ---: |" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def batch_rows(sizes):
    for n, each in sizes.items():
        for name in filter(each.get, PROBERS):
            e = each[name]
            yield (
                f"{int(n):,} {PROBERS[name]}",
                f"{e['wall_s']:.2f}",
                f"{e['timeouts'] + e['failed']:,}",
                f"{e['user_s']:.2f}",
                f"{e['sys_s']:.2f}",
                f"{e['cpu_s'] / int(n) * 1e6:.0f}",
                f"{e['rss_kb'] / 1024:.1f}",
            )


def kind_rows(kinds):
    for kind, e in kinds.items():
        keys = ("nlb", "bare", "nlb_setup", "nlb_paced", "bare_paced", "bare_ticks")
        cells = [f"{e[key]:.1f}" for key in keys]
        yield (kind, *cells[:2], f"{e['nlb'] / e['bare']:.2f}x", *cells[2:])


def engine_rows(engines):
    for name, entry in engines.items():
        yield (ENGINES[name], *(f"{us:.1f}" for us in entry.values()))


def steady_rows(results):
    for name, words in (("steady", "all up"), ("steady_dead", "a tenth dead")):
        e = results[name]
        yield (
            words,
            f"{e['probes_per_s']:,}",
            f"{e['cpu_share']:.0%}",
            *(f"{e[f'late_{q}_ms']:.1f}" for q in ("p50", "p99", "max")),
            str(e["false_failures"]),
            f"{e['fds']:,}",
            f"{e['rss_kb'] / 1024:.1f}",
        )


def death_rows(entry):
    for words, e in (("measured", entry), ("if nothing were ever late", entry["ideal"])):
        yield (words, *(f"{e[q] / 1000:.2f}" for q in ("p50", "p99", "max")))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    head = ["probes", "seconds", "timeouts", "user s", "sys s", "CPU us a probe", "MB"]
    for part in filter(results.get, ("batch", "nginx")):
        table([part] + head[1:], batch_rows(results[part]))
    if "us_per_probe" in results:
        head = ["CPU us a probe", "nlb", "bare", "", "setting", "paced: nlb", "bare", "in ticks"]
        table(head, kind_rows(results["us_per_probe"]))
    if "engines" in results:
        keys = list(results["engines"]["http"])[2:]
        ticks = ["each when due"] + [f"every {key[5:]} ms" for key in keys]
        table(["bare HTTP, CPU us a probe", "at once"] + ticks, engine_rows(results["engines"]))
    if "steady" in results:
        late = ["late ms: p50", "p99", "max"]
        head = ["", "probes a second", "CPU", *late, "false failures", "descriptors", "MB"]
        table(head, steady_rows(results))
        table(
            ["death to verdict, s", "p50", "p99", "max"], death_rows(results["death_to_verdict_ms"])
        )
    print("load average at the end: " + ", ".join(f"{x:.1f}" for x in results["load"]))


if __name__ == "__main__":
    main()
