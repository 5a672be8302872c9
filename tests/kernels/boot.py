#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Test programs on another kernel: boots it under qemu with this machine's root (read only,
by 9p), has guest.sh run the programs, and prints what they report as one TAP stream.

  NLB_KERNEL=bookworm NLB_GUEST="SECONDS BUILD PROGRAM;..." boot.py

KVM is used where it works, else qemu emulates the processor. A guest that hangs or dies
fails the program it was at, and those that it did not come to.
"""
import os
import re
import shutil
import subprocess
import sys
import threading

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BOOT_S = 240
QEMU = "qemu-system-x86_64"
NEEDED = (QEMU, "busybox", "cpio", "xz", "modprobe")


class Report:
    """One TAP stream made of those of many programs."""

    def __init__(self):
        self.n = 0

    def result(self, good, text):
        self.n += 1
        print(f"{'ok' if good else 'not ok'} {self.n} - {text}", flush=True)

    def program(self, label, lines, status):
        """Repeats what one program said, under its name; lines: its output."""
        planned, seen, failed = 0, 0, False
        for line in lines:
            none = re.match(r"1\.\.0 # skip\S* (.*)", line, re.IGNORECASE)
            plan = re.match(r"1\.\.(\d+)", line)
            test = re.match(r"(not )?ok \d+(?: - | )?(.*)", line)
            if none and status == 0:
                self.result(True, f"{label} # SKIP {none.group(1)}")
                return
            if plan:
                planned += int(plan.group(1))
            elif test:
                seen += 1
                # cmocka says "not ok" of a test that skips itself.
                good = not test.group(1) or "# skip" in line.lower()
                failed |= not good
                self.result(good, f"{label}: {test.group(2)}")
            else:
                print(f"# {line}")
        if seen != planned or not planned:
            self.result(False, f"{label}: {seen} of {planned} planned tests reported")
        if status != 0 and not failed:
            self.result(False, f"{label}: exit status {status}")


def label_of(build, program):
    """test_nlb of build/by/clang-19 is "clang-19 test_nlb"."""
    return f"{os.path.basename(build)} {os.path.basename(program)}"


def kvm():
    """True where KVM can be used: a /dev/kvm alone, without the processor's help, runs no guest."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        flags = re.search(r"^flags\s*:.*\b(vmx|svm)\b", info.read(), re.MULTILINE)
    return bool(flags) and os.access("/dev/kvm", os.R_OK | os.W_OK)


def qemu(home):
    """The guest; its second serial line is our standard output pipe."""
    words = (
        f"console=ttyS0 loglevel=4 panic=-1 no5lvl mitigations=off nlb.kernel={home} nlb.top={TOP}"
    )
    return subprocess.Popen(
        # Whoever kills us kills it.
        ["setpriv", "--pdeathsig", "KILL", QEMU, "-smp", "2", "-m", "3G"]
        + (["-accel", "kvm", "-cpu", "host"] if kvm() else ["-accel", "tcg", "-cpu", "max"])
        + ["-display", "none", "-monitor", "none", "-nodefaults", "-no-reboot", "-nic", "none"]
        + ["-serial", f"file:{home}/console.log", "-serial", "stdio"]
        + ["-kernel", f"{home}/vmlinuz", "-initrd", f"{home}/initrd", "-append", words]
        + ["-virtfs"]
        + ["local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run(home, report, waiting):
    """Boots the guest and follows it; takes out of waiting what was reported."""
    guest = qemu(home)
    limit = BOOT_S + sum(int(entry[0]) + 10 for entry in waiting.values())
    watchdog = threading.Timer(limit, guest.kill)
    watchdog.start()
    current, lines = None, []
    try:
        for raw in guest.stdout:
            line = raw.decode(errors="replace").rstrip("\r\n")
            mark = re.match(r"### (linux|begin|end) (\S+) ?(\d*)$", line)
            if not mark:
                lines.append(line)
            elif mark.group(1) == "linux":
                print(f"# Linux {mark.group(2)}", flush=True)
            elif mark.group(1) == "begin":
                current, lines = mark.group(2), []
            elif current in waiting:
                _, build, program = waiting.pop(current)
                report.program(label_of(build, program), lines, int(mark.group(3)))
                current, lines = None, []
        guest.wait()
    finally:
        watchdog.cancel()
        if guest.poll() is None:
            guest.kill()
            guest.wait()
    return current, lines


def console(home):
    """The end of what the kernel said."""
    try:
        with open(os.path.join(home, "console.log"), encoding="utf-8", errors="replace") as log:
            return log.read().splitlines()[-40:]
    except OSError:
        return []


def main():
    missing = [name for name in NEEDED if not shutil.which(name)]
    if os.geteuid() != 0 or missing:
        why = f"not installed: {', '.join(missing)}" if missing else "needs root"
        print(f"1..0 # SKIP {why} (make setup-kernels)")
        return 0
    suite = os.environ["NLB_KERNEL"]
    entries = [word.split() for word in os.environ["NLB_GUEST"].split(";") if word.strip()]
    waiting = {program: (seconds, build, program) for seconds, build, program in entries}
    subprocess.run([f"{TOP}/tests/kernels/kernel.sh", suite], check=True, stdout=sys.stderr)
    home = os.path.join(TOP, "build", "kernels", suite)
    with open(os.path.join(home, "list"), "w", encoding="utf-8") as out:
        out.writelines(f"{' '.join(entry)}\n" for entry in entries)
    report = Report()
    current, lines = run(home, report, waiting)
    for _, build, program in waiting.values():
        label = label_of(build, program)
        where = "the guest died or hung in it" if program == current else "was not come to"
        report.result(False, f"{label}: {where}")
    if waiting:
        for line in lines[-40:] + console(home):
            print(f"# {line}")
    print(f"1..{report.n}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
