# SPDX-License-Identifier: GPL-2.0-or-later
"""
The runs of the health benchmark. Probers are interleaved: a round is one run of each, and what
is quoted are the medians of the rounds.
"""
import random
import statistics
import time

from proberenv import KINDS, NGINX_PORT, PORT, Drive, wait_for

BATCH_KEYS = ("wall_s", "user_s", "sys_s", "rss_kb")
INTERVAL_MS = 5000
FALL = 3
PACE = 5000  # probes a second
TICK_MS = 4
DOOMED = 10  # one of so many
STEADY_MIX = "tthhi"  # 40% TCP, 40% HTTP, 20% ICMP
ENGINES = ("http", "recycled", "uring")  # ways of the bare prober to do HTTP
ENGINE_TICKS_MS = (0, 4, 10)


def rest(seconds):
    """Lets a steady state go on for so long; this is what is measured, not waited for."""
    time.sleep(seconds)


def summed(rounds):
    """The medians of the rounds; of what went wrong the worst."""
    entry = {key: round(statistics.median(r[key] for r in rounds), 6) for key in BATCH_KEYS}
    entry["cpu_s"] = round(statistics.median(r["user_s"] + r["sys_s"] for r in rounds), 6)
    entry["rss_kb"] = int(entry["rss_kb"])
    entry["timeouts"] = max(r["timeouts"] for r in rounds)
    entry["failed"] = max(r["failed"] for r in rounds)
    entry["rounds"] = len(rounds)
    return entry


def interleaved(probers, rounds):
    """probers: {name: function}; {name: medians}."""
    got = {name: [] for name in probers}
    for i in range(rounds):
        # The other way round in every other round, so that none is always behind the same one.
        for name in sorted(probers, reverse=i % 2 == 1):
            got[name].append(probers[name]())
    return {name: summed(each) for name, each in got.items()}


def batch(world, n, names, rounds, port=PORT):
    """N probes of HTTP at once by each prober."""
    return interleaved(
        {name: lambda name=name: world.prober(name, n, port) for name in names}, rounds
    )


def nginx(world, sizes, names, rounds):
    """The same against nginx."""
    server = world.nginx()
    got = {str(n): batch(world, n, names, rounds, NGINX_PORT) for n in sizes}
    server.kill()
    server.wait()
    return got


def kinds(world, n, rounds):
    """
    CPU microseconds per probe of each kind, all at once. A condition is set once and probed for
    days, so what it costs to set it and to take it away is told by itself: nlb_setup. nlb is
    what the probes add.
    """
    got = {}
    for kind in KINDS:
        each = interleaved(
            {
                "nlb": lambda kind=kind: world.nlb(n, kind),
                "setup": lambda kind=kind: world.nlb(n, kind, when="idle"),
                "bare": lambda kind=kind: world.bare(n, kind),
            },
            rounds,
        )
        us = {name: e["cpu_s"] / n * 1e6 for name, e in each.items()}
        entry = {"nlb": us["nlb"] - us["setup"], "bare": us["bare"], "nlb_setup": us["setup"]}
        got[kind] = {key: round(value, 3) for key, value in entry.items()}
    return got


def paced_nlb(world, kind, interval_ms, seconds):
    n = PACE * interval_ms // 1000
    drive = Drive(world, n, KINDS[kind], interval_ms=interval_ms, rise=2, fall=FALL)
    rest(1.5 * interval_ms / 1000)  # the second probes spread the conditions
    marks = span(drive, seconds)
    drive.end()
    return marks["cpu_share"] / PACE * 1e6


def paced(world, interval_ms, seconds):
    """The same, spread over time: bare at each probe's moment, and from tick to tick."""
    got = {}
    for kind in KINDS:
        n = int(PACE * seconds)
        entry = {"nlb_paced": paced_nlb(world, kind, interval_ms, seconds)}
        for key, tick in (("bare_paced", 0), ("bare_ticks", TICK_MS)):
            used = world.bare(n, kind, PORT, PACE, tick)
            entry[key] = (used["user_s"] + used["sys_s"]) / n * 1e6
        got[kind] = {key: round(us, 3) for key, us in entry.items()}
    return got


