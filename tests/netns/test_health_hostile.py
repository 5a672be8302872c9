#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Hostile servers (hostile.py), IPv4 and IPv6: each check of one ends with a clear reason, by its
timeout at the latest, and at no cost to others: checks of a good server, all the while, do not fail
once, are not late, and are answered as fast as ever. Last, a backend that comes late, but in time.
"""
import sys

from healthenv import BE, both, case, expect, expect_all, run_test, World
from nsenv import inside, wait_for

BAD, GOOD = 11, 12
PATIENT = {"interval_ms": 1000, "timeout_ms": 800}


def bad(port, result, **more):
    check = {"type": "http", "port": port, **more}
    return case(BAD, "down", result, **check)


def bad_tls(port, result):
    return case(BAD, "down", result, type="https", port=port)


HOSTILE = both(
    {
        "accepts and hangs": bad(7001, "timeout while waiting"),
        "reads and is mute": bad(7002, "timeout while waiting"),
        "a byte a second": bad(7003, "timeout while waiting"),
        "a header now and then": bad(7004, "timeout while waiting"),
        "endless headers": bad(7005, "too many headers"),
        "an endless line": bad(7006, "line too long"),
        "an endless body": bad(7007, "not in the body", body="never there"),
        "an endless body, longer limit": bad(7007, "not in", body="never there", max_body=1048576),
        "chunks of nothing": bad(7008, "answer too long", body="never there"),
        "a flood of 100 Continue": bad(7009, "too many headers"),
        "binary": bad(7010, "not HTTP/1"),
        "another protocol": bad(7011, "not HTTP/1"),
        "garbage for a chunk": bad(7012, "bad chunk", body="ok"),
        "shorter than it says": bad(7013, "closed before", body="ok"),
        "a negative length": bad(7014, "bad Content-Length"),
        "two lengths": bad(7015, "bad Content-Length"),
        "reset in the answer": bad(7016, "connection reset"),
        "closed without an answer": bad(7017, "closed before"),
        "redirected": bad(7018, "status 302"),
        "TLS: garbage": bad_tls(7020, "TLS handshake failed"),
        "TLS: half a record": bad_tls(7021, "timeout in the TLS handshake"),
        "TLS: alerts without end": bad_tls(7022, "TLS handshake failed|timeout in the TLS"),
        "TLS: hangs": bad_tls(7023, "timeout in the TLS handshake"),
        "late, but in time": case(BAD, "up", "ok", PATIENT, type="http", port=7030, body="at last"),
        "too late": case(BAD, "down", "timeout while waiting", type="http", port=7031),
    }
)
NEIGHBOURS = both(
    {
        "neighbour: icmp": case(GOOD, "up", "ok", type="icmp"),
        "neighbour: tcp": case(GOOD, "up", "ok", type="tcp"),
        "neighbour: http": case(GOOD, "up", "ok", type="http", body="all is ok"),
    }
)
SERVERS = """
    server {{ listen 10.77.0.12:80; listen [fd77::12]:80; location / {{ return 200 "all is ok"; }} }}
"""

# What a probe of a good neighbour may take, and how late one may start, in microseconds: the
# floods come from the same two CPUs.
LATENCY_US = 150000
LATE_P99_US = 100000
ROUNDS = 5


def neighbours_unharmed(tap, world):
    """Some rounds later, by the probes that were made."""
    begin = world.engine()["started"]
    enough = begin + ROUNDS * len(world.cases)
    latencies = {name: [] for name in NEIGHBOURS}

    def rounds_done():
        for name, seen in latencies.items():
            seen.append(world.check(name).get("latency_us", 0))
        return world.engine()["started"] >= enough

    tap.result("the rounds go on", wait_for(rounds_done, 60), "probes are not made")
    for name, seen in latencies.items():
        check = world.check(name)
        good = check.get("state") == "up" and "failure" not in check
        # The median: this machine has other tests to run at the same time.
        typical = sorted(seen)[len(seen) // 2]
        tap.result(name + ": never failed", good, f"{check}")
        tap.result(name + ": as fast as ever", 0 < typical < LATENCY_US, f"{typical} us: {seen}")
    late = world.engine()["late_p99_us"]
    tap.result("no probe is late", late < LATE_P99_US, f"p99 {late} us")


def still_there(tap, world):
    """What floods and hangs has not stopped the child, nor kept descriptors."""
    children = world.health_children()
    tap.result("the same health child", children == world.children, f"{children}")
    engine = world.engine()
    few = engine["descriptors"] <= 2 * len(world.cases)
    tap.result("no descriptor is lost", few, f"{engine['descriptors']} descriptors")


def never_accepts(tap, world):
    """Packets to the good server get lost on the way: a timeout of the connection."""
    rule = ["INPUT", "-p", "tcp", "--dport", "80", "-j", "DROP"]
    for tables in ("iptables", "ip6tables"):
        inside(BE, tables, "-A", *rule)
    for name in ("neighbour: tcp", "neighbour: http, IPv6"):
        expect(tap, world, name, "down", "timeout while connecting", "lost on the way: ")
    for tables in ("iptables", "ip6tables"):
        inside(BE, tables, "-D", *rule)
    for name in ("neighbour: tcp", "neighbour: http, IPv6"):
        expect(tap, world, name, "up", "ok", "found again: ")


def scenario(tap, world):
    world.network()
    world.nginx_start()
    world.hostile_start()
    world.model()
    world.agent_start()
    expect_all(tap, world)
    world.children = world.health_children()
    neighbours_unharmed(tap, world)
    still_there(tap, world)
    never_accepts(tap, world)


def main():
    cases = {**HOSTILE, **NEIGHBOURS}
    world = World(cases, (BAD, GOOD), SERVERS)
    planned = len(cases) + 2 * len(NEIGHBOURS) + 2 + 2 + 4
    return run_test(("nginx", "iptables", "ip6tables"), planned, world, scenario)


if __name__ == "__main__":
    sys.exit(main())
