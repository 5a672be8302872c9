# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the tests in network namespaces share: commands, waiting for a condition, the agent's
local API, and TAP. They run from the top of the tree; NLB_BUILD names another build/.
"""
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

BUILD = os.path.abspath(os.environ.get("NLB_BUILD", "build"))
AGENT = os.path.join(BUILD, "nlb-agent")
NLBCTL = os.path.join(BUILD, "nlbctl")
DEADLINE_S = 30


def run(*args):
    subprocess.run(args, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def inside(netns, *args):
    run("ip", "netns", "exec", netns, *args)


def wait_for(what, seconds=DEADLINE_S):
    """Polls what() until it is true, and returns its value; a false one when time is up."""
    deadline = time.monotonic() + seconds
    never = threading.Event()
    while True:
        value = what()
        if value or time.monotonic() > deadline:
            return value
        never.wait(0.02)


def pids_in(netns, comm=None):
    """The processes in a namespace; with comm only those of that name."""
    inode = os.stat("/run/netns/" + netns).st_ino
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as name:
                fits = comm is None or name.read().strip() == comm
            if fits and os.stat(f"/proc/{pid}/ns/net").st_ino == inode:
                found.append(int(pid))
        except OSError:
            pass
    return found


def kill_all(netns):
    """Ends every process in a namespace, as hard as can be."""
    for pid in pids_in(netns):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def agent_config(folder, dataplane, **more):
    """
    Writes folder/agent.conf for an agent without nlbd, whose scheduler is folder/vips.json and
    whose API is folder/a.sock, and makes what it needs there: state/, and bpf/, a bpffs.
    Sections are dicts of keys; dataplane is one, `more` are others, or more of the same.
    """
    sections = {
        "node": {"name": "test", "state-dir": f"{folder}/state", "user": ""},
        "scheduler": {"url": f"file:{folder}/vips.json"},
        "dataplane": {"interface": "eth0", "bpf-dir": f"{folder}/bpf/nlb", **dataplane},
        "nlbd": {"socket": ""},
        "api": {"socket": f"{folder}/a.sock"},
    }
    for name, keys in more.items():
        sections.setdefault(name, {}).update(keys)
    with open(f"{folder}/agent.conf", "w", encoding="utf-8") as out:
        for name, keys in sections.items():
            out.write(f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()))
    os.mkdir(f"{folder}/state")
    os.mkdir(f"{folder}/bpf")
    run("mount", "-t", "bpf", "bpf", f"{folder}/bpf")


class Api(http.client.HTTPConnection):
    """The agent's local API, over its unix socket."""

    def __init__(self, path):
        super().__init__("agent", timeout=5)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def fetch(socket_path, path):
    """A document of the local API; {} when there is no answer."""
    try:
        api = Api(socket_path)
        api.request("GET", path)
        return json.loads(api.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return {}


class Tap:
    """Prints the plan, and a line for each test."""

    def __init__(self, planned):
        self.n = 0
        self.failed = 0
        print(f"1..{planned}", flush=True)

    def result(self, name, good, why=""):
        self.n += 1
        if not good:
            self.failed += 1
            print(f"# {name}: {why}")
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}", flush=True)
        return good

    def equal(self, name, got, wanted):
        return self.result(name, got == wanted, f"{got}, not {wanted}")


def skip_all(reason):
    """Says that nothing of this file can be tested here, and why; returns the exit status."""
    print(f"1..0 # SKIP {reason}")
    return 0


def run_tests(tests, make_bed, set_up, wrong=()):
    """
    Runs set_up(bed), then each test(bed), a TAP line each, in a mount namespace of its own (as
    run_scenario()), and cleans up; returns the exit status. A bed has a log (a path) and down().
    Exceptions in `wrong` fail a test, as do those that one expects of a check.
    """
    if os.geteuid() != 0:
        return skip_all("needs root")
    if "NLB_OWN_MOUNTS" not in os.environ:
        os.environ["NLB_OWN_MOUNTS"] = "1"
        own = ["unshare", "-m", "--propagation", "private", sys.executable]
        os.execvp("unshare", own + [os.path.abspath(sys.argv[0])])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    failures = (
        AssertionError,
        LookupError,
        ValueError,
        subprocess.SubprocessError,
        OSError,
        *wrong,
    )
    bed, tap = make_bed(), Tap(len(tests))
    try:
        set_up(bed)
        for test in tests:
            try:
                test(bed)
                tap.result(test.__name__, True)
            except failures as err:
                first = str(err).split("\n", maxsplit=1)[0]
                tap.result(test.__name__, False, f"{type(err).__name__}: {first}")
        if tap.failed and os.path.exists(bed.log):
            with open(bed.log, encoding="utf-8") as log:
                print("".join("# " + line for line in log))
    finally:
        bed.down()
    return 1 if tap.failed else 0


def end_on_sigterm():
    """SIGTERM ends the test as an error would: what it made is cleaned up."""

    def end(*_):
        # timeout(1) sends it twice; the second must not end the cleaning.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(1)

    signal.signal(signal.SIGTERM, end)


def play(tap, world, scenario):
    """
    scenario(tap, world), and the world's end whatever comes; returns the exit status. A world
    has show_logs() and close().
    """
    try:
        scenario(tap, world)
        if tap.failed:
            world.show_logs()
    except subprocess.CalledProcessError as err:
        print(f"Bail out! {err}: {err.output}")
        return 1
    finally:
        world.close()
    return 1 if tap.failed else 0


def run_scenario(planned, make_world, scenario):
    """
    Runs scenario(tap, world) in a mount namespace of its own (the program starts itself
    again in one), and cleans up whatever comes (play()); returns the exit status.
    """
    if os.geteuid() != 0:
        return skip_all("needs root")
    if "NLB_OWN_MOUNTS" not in os.environ:
        os.environ["NLB_OWN_MOUNTS"] = "1"
        os.execvp("unshare", ["unshare", "-m", "--propagation", "slave", sys.executable, *sys.argv])
    end_on_sigterm()
    return play(Tap(planned), make_world(), scenario)
