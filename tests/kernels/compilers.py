#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The packet tests with the BPF programs of several compilers: each case must pass with every
one of them. `make test-compilers` makes a build for each, $NLB_BY/COMPILER/.

Environment: NLB_COMPILERS and NLB_TESTS (programs below such a build) are lists of words.
"""
import glob
import os
import re
import subprocess
import sys

TIMEOUT_S = 300


def outcomes(build, program):
    """What each test of one program came to: {name: "passed" | "failed" | "skipped"}."""
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", NLB_BUILD=build)
    try:
        done = subprocess.run(
            [os.path.join(build, program)],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
        )
        output, status = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        output, status = (late.stdout or b"").decode(errors="replace"), "none in time"
    found, planned = {}, 0
    for line in output.splitlines():
        plan = re.match(r"1\.\.(\d+)(?: # skip\S* (.*))?", line, re.IGNORECASE)
        test = re.match(r"(not )?ok \d+(?: - | )?(.*)", line)
        if plan and plan.group(2):
            found[plan.group(2)] = "skipped"
            planned += 1
        elif plan:
            planned += int(plan.group(1))
        elif test:
            # cmocka says "not ok" of a test that skips itself.
            skipped = "# skip" in line.lower()
            outcome = "failed" if test.group(1) else "passed"
            found[test.group(2)] = "skipped" if skipped else outcome
    if status != 0 or not planned:
        found["ends well"] = "failed"
    if "failed" in found.values():
        print("\n".join(f"# {line}" for line in output.splitlines()))
    return found


def made_by(build, compiler):
    """True when every object is that compiler's, by what it left in the debug information."""
    mark = f"clang version {compiler.rsplit('-', 1)[-1]}.".encode()
    objects = glob.glob(os.path.join(build, "xdp", "*.bpf.o"))
    for path in objects:
        with open(path, "rb") as file:
            if mark not in file.read():
                return False
    return bool(objects)


class Tap:
    """Numbers the results; the plan comes last."""

    def __init__(self):
        self.n = 0

    def result(self, good, text):
        self.n += 1
        print(f"{'ok' if good else 'not ok'} {self.n} - {text}", flush=True)


def compare(tap, program, by):
    """by: {compiler: outcomes}. One result for each test that any of them has."""
    name = os.path.basename(program)
    for test in dict.fromkeys(test for found in by.values() for test in found):
        got = {compiler: found.get(test, "not run") for compiler, found in by.items()}
        if set(got.values()) == {"skipped"}:
            tap.result(True, f"{name}: {test} # SKIP")
        elif set(got.values()) == {"passed"}:
            tap.result(True, f"{name}: {test}")
        else:
            tap.result(False, f"{name}: {test}: {got}")


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return
    by, tap, builds = os.environ["NLB_BY"], Tap(), {}
    for compiler in os.environ["NLB_COMPILERS"].split():
        build = os.path.join(by, compiler)
        if os.path.isdir(os.path.join(build, "plain")):
            builds[compiler] = build
            tap.result(made_by(build, compiler), f"{compiler} made the objects")
        else:
            tap.result(True, f"{compiler} # SKIP not installed")
    for program in os.environ["NLB_TESTS"].split():
        compare(tap, program, {name: outcomes(build, program) for name, build in builds.items()})
    print(f"1..{tap.n}")


if __name__ == "__main__":
    sys.exit(main())
