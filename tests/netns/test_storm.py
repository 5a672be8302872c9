#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
kill -9 of each process of the agent at random points of a storm of changes, by results files,
by the local API and by the scheduler's list, while packets flow. At no moment may a ring in the
maps be anything but that of a set that its service was given; services that are left alone
are not switched, lose no packet, and none of their flows moves; those that change, but always
have a backend, lose none. In the end the maps are, slot by slot, what was asked for last.

  NLB_KILLS   how many (200; `make storm`: 1,000)        NLB_SEED   which storm
"""
import os
import signal
import sys
import time

from nsenv import run_scenario, wait_for
from stormenv import CHECKED, FIXED, ROLES, Storm, Traffic

KILLS = int(os.environ.get("NLB_KILLS", "200"))
SEED = int(os.environ.get("NLB_SEED", "1"))
LOOK_EVERY = 8  # kills
SETTLE_S = 60  # a fraction of a second, but for a kernel that lets a process wait
CHANGES = 12  # between two kills, at most
STARTING_MS = 200  # how long an agent needs, or a little more


class Victims:
    """Who is killed when."""

    def __init__(self, storm):
        self.storm = storm
        self.killed = dict.fromkeys(ROLES, 0)

    def total(self):
        return sum(self.killed.values())

    def kill(self, role):
        """True when there was one to kill."""
        pid = self.storm.process(role)
        if not pid:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.killed[role] += 1
        return True

    def one(self):
        """Changes without a pause, and then a kill, of an agent that runs or is just starting."""
        rng = self.storm.rng
        role = rng.choice(sorted(ROLES))
        if rng.random() < 0.6:
            wait_for(self.storm.answers, 10)
            until = time.monotonic()
        else:
            until = time.monotonic() + rng.random() * STARTING_MS / 1000
        for _ in range(rng.randint(1, CHANGES)):
            self.storm.change()
        while time.monotonic() < until:
            self.storm.change()
        return wait_for(lambda: self.kill(role), 10)


def storm_and_kill(tap, storm):
    """All the kills; the slowest return to what should be, in seconds. None: it never did."""
    victims, slowest = Victims(storm), 0
    while victims.total() < KILLS:
        if not victims.one():
            tap.result("someone to kill", False, "no process within 10 s")
            return None
        if victims.total() % LOOK_EVERY and victims.total() < KILLS:
            continue
        start = time.monotonic()
        if not wait_for(storm.settled, SETTLE_S):
            tap.result("it settles", False, f"after {victims.killed}: {storm.unsettled()}")
            return None
        slowest = max(slowest, time.monotonic() - start)
        wrong = storm.differing() or storm.found()
        if wrong:
            tap.result("maps as desired", False, f"after {victims.killed}: {wrong}")
            return None
    print(f"# killed: {victims.killed}, slowest return {slowest:.2f} s")
    tap.result("all processes were killed", all(victims.killed.values()), victims.killed)
    return slowest


def scenario(tap, storm):
    up = storm.up()
    if not tap.result("a node with traffic", up, storm.unsettled()):
        return
    tap.result("the reader knows all services", storm.watch(), "it does not")
    before = storm.counts()
    steady, others = Traffic(storm, FIXED), [Traffic(storm, CHECKED)]
    others += [Traffic(storm, s.vip) for s in storm.services[:: len(storm.services) // 3]]
    for traffic in [steady, *others]:
        traffic.start()

    slowest = storm_and_kill(tap, storm)
    tap.result(f"after {KILLS} kills all is as asked for", slowest is not None, "it is not")

    sent, sent_others = steady.stop(), sum(traffic.stop() for traffic in others)
    wait_for(lambda: storm.counts()["packets"] - before["packets"] >= sent, 2)
    wait_for(lambda: storm.counts()["other"] - before["other"] >= sent_others, 2)
    after = storm.counts()
    print(f"# {sent} packets to the untouched service, {sent_others} to others")
    tap.equal("no packet of the untouched is lost", after["packets"] - before["packets"], sent)
    tap.equal("none of its flows moves", after["moved"] - before["moved"], 0)
    tap.equal("no packet of the others is lost", after["other"] - before["other"], sent_others)
    seen = storm.watched()
    print(f"# rings: { {k: v for k, v in seen.items() if k != 'seen'} }")
    tap.equal("no half-switched ring", (seen["wrong"], seen["first"]), (0, ""))
    changing = seen["seen"][-len(storm.services) :]
    all_seen = all(all(by_set) for by_set in changing)
    tap.result("every set of every service was seen", all_seen, changing)


def main():
    return run_scenario(9, lambda: Storm(SEED), scenario)


if __name__ == "__main__":
    sys.exit(main())
