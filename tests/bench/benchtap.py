# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of benchmarks share: the quick run of one, its JSON, and TAP."""
import json
import math
import os
import subprocess
import tempfile

SKIP = 77
TIMEOUT_S = 240


def wrong_numbers(entry, fields, least=0.0):
    """What is wrong with one entry, whose fields are to be above `least`; empty: nothing."""
    if entry is None:
        return "not in the JSON"
    for field in fields:
        value = entry.get(field)
        if not isinstance(value, (int, float)) or not math.isfinite(value) or value <= least:
            return f"{field} is {value}"
    return ""


def quick(program, tests):
    """
    Runs `program --quick` and prints whether that succeeded; then, for each name and what is
    wrong of tests(results), whether nothing is.
    """
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "results.json")
        done = subprocess.run(
            [program, "--quick", "--json", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
        )
        output = done.stdout.decode(errors="replace")
        if done.returncode == SKIP:
            print(f"1..0 # SKIP {output.strip()}")
            return
        results = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                results = json.load(file)
    named = list(tests(results))
    print(f"1..{len(named) + 1}")
    shown = "\n".join("# " + line for line in output.splitlines())
    print("ok 1 runs" if done.returncode == 0 else f"{shown}\nnot ok 1 runs")
    for number, (name, wrong) in enumerate(named, 2):
        print(f"not ok {number} {name}: {wrong}" if wrong else f"ok {number} {name}")
