#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A real agent with twelve backends. Three die: they are taken out at once. Its uplink is cut, in
several ways: no backend goes down, no route, there is an alarm; also over a kill -9 in between.
The uplink is back: the alarm ends, and the next death counts. The operator ends a hold. With
policy "withdraw" nlbd hears that the data plane is down. Prints TAP.
"""
import os
import re
import signal
import sys

import nsenv
import test_agent
from test_agent import NS_BE, NS_LB, VIP, Bed, sh, vip, wait_for

BACKENDS = [f"10.99.0.{last}" for last in range(2, 14)]
DEAD = BACKENDS[:3]
N = len(BACKENDS)
LB = "10.99.0.1"


def alarm(bed):
    return bed.get("health").get("alarm", {})


def held(bed):
    """True when the health child says of every backend that it is down."""
    return alarm(bed).get("held") == N


def address(verb, backends):
    for backend in backends:
        sh("ip", "-n", NS_BE, "addr", verb, backend + "/24", "dev", "nlb1")


def announced(bed):
    """What nlbd was told of the VIP since it was last told to forget."""
    return [(v["ready"], v["enabled"]) for v in bed.nlbd.told("vip")]


def all_up(bed):
    wait_for("all up", lambda: bed.nlbd.is_ready(VIP, N))
    wait_for("no check fails", lambda: bed.get("health").get("conditions", {}).get("failing") == 0)


def stayed(bed):
    """No backend was taken out, and no route, since nlbd was told to forget."""
    assert {enabled for _, enabled in announced(bed)} <= {N}, bed.nlbd.lines
    assert not bed.nlbd.told("gone"), bed.nlbd.lines
    shown = bed.get("backends", VIP, "tcp", "80")["backends"]
    assert [b["state"] for b in shown] == ["up"] * N, shown


def untouched(bed):
    """The same; and the VIP was ready, the data plane there, and each backend in the ring."""
    stayed(bed)
    assert all(ready for ready, _ in announced(bed)), bed.nlbd.lines
    assert not bed.nlbd.told("dataplane"), bed.nlbd.lines
    shown = bed.get("backends", VIP, "tcp", "80")["backends"]
    assert [b["in_ring"] for b in shown] == [True] * N, shown


def test_few_die(bed):
    all_up(bed)
    address("del", DEAD)
    wait_for("three are out", lambda: bed.nlbd.is_ready(VIP, N - len(DEAD)), 5)
    assert not alarm(bed)
    shown = bed.get("backends", VIP, "tcp", "80")["backends"]
    assert [b["address"] for b in shown if b["state"] == "down"] == DEAD, shown
    address("add", DEAD)
    all_up(bed)


def test_replies_are_lost(bed):
    """The links are up, and nothing comes back: a switch behind them has failed."""
    bed.nlbd.forget()
    sh("ip", "-n", NS_BE, "route", "add", "blackhole", LB)
    try:
        wait_for("all have failed", lambda: held(bed))
        untouched(bed)
    finally:
        sh("ip", "-n", NS_BE, "route", "del", "blackhole", LB)
    wait_for("the alarm ends", lambda: not alarm(bed))
    all_up(bed)
    untouched(bed)


def link_down(bed, namespace, link):
    """Without carrier the data plane is down, which nlbd is told; the backends are no worse."""
    bed.nlbd.forget()
    sh("ip", "-n", namespace, "link", "set", link, "down")
    try:
        wait_for("the alarm", lambda: alarm(bed))
        wait_for("the data plane is down", lambda: bed.nlbd.dataplane == "down")
        stayed(bed)
    finally:
        sh("ip", "-n", namespace, "link", "set", link, "up")
    wait_for("the alarm ends", lambda: not alarm(bed))
    wait_for("the data plane is up", lambda: bed.nlbd.dataplane == "ok")
    all_up(bed)
    stayed(bed)


def test_link_of_the_others_is_down(bed):
    link_down(bed, NS_BE, "nlb1")


def test_own_link_is_down(bed):
    link_down(bed, NS_LB, "nlb0")


def test_what_is_shown(bed):
    sh("ip", "-n", NS_BE, "route", "add", "blackhole", LB)
    wait_for("all have failed", lambda: held(bed))
    shown = alarm(bed)
    assert shown["policy"] == "hold" and shown["failing"] == shown["of"] == N, shown
    done = sh(nsenv.NLBCTL, "-s", bed.api, "health")
    assert f"ALARM       {N} of {N} backends fail at once" in done.stdout, done.stdout
    done = sh(nsenv.NLBCTL, "-s", bed.api, "health", VIP)
    assert len(re.findall(r"http/8080  up \(held\)  .*timeout", done.stdout)) == N, done.stdout
    with open(os.path.join(bed.state, "status.json"), encoding="utf-8") as status:
        assert '"alarm":{"kind":"mass-failure","policy":"hold"}' in status.read()


def test_kill_9_in_between(bed):
    """The agent that starts in the middle of it has the backends up, and finds out for itself."""
    before = bed.parent_pid()
    bed.nlbd.forget()
    os.kill(before, signal.SIGKILL)
    wait_for("another one", lambda: bed.nlbd.synced and bed.nlbd.told("sync")[-1:] == ["end"])
    wait_for("the alarm again", lambda: held(bed))
    assert set(announced(bed)) == {(True, N)}, announced(bed)
    assert bed.nlbd.dataplane == "ok" and not bed.nlbd.told("gone")
    sh("ip", "-n", NS_BE, "route", "del", "blackhole", LB)
    wait_for("the alarm ends", lambda: not alarm(bed))
    all_up(bed)
    assert set(announced(bed)) == {(True, N)}, announced(bed)


def test_next_death_counts(bed):
    address("del", DEAD[:1])
    wait_for("one is out", lambda: bed.nlbd.is_ready(VIP, N - 1), 5)
    address("add", DEAD[:1])
    all_up(bed)


def test_release(bed):
    assert bed.ctl("health", "release").returncode == 1
    sh("ip", "-n", NS_BE, "route", "add", "blackhole", LB)
    wait_for("all have failed", lambda: held(bed))
    assert bed.ctl("health", "release").returncode == 0
    wait_for("all are out", lambda: bed.nlbd.vip(VIP)["enabled"] == 0)
    assert not alarm(bed)
    sh("ip", "-n", NS_BE, "route", "del", "blackhole", LB)
    all_up(bed)


def test_withdraw(bed):
    assert bed.stop_agent() == 0
    with open(bed.conf, "a", encoding="utf-8") as conf:
        conf.write("mass-failure-policy = withdraw\n")
    bed.start_agent()
    wait_for("the full set", lambda: bed.nlbd.synced)
    all_up(bed)
    sh("ip", "-n", NS_BE, "route", "add", "blackhole", LB)
    wait_for("nlbd hears of it", lambda: bed.nlbd.dataplane == "down")
    wait_for("all have failed", lambda: held(bed))
    assert bed.nlbd.is_ready(VIP, N) and bed.reported()[VIP] == "failed", bed.reported()
    sh("ip", "-n", NS_BE, "route", "del", "blackhole", LB)
    wait_for("nlbd hears of that", lambda: bed.nlbd.dataplane == "ok")
    all_up(bed)


TESTS = [
    test_few_die,
    test_replies_are_lost,
    test_link_of_the_others_is_down,
    test_own_link_is_down,
    test_what_is_shown,
    test_kill_9_in_between,
    test_next_death_counts,
    test_release,
    test_withdraw,
]


def set_up(bed):
    bed.up()
    # The first address of a link may go without the others.
    nsenv.inside(NS_BE, "sysctl", "-qw", "net.ipv4.conf.all.promote_secondaries=1")
    address("add", [b for b in BACKENDS if b not in test_agent.BACKENDS])
    bed.start_server("0.0.0.0")
    bed.write_vips([vip(VIP, BACKENDS)])
    bed.start_agent()


if __name__ == "__main__":
    sys.exit(nsenv.run_tests(TESTS, Bed, set_up))
