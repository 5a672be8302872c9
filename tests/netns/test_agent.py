#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The real agent (all three processes, XDP attached) in a namespace of its own, with a file
as scheduler, Python servers as backends, and a double of nlbd. What is looked at is what
the agent tells nlbd, its local API, and what it leaves behind. Prints TAP.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

import nsenv
from nsenv import AGENT, NLBCTL

DEADLINE_S = 20
VIP, VIP2 = "192.0.2.10", "2001:db8:100::10"
BACKENDS = ["10.99.0.2", "10.99.0.3"]
BACKEND6 = "2001:db8:99::2"
NS_LB, NS_BE = f"nlb-ag-{os.getpid()}", f"nlb-agb-{os.getpid()}"

SERVER = """
import http.server, socket, sys
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *args):
        pass
server = Server((sys.argv[1], 8080), Handler)
print("up", flush=True)
server.serve_forever()
"""


def sh(*args, check=True):
    return subprocess.run(args, check=check, capture_output=True, text=True)


def wait_for(what, condition, seconds=DEADLINE_S):
    """The condition's value once it holds; fails at the deadline."""
    value = nsenv.wait_for(condition, seconds)
    if not value:
        raise AssertionError(f"not within {seconds} s: {what}")
    return value


class Nlbd(threading.Thread):
    """A double of nlbd: keeps what it is told, and installs what is ready."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.lock = threading.Lock()
        self.vips, self.lines, self.sessions = {}, [], 0
        self.dataplane, self.synced, self.answer_gone = None, False, True
        self.conn = None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(5)

    def run(self):
        while True:
            conn, _ = self.listener.accept()
            with self.lock:
                self.conn, self.synced = conn, False
                self.sessions += 1
            try:
                for line in conn.makefile("r"):
                    with self.lock:
                        self.take(json.loads(line))
            except (OSError, ValueError):
                pass
            conn.close()

    def say(self, message):
        try:
            self.conn.sendall((json.dumps(message) + "\n").encode())
        except OSError:
            pass

    def route(self, address, state):
        self.say({"route": {"address": address, "state": state, "reason": ""}})

    def take(self, message):
        ((kind, value),) = message.items()
        if kind != "heartbeat":
            self.lines.append(message)
        if kind == "hello":
            assert value["version"] == 1 and value["node"] == "lb1"
            self.say({"hello": {"version": 1, "daemon": "nlbd"}})
        elif kind == "heartbeat":
            self.say(message)
        elif kind == "sync":
            self.synced = value == "end"
            if value == "begin":
                self.vips = {}
        elif kind == "vip":
            self.vips[value["address"]] = value
            wanted = value["ready"] and value["enabled"] > 0
            self.route(value["address"], "installed" if wanted else "withdrawn")
        elif kind == "gone":
            self.vips.pop(value["address"], None)
            if self.answer_gone:
                self.route(value["address"], "withdrawn")
        elif kind == "dataplane":
            self.dataplane = value

    def vip(self, address):
        with self.lock:
            return dict(self.vips.get(address, {}))

    def is_ready(self, address, enabled):
        vip = self.vip(address)
        return vip.get("ready") and vip.get("enabled") == enabled

    def forget(self):
        with self.lock:
            self.lines = []

    def told(self, kind):
        with self.lock:
            return [m[kind] for m in self.lines if kind in m]


class Bed:
    """The namespaces, the servers, and the agent."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="nlb-agent-")
        os.chmod(self.dir, 0o755)
        self.vips_file = os.path.join(self.dir, "vips.json")
        self.api = os.path.join(self.dir, "run", "agent.sock")
        self.state = os.path.join(self.dir, "state")
        self.results = os.path.join(self.dir, "results")
        self.conf = os.path.join(self.dir, "agent.conf")
        self.log = os.path.join(self.dir, "agent.log")
        self.servers, self.agent = {}, None
        self.revision = 0

    def up(self):
        os.mkdir(os.path.join(self.dir, "bpf"))
        sh("mount", "-t", "bpf", "bpf", os.path.join(self.dir, "bpf"))
        for namespace in (NS_LB, NS_BE):
            sh("ip", "netns", "add", namespace)
            sh("ip", "-n", namespace, "link", "set", "lo", "up")
        sh("ip", "-n", NS_LB, "link", "add", "nlb0", "type", "veth", "peer", "nlb1", "netns", NS_BE)
        for namespace, link, addresses in (
            (NS_LB, "nlb0", ["10.99.0.1/24", "2001:db8:99::1/64"]),
            (NS_BE, "nlb1", [b + "/24" for b in BACKENDS] + [BACKEND6 + "/64"]),
        ):
            for address in addresses:
                nodad = ["nodad"] if ":" in address else []
                sh("ip", "-n", namespace, "addr", "add", address, "dev", link, *nodad)
            sh("ip", "-n", namespace, "link", "set", link, "up")
        for key in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
            sh("ip", "netns", "exec", NS_LB, "sysctl", "-qw", key)
        self.nlbd = Nlbd(os.path.join(self.dir, "nlbd.sock"))
        self.nlbd.start()
        with open(self.conf, "w", encoding="utf-8") as conf:
            conf.write(
                f"[node]\nname = lb1\nstate-dir = {self.state}\nuser = nobody\n"
                f"[scheduler]\nurl = file:{self.vips_file}\nretry-ms = 100\n"
                f"max-remove-percent = 50\nmax-remove-min = 1\n"
                f"[dataplane]\ninterface = nlb0\nbpf-dir = {self.dir}/bpf/nlb\n"
                f"hold-down-ms = 300\n"
                f"[nlbd]\nsocket = {self.dir}/nlbd.sock\n[api]\nsocket = {self.api}\n"
                f"[health]\nresults-dir = {self.results}\n"
            )

    def down(self):
        if self.agent:
            self.agent.kill()
            self.agent.wait()
        for server in list(self.servers):
            self.stop_server(server)
        for namespace in (NS_LB, NS_BE):
            if os.path.exists("/run/netns/" + namespace):
                nsenv.kill_all(namespace)
            sh("ip", "netns", "del", namespace, check=False)
        sh("umount", os.path.join(self.dir, "bpf"), check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def start_server(self, address):
        self.servers[address] = server = subprocess.Popen(
            ["ip", "netns", "exec", NS_BE, "/usr/bin/python3", "-c", SERVER, address],
            stdout=subprocess.PIPE,
        )
        assert server.stdout.readline() == b"up\n"

    def stop_server(self, address):
        server = self.servers.pop(address)
        server.kill()
        server.wait()
        server.stdout.close()

    def start_agent(self):
        with open(self.log, "a", encoding="utf-8") as log:
            self.agent = subprocess.Popen(
                ["ip", "netns", "exec", NS_LB, AGENT, "-c", self.conf, "--respawn"], stderr=log
            )

    def stop_agent(self):
        self.agent.terminate()
        status = self.agent.wait(timeout=DEADLINE_S)
        self.agent = None
        return status

    def parent_pid(self):
        """The parent process: the only child of the supervisor."""
        children = f"/proc/{self.agent.pid}/task/{self.agent.pid}/children"
        with open(children, encoding="utf-8") as pids:
            return int(pids.read().split()[0])

    def write_vips(self, vips, revision=None):
        """Replaces the scheduler's file as a whole."""
        if revision is None:
            self.revision += 1
            revision = self.revision
        with open(self.vips_file + ".new", "w", encoding="utf-8") as out:
            json.dump({"revision": revision, "vips": vips}, out)
        os.rename(self.vips_file + ".new", self.vips_file)

    def ctl(self, *args):
        return sh(NLBCTL, "-s", self.api, "--json", *args, check=False)

    def get(self, *args):
        done = self.ctl(*args)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return {}

    def reported(self):
        """What the scheduler would be told: address -> state."""
        try:
            with open(os.path.join(self.state, "status.json"), encoding="utf-8") as status:
                return {s["address"]: s["state"] for s in json.load(status)["synced"]}
        except OSError:
            return {}


def vip(address, backends, **more):
    port = {
        "protocol": "tcp",
        "port": 80,
        "backends": [{"address": b} for b in backends],
        "health": {
            "interval_ms": 300,
            "timeout_ms": 200,
            "rise": 1,
            "fall": 2,
            "checks": [{"type": "http", "port": 8080, "path": "/healthz", "body": "ok"}],
        },
    }
    return {"id": "id-" + address, "address": address, "ports": [port], **more}


def test_config_is_checked(bed):
    assert sh(AGENT, "-t", "-c", bed.conf).stdout.strip() == bed.conf + ": ok"
    bad = os.path.join(bed.dir, "bad.conf")
    with open(bad, "w", encoding="utf-8") as out:
        out.write("[node]\nnam = x\n")
    done = sh(AGENT, "-t", "-c", bad, check=False)
    assert done.returncode == 2 and f"{bad}:2: unknown key nam" in done.stderr, done.stderr


def test_announced_when_ready(bed):
    for address in BACKENDS + [BACKEND6]:
        bed.start_server(address)
    bed.write_vips([vip(VIP, BACKENDS), vip(VIP2, [BACKEND6], tag=7)])
    bed.start_agent()
    wait_for("both VIPs ready", lambda: bed.nlbd.is_ready(VIP, 2) and bed.nlbd.is_ready(VIP2, 1))
    assert bed.nlbd.vip(VIP2)["tag"] == 7
    assert bed.nlbd.dataplane == "ok" and bed.nlbd.synced
    # Announced only after it was not ready, with a reason.
    assert any(not v["ready"] and v["reason"] for v in bed.nlbd.told("vip"))
    wait_for("the report", lambda: set(bed.reported().values()) == {"announced"})
    assert bed.get("status")["dataplane"]["state"] == "ok"


def test_privileges_are_few(bed):
    def status(pid, field):
        with open(f"/proc/{pid}/status", encoding="utf-8") as lines:
            return next(l.split()[1] for l in lines if l.startswith(field + ":"))

    parent = bed.parent_pid()
    assert int(status(parent, "CapEff"), 16) == 0 and int(status(parent, "CapBnd"), 16) == 0
    assert status(parent, "Uid") != "0" and status(parent, "NoNewPrivs") == "1"
    caps = set()
    with open(f"/proc/{parent}/task/{parent}/children", encoding="utf-8") as pids:
        for pid in pids.read().split():
            caps.add(int(status(pid, "CapPrm"), 16))
    # CAP_NET_ADMIN 12 and CAP_BPF 39; CAP_NET_RAW 13.
    assert caps == {1 << 12 | 1 << 39, 1 << 13}, [hex(c) for c in caps]


def test_api_is_not_for_all(bed):
    done = sh(
        "setpriv",
        "--reuid",
        "65533",
        "--clear-groups",
        NLBCTL,
        "-s",
        bed.api,
        "status",
        check=False,
    )
    assert done.returncode == 1 and "no answer" in done.stderr


def test_backend_down_and_up(bed):
    bed.stop_server(BACKENDS[0])
    wait_for("one left", lambda: bed.nlbd.is_ready(VIP, 1))
    shown = bed.get("backends", VIP, "tcp", "80")["backends"]
    assert [b["state"] for b in shown] == ["down", "up"], shown
    assert "refused" in shown[0]["reason"], shown
    assert [b["in_ring"] for b in shown] == [False, True]
    bed.stop_server(BACKENDS[1])
    wait_for("none left", lambda: bed.nlbd.vip(VIP)["enabled"] == 0)
    wait_for("the report", lambda: bed.reported()[VIP] == "down")
    assert bed.reported()[VIP2] == "announced"
    for address in BACKENDS:
        bed.start_server(address)
    wait_for("both back", lambda: bed.nlbd.is_ready(VIP, 2))


def test_operator_takes_backend_out(bed):
    assert bed.ctl("disable", VIP, "tcp", "80", BACKENDS[0]).returncode == 0
    wait_for("one left", lambda: bed.nlbd.is_ready(VIP, 1))
    assert bed.ctl("drain", VIP, "tcp", "80", BACKENDS[0]).returncode == 0
    wait_for(
        "drain", lambda: bed.get("backends", VIP, "tcp", "80")["backends"][0]["state"] == "drain"
    )
    assert bed.ctl("disable", VIP, "tcp", "80", "10.99.0.77").returncode == 1


def kill_parent(bed):
    """Kills the agent; returns once the next one has told nlbd its full set."""
    sessions = bed.nlbd.sessions
    bed.nlbd.forget()
    os.kill(bed.parent_pid(), signal.SIGKILL)
    wait_for("a new session", lambda: bed.nlbd.sessions > sessions and bed.nlbd.synced)


def test_kill_9_changes_nothing(bed):
    digests = [p["digest"] for p in bed.get("vip", VIP)["ports"]]
    kill_parent(bed)
    # The full set is what it was; no VIP was ever less, and the override stands.
    told = bed.nlbd.told("vip")
    assert {v["address"] for v in told} == {VIP, VIP2}
    assert all(v["ready"] and v["enabled"] == 1 for v in told), told
    assert not bed.nlbd.told("gone")
    wait_for("an answer", lambda: bed.get("status").get("node"))
    assert bed.get("status")["dataplane"]["adopted"] is True
    assert bed.get("vip", VIP)["ports"][0]["backends"][0]["state"] == "drain"
    assert [p["digest"] for p in bed.get("vip", VIP)["ports"]] == digests
    assert bed.ctl("reset", VIP, "tcp", "80", BACKENDS[0]).returncode == 0
    wait_for("both back", lambda: bed.nlbd.is_ready(VIP, 2))


def test_child_dies(bed):
    """A child's death ends the agent; the next one goes on where it was."""
    parent, sessions = bed.parent_pid(), bed.nlbd.sessions
    with open(f"/proc/{parent}/task/{parent}/children", encoding="utf-8") as pids:
        victim = int(pids.read().split()[0])
    bed.nlbd.forget()
    os.kill(victim, signal.SIGKILL)
    wait_for("a new session", lambda: bed.nlbd.sessions > sessions and bed.nlbd.synced)
    assert all(v["ready"] and v["enabled"] for v in bed.nlbd.told("vip")), bed.nlbd.told("vip")


def test_results_directory(bed):
    """A file takes a backend out for as long as it is there, over a restart too."""

    def write(name, text):
        with open(os.path.join(bed.results, name), "w", encoding="utf-8") as out:
            out.write(text)

    assert os.stat(bed.results).st_uid != 0
    write("disk", f"{VIP} tcp 80 {BACKENDS[0]} down disk full\n")
    wait_for("one left", lambda: bed.nlbd.is_ready(VIP, 1))
    shown = bed.get("backends", VIP, "tcp", "80")["backends"]
    assert [b["state"] for b in shown] == ["down", "up"], shown
    assert shown[0]["reason"] == "results: disk full" and shown[0]["health"] == "up", shown
    assert shown[0]["results"] == [{"file": "disk", "state": "down", "reason": "disk full"}]
    assert bed.nlbd.vip(VIP)["ports"][0]["backends"][0]["reason"] == "results: disk full"
    kill_parent(bed)
    assert all(v["enabled"] == 1 for v in bed.nlbd.told("vip")), bed.nlbd.told("vip")

    # All at once, by a program; a bad file changes nothing.
    batch = [
        {"vip": v, "protocol": "tcp", "port": 80, "backend": b, "state": "down"}
        for v, b in ((VIP, BACKENDS[0]), (VIP, BACKENDS[1]), (VIP2, BACKEND6))
    ]
    write(".all", json.dumps({"results": batch}))
    os.rename(os.path.join(bed.results, ".all"), os.path.join(bed.results, "all"))
    for address in (VIP, VIP2):
        wait_for("all out", lambda a=address: bed.nlbd.vip(a)["enabled"] == 0)
    write("all", "nonsense\n")
    wait_for("refused", lambda: bed.get("status").get("results", {}).get("bad") == 1)
    status = bed.get("status")["results"]
    assert status["last_bad"]["file"] == "all" and "line 1" in status["last_bad"]["reason"]
    assert os.listdir(os.path.join(bed.results, "bad")) == ["all"]
    assert bed.nlbd.vip(VIP2)["enabled"] == 0
    write("all", "")
    wait_for("the others back", lambda: bed.nlbd.is_ready(VIP, 1) and bed.nlbd.is_ready(VIP2, 1))
    os.unlink(os.path.join(bed.results, "disk"))
    wait_for("both back", lambda: bed.nlbd.is_ready(VIP, 2))
    assert bed.get("status")["results"]["results"] == 0


def test_nlbd_comes_back(bed):
    sessions = bed.nlbd.sessions
    bed.nlbd.forget()
    bed.nlbd.conn.shutdown(socket.SHUT_RDWR)
    wait_for("a new session", lambda: bed.nlbd.sessions > sessions and bed.nlbd.synced)
    assert {v["address"] for v in bed.nlbd.told("vip")} == {VIP, VIP2}


def test_half_a_file(bed):
    bed.nlbd.forget()
    with open(bed.vips_file, "w", encoding="utf-8") as out:
        out.write('{"revision": 99, "vips": [{"address": "192.0.')
    wait_for("refused", lambda: "cut off" in bed.get("status")["scheduler"].get("error", ""))
    os.unlink(bed.vips_file)
    bed.write_vips([vip(VIP, BACKENDS), vip(VIP2, [BACKEND6], tag=7)], revision=0)
    wait_for("accepted", lambda: bed.get("status")["scheduler"]["ok"])
    assert not bed.nlbd.told("gone") and not bed.nlbd.told("vip")


def test_bad_vip_is_refused_alone(bed):
    bed.nlbd.forget()
    bed.write_vips([vip(VIP, BACKENDS, tag=-1), vip(VIP2, [BACKEND6], tag=8)])
    wait_for("the good one", lambda: bed.nlbd.vip(VIP2)["tag"] == 8)
    wait_for("the report", lambda: bed.reported().get(VIP) == "failed")
    assert bed.nlbd.is_ready(VIP, 2) and not bed.nlbd.told("gone")
    assert "tag" in bed.get("status")["refused"][0]["reason"]


def test_mass_removal_is_held(bed):
    bed.nlbd.forget()
    bed.write_vips([])
    wait_for("held", lambda: bed.get("status")["scheduler"].get("held"))
    assert not bed.nlbd.told("gone") and bed.nlbd.is_ready(VIP, 2)
    bed.write_vips([vip(VIP, BACKENDS), vip(VIP2, [BACKEND6])])
    wait_for("let go", lambda: not bed.get("status")["scheduler"].get("held"))
    assert not bed.nlbd.told("gone")


def test_withdraw_before_delete(bed):
    bed.nlbd.answer_gone = False
    bed.write_vips([vip(VIP2, [BACKEND6])])
    wait_for("withdrawal", lambda: {"address": VIP} in bed.nlbd.told("gone"))
    # No answer yet: it is still in the maps.
    assert bed.get("vip", VIP)["phase"] == "withdrawing"
    assert VIP in [v["address"] for v in bed.get("stats")["vips"]]
    bed.nlbd.answer_gone = True
    bed.nlbd.route(VIP, "withdrawn")
    wait_for("hold-down", lambda: bed.get("vip", VIP).get("phase") != "withdrawing")
    wait_for("deletion", lambda: bed.reported().get(VIP) == "deleted")
    assert VIP not in [v["address"] for v in bed.get("stats")["vips"]]
    assert bed.nlbd.is_ready(VIP2, 1)


def test_last_good_without_scheduler(bed):
    assert bed.stop_agent() == 0
    assert not bed.nlbd.told("dataplane")[1:]
    assert os.listdir(os.path.join(bed.dir, "bpf", "nlb"))
    os.unlink(bed.vips_file)
    bed.nlbd.forget()
    sessions = bed.nlbd.sessions
    bed.start_agent()
    wait_for("a new session", lambda: bed.nlbd.sessions > sessions and bed.nlbd.synced)
    wait_for("the last good", lambda: bed.nlbd.is_ready(VIP2, 1))
    assert not bed.nlbd.told("gone")
    wait_for("an answer", lambda: bed.get("status").get("node"))
    assert bed.get("status")["scheduler"]["ok"] is False
    # It comes back.
    bed.write_vips([vip(VIP2, [BACKEND6], tag=9)])
    wait_for("the new one", lambda: bed.nlbd.vip(VIP2)["tag"] == 9)


def test_detached_program(bed):
    sh("ip", "-n", NS_LB, "link", "del", "nlb0")
    wait_for("the alarm", lambda: bed.nlbd.dataplane == "down")
    assert bed.get("status")["dataplane"]["state"] == "down"
    assert bed.ctl("health").returncode == 1


TESTS = [
    test_config_is_checked,
    test_announced_when_ready,
    test_privileges_are_few,
    test_api_is_not_for_all,
    test_backend_down_and_up,
    test_operator_takes_backend_out,
    test_kill_9_changes_nothing,
    test_child_dies,
    test_results_directory,
    test_nlbd_comes_back,
    test_half_a_file,
    test_bad_vip_is_refused_alone,
    test_mass_removal_is_held,
    test_withdraw_before_delete,
    test_last_good_without_scheduler,
    test_detached_program,
]


if __name__ == "__main__":
    sys.exit(nsenv.run_tests(TESTS, Bed, Bed.up))