def engines(world, n, rounds, seconds):
    """
    CPU microseconds per probe of HTTP by the bare prober: epoll with a socket for each probe,
    epoll with sockets that are used again, and chains of io_uring. All at once, and paced.
    """
    got = interleaved({name: lambda name=name: world.bare(n, name) for name in ENGINES}, rounds)
    entries = {}
    for name, at_once in got.items():
        entry = entries[name] = {"at_once": at_once["cpu_s"] / n * 1e6}
        for tick in ENGINE_TICKS_MS:
            used = world.bare(int(PACE * seconds), name, PORT, PACE, tick)
            cpu_s = used["user_s"] + used["sys_s"]
            entry[f"tick_{tick}"] = cpu_s / int(PACE * seconds) * 1e6
        entries[name] = {key: round(us, 3) for key, us in entry.items()}
    return entries


def span(drive, seconds):
    """So many seconds of a steady state."""
    before = drive.ask("mark")
    rest(seconds)
    after = drive.ask("mark")
    wall_ns = after["now_ns"] - before["now_ns"]
    return {
        "cpu_share": round((after["cpu_ns"] - before["cpu_ns"]) / wall_ns, 4),
        # Had a CPU been free all the time, 0: other programs made it late.
        "cpu_wait_share": round((after["cpu_wait_ns"] - before["cpu_wait_ns"]) / wall_ns, 4),
        "late_p50_ms": after["late_p50_us"] / 1000,
        "late_p99_ms": after["late_p99_us"] / 1000,
        "late_max_ms": after["late_max_us"] / 1000,
        "false_failures": after["false_failures"],
        "rss_kb": after["rss_kb"],
        "probes_per_s": round((after["started"] - before["started"]) / wall_ns * 1e9),
        "fds": after["fds"],
        "up": after["up"],
        "down": after["down"],
        "seconds": round(wall_ns / 1e9, 1),
    }


def spread(values):
    values = sorted(values)
    return {
        "p50": round(statistics.median(values), 1),
        "p99": round(values[int(len(values) * 0.99)], 1),
        "max": round(values[-1], 1),
    }


def silent_ones(n):
    """Whether they die without a word, of the doomed: as drive_conds.c has it."""
    for i in range(n):
        turn, letter = i // len(STEADY_MIX), STEADY_MIX[i % len(STEADY_MIX)]
        if turn % DOOMED == 0:
            turn //= DOOMED
            yield letter == "i" or turn % {"t": 2, "h": 3}[letter] != {"t": 1, "h": 0}[letter]


def ideal(n, interval_ms, timeout_ms):
    """
    From the death to the verdict if nothing were ever late: the rest of an interval, FALL - 1
    more, each with its jitter, and the timeout of those that say nothing.
    """
    rnd, jitter = random.Random(1), interval_ms / 16
    return spread(
        rnd.uniform(0, interval_ms)
        + sum(interval_ms + rnd.uniform(-jitter, jitter) for _ in range(FALL - 1))
        + (timeout_ms if silent else 0)
        for silent in silent_ones(n)
    )


def death(world, drive):
    """All doomed backends die at once; from the death to the verdicts, in ms."""
    n, interval_ms = drive.options["n"], drive.options["interval_ms"]
    timeout_ms = drive.options["timeout_ms"]
    # Told before, too: a failure can come back sooner than the time of the death.
    drive.ask("death", time.monotonic_ns())
    drive.ask("death", world.die())
    doomed = sum(1 for _ in silent_ones(n))
    limit_s = ((FALL + 2) * interval_ms + timeout_ms) / 1000 + 5
    wait_for(lambda: drive.ask("mark")["down"] >= doomed, limit_s)
    ms = drive.ask("verdicts")["ms"]
    known = [t for t in ms if t is not None]
    return {
        **(spread(known) if known else {}),
        "backends": len(ms),
        "missed": len(ms) - len(known),
        "ideal": ideal(n, interval_ms, timeout_ms),
    }


def steady(world, n, interval_ms, timeout_ms, seconds):
    """Without a failure; when a tenth dies; and with a tenth dead. seconds: (settle, alive, dead)."""
    drive = Drive(
        world,
        n,
        STEADY_MIX,
        interval_ms=interval_ms,
        timeout_ms=timeout_ms,
        rise=2,
        fall=FALL,
        doomed=DOOMED,
    )
    settle, alive, dead = seconds
    rest(settle)
    entry = {"steady": span(drive, alive)}
    entry["death_to_verdict_ms"] = death(world, drive)
    entry["steady_dead"] = span(drive, dead)
    drive.end()
    world.live()
    return entry
