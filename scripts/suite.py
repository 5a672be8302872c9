#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Runs test suites and adds them up.

  suite.py run NAME PROGRAM...   programs that print TAP (cmocka binaries do so when asked)
  suite.py pytest NAME PATH...   Python tests
  suite.py junit NAME COMMAND... a command that writes JUnit XML to the file in $NLB_JUNIT
  suite.py total                 the sum over all suites that ran

Each suite leaves its counts in build/results/NAME.json. A program that dies, prints no
plan, or exits non-zero without a failed test counts as one failed test.
"""
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

RESULTS = os.path.join("build", "results")
TIMEOUT_S = 900


class Counts:
    """Tests passed, failed and skipped; the names of those that failed or were skipped."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def line(self):
        return f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"

    def save(self, name):
        os.makedirs(RESULTS, exist_ok=True)
        with open(os.path.join(RESULTS, name + ".json"), "w", encoding="utf-8") as out:
            json.dump(vars(self), out)

    def report(self, name, seconds):
        for what, names in (("FAILED", self.failed), ("SKIPPED", self.skipped)):
            for test in names:
                print(f"  {what}: {test}")
        print(f"suite {name}: {self.line()} ({seconds:.0f} s)", flush=True)


def tap(program, counts):
    """Runs one program that prints TAP, and counts its lines."""
    label = os.path.basename(program)
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    before = (counts.passed, len(counts.failed), len(counts.skipped))
    try:
        done = subprocess.run(
            [program],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
        )
        output, status = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace")
        status = f"no end after {TIMEOUT_S} s"
    planned, seen = 0, 0
    for line in output.splitlines():
        none = re.match(r"1\.\.0 # skip\S* (.*)", line, re.IGNORECASE)
        if none and status == 0:
            counts.skipped.append(f"{label}: {none.group(1)}")
            print(f"  {label}: skipped, {none.group(1)}", flush=True)
            return
        plan = re.match(r"1\.\.(\d+)", line)
        test = re.match(r"(not )?ok \d+(?: - | )?(.*)", line)
        if plan:
            planned += int(plan.group(1))
        elif test:
            seen += 1
            name = f"{label}: {test.group(2)}"
            # cmocka says "not ok" of a test that skips itself.
            if "# skip" in line.lower():
                counts.skipped.append(name)
            elif test.group(1):
                counts.failed.append(name)
            else:
                counts.passed += 1
    if seen != planned or (not planned and status == 0):
        counts.failed.append(f"{label}: {seen} of {planned} planned tests reported")
    elif status != 0 and len(counts.failed) == before[1]:
        counts.failed.append(f"{label}: exit status {status}")
    if len(counts.failed) > before[1]:
        print(output)
    ran = (
        counts.passed - before[0],
        len(counts.failed) - before[1],
        len(counts.skipped) - before[2],
    )
    print(f"  {label}: {ran[0]} passed, {ran[1]} failed, {ran[2]} skipped", flush=True)


def junit(path, status, counts):
    """Counts the test cases of one JUnit XML file."""
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))
    except (OSError, ElementTree.ParseError) as err:
        counts.failed.append(f"no results ({err}); exit status {status}")
        return
    for case in cases:
        name = f"{case.get('classname', '')}.{case.get('name', '')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            counts.failed.append(name)
        elif skipped is not None:
            counts.skipped.append(f"{name}: {skipped.get('message', '')}")
        else:
            counts.passed += 1
    if not cases:
        counts.failed.append("no test was collected")
    elif status != 0 and not counts.failed:
        counts.failed.append(f"exit status {status}")


def suite(kind, name, args):
    """Runs one suite; True when nothing failed."""
    counts, start = Counts(), time.monotonic()
    print(f"suite {name}", flush=True)
    if kind == "run":
        for program in args:
            tap(program, counts)
        if not args:
            counts.failed.append("the suite has no test")
    else:
        os.makedirs(RESULTS, exist_ok=True)
        path = os.path.abspath(os.path.join(RESULTS, name + ".xml"))
        if os.path.exists(path):
            os.unlink(path)
        command = args
        if kind == "pytest":
            command = ["/usr/bin/python3", "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
            command += [f"--junitxml={path}"] + args
        env = dict(os.environ, NLB_JUNIT=path, PYTHONDONTWRITEBYTECODE="1")
        status = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, check=False).returncode
        junit(path, status, counts)
    counts.save(name)
    counts.report(name, time.monotonic() - start)
    return not counts.failed


def total():
    """Prints the sum over the suites; True when nothing failed and something ran."""
    sums = Counts()
    names = sorted(n for n in os.listdir(RESULTS) if n.endswith(".json"))
    for name in names:
        with open(os.path.join(RESULTS, name), encoding="utf-8") as got:
            part = json.load(got)
        sums.passed += part["passed"]
        sums.failed += [f"{name[:-5]}: {test}" for test in part["failed"]]
        sums.skipped += [f"{name[:-5]}: {test}" for test in part["skipped"]]
    print("\nall suites")
    for what, tests in (("FAILED", sums.failed), ("SKIPPED", sums.skipped)):
        for test in tests:
            print(f"  {what}: {test}")
    print(sums.line(), flush=True)
    return not sums.failed and sums.passed > 0


def main(argv):
    if len(argv) >= 2 and argv[1] == "total":
        return 0 if total() else 1
    if len(argv) >= 3 and argv[1] in ("run", "pytest", "junit"):
        return 0 if suite(argv[1], argv[2], argv[3:]) else 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv))
