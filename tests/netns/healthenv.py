# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the tests of the health checks share: two namespaces and a cable, a whole agent on one
side, nginx and a hostile server (hostile.py) on the other.

One VIP per case, with one backend and one check, so that the case is the VIP. Each backend
is a host of its own, by number: 10.77.0.N and fd77::N. What came of a check is read from the
agent's local API.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from nsenv import (
    AGENT,
    BUILD,
    Tap,
    end_on_sigterm,
    fetch,
    inside,
    pids_in,
    play,
    run,
    skip_all,
    wait_for,
)

TAG = f"nlbhc{os.getpid()}"
LB, BE = TAG + "lb", TAG + "be"
NAME = "good.example"
HOSTILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hostile.py")

NGINX_CONF = """
user root;
worker_processes 1;
daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {dir}/t1;
    proxy_temp_path {dir}/t2;
    fastcgi_temp_path {dir}/t3;
    uwsgi_temp_path {dir}/t4;
    scgi_temp_path {dir}/t5;
    reset_timedout_connection on;
    root {dir}/www;
    {servers}
}}
"""


def v4(number):
    return f"10.77.0.{number}"


def v6(number):
    return f"fd77::{number}"


def case(backend, state, result, health=None, **check):
    """result: a pattern for what is said of the last probe; health: other options than usual."""
    check = {"backend": backend, "state": state, "result": result, "check": check}
    return {**check, "health": health or {}}


def both(cases):
    """Cases whose backend is a host's number, once for IPv4 and once for IPv6."""
    twice = {}
    for name, c in cases.items():
        twice[name] = {**c, "backend": v4(c["backend"])}
        twice[name + ", IPv6"] = {**c, "backend": v6(c["backend"])}
    return twice


class World:
    """The namespaces, the cable, the servers, and the agent."""

    def __init__(self, cases, hosts, servers="", **health_keys):
        # As short as can be: the path of a unix socket has its limit.
        self.dir = tempfile.mkdtemp(prefix="hc", dir=BUILD)
        self.cases = json.loads(json.dumps(cases))
        self.hosts = hosts
        self.servers = servers
        self.health_keys = health_keys
        self.running = {}
        self.vips = {}
        self.revision = 0

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name + ".new"), "w", encoding="utf-8") as out:
            out.write(text)
        os.rename(self.path(name + ".new"), self.path(name))

    def network(self):
        for netns in (LB, BE):
            run("ip", "netns", "add", netns)
            inside(netns, "ip", "link", "set", "lo", "up")
        self.cable("lb0", "be0", 77)
        for number in self.hosts:
            inside(BE, "ip", "addr", "add", v4(number) + "/24", "dev", "be0")
            inside(BE, "ip", "addr", "add", v6(number) + "/64", "dev", "be0", "nodad")

    def cable(self, lb_link, be_link, net):
        """A cable with net 10.NET.0.0/24 and fdNET::/64; .1 is the agent's end, .2 the other."""
        inside(
            *(LB, "ip", "link", "add", lb_link, "type", "veth"),
            *("peer", "name", be_link, "netns", BE),
        )
        for netns, link, number in ((LB, lb_link, 1), (BE, be_link, 2)):
            inside(netns, "ip", "link", "set", link, "up")
            inside(netns, "ip", "addr", "add", f"10.{net}.0.{number}/24", "dev", link)
            inside(netns, "ip", "addr", "add", f"fd{net}::{number}/64", "dev", link, "nodad")

    # ---- servers ----

    def start(self, name, netns, *command):
        """Runs a program in a namespace; its output goes to NAME.log."""
        with open(self.path(name + ".log"), "ab") as log:
            self.running[name] = subprocess.Popen(
                ["ip", "netns", "exec", netns, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self, name):
        process = self.running.pop(name, None)
        if process:
            process.kill()
            process.wait()

    def nginx_start(self):
        servers = self.servers.format(dir=self.dir, name=NAME)
        self.write("nginx.conf", NGINX_CONF.format(dir=self.dir, servers=servers))
        self.start("nginx", BE, "nginx", "-c", self.path("nginx.conf"))

    def nginx_stop(self):
        self.stop("nginx")

    def hostile_start(self):
        self.start("hostile", BE, sys.executable, HOSTILE)

        def ready():
            with open(self.path("hostile.log"), encoding="utf-8") as log:
                return "ready" in log.read()

        if not wait_for(ready):
            raise RuntimeError("hostile.py does not start")

    # ---- the agent ----

    def model(self):
        """The VIP list, one VIP a case, as the scheduler would give it."""
        self.revision += 1
        vips = []
        for number, (name, c) in enumerate(self.cases.items(), start=1):
            six = ":" in c["backend"]
            address = f"fd88::{number}" if six else f"192.0.2.{number}"
            self.vips[name] = address
            health = {"interval_ms": 500, "timeout_ms": 400, "rise": 2, "fall": 2}
            health.update(c["health"], checks=[c["check"]])
            # TLS cases speak to 443 unless they say otherwise.
            port = 443 if c["check"]["type"] == "https" else 80
            service = {"protocol": "tcp", "port": port, "maglev_size": 251, "health": health}
            service["backends"] = [{"address": c["backend"]}]
            vip = {"id": f"case-{number}", "address": address, "ports": [service]}
            vips.append({**vip, "desired_revision": self.revision})
        self.write("vips.json", json.dumps({"revision": self.revision, "vips": vips}))

    def agent_start(self):
        health = {"mass-failure-percent": 100, **self.health_keys}
        keys = "".join(f"{key} = {value}\n" for key, value in health.items())
        self.write(
            "agent.conf",
            f"""
[node]
name = {TAG}
state-dir = {self.path("state")}
user =
[scheduler]
url = file:{self.path("vips.json")}
[dataplane]
interface = lb0
bpf-dir = /sys/fs/bpf/nlb
max-vips = 128
max-services = 128
max-backends = 128
ring-slots = 131072
[nlbd]
socket = {self.path("nlbd.sock")}
[api]
socket = {self.path("a.sock")}
[health]
{keys}""",
        )
        os.makedirs(self.path("state"), exist_ok=True)
        script = 'mount -t bpf bpf /sys/fs/bpf && exec "$0" -c "$1" --respawn'
        self.start("agent", LB, "sh", "-c", script, AGENT, self.path("agent.conf"))

    def ask(self, path):
        return fetch(self.path("a.sock"), path)

    def check(self, name):
        """What the API says of the case's check; {} while the agent can't say."""
        try:
            return self.ask("/v1/vips/" + self.vips[name])["ports"][0]["backends"][0]["checks"][0]
        except LookupError:
            return {}

    def engine(self):
        """The figures of the engine, once there are some."""
        return wait_for(lambda: self.ask("/v1/health").get("engine"))

    def settled(self, name, state, result):
        """Waits for a state and a result (a pattern); whether it fits, and what there is."""
        last = {}

        def fits():
            last.update(self.check(name))
            return last.get("state") == state and re.search(result, last.get("result", ""))

        return wait_for(fits), last

    def health_children(self):
        """PIDs of the health child of our agent: it runs in our namespace."""
        return pids_in(LB, "nlb-health")

    def show_logs(self):
        for name in ("agent.log", "nginx.log", "hostile.log"):
            try:
                with open(self.path(name), encoding="utf-8", errors="replace") as log:
                    for line in log.readlines()[-40:]:
                        print(f"# {name}: {line.rstrip()}")
            except OSError:
                pass

    def stop_agent(self):
        """In good order, if it does."""
        agent = self.running.get("agent")
        if agent:
            agent.terminate()
            try:
                agent.wait(10)
            except subprocess.TimeoutExpired:
                pass
            self.stop("agent")

    def close(self):
        self.stop_agent()
        for name in list(self.running):
            self.stop(name)
        for netns in (LB, BE):
            subprocess.run(["ip", "netns", "del", netns], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)


def expect(tap, world, name, state, result, when=""):
    good, last = world.settled(name, state, result)
    have = {key: last.get(key) for key in ("state", "result")}
    return tap.result(when + name, good, f"{have}, not {state} by {result}")


def expect_all(tap, world):
    for name, c in world.cases.items():
        expect(tap, world, name, c["state"], c["result"])


def missing(*tools):
    if os.geteuid() != 0:
        return "not root"
    for tool in ("ip", *tools):
        if not shutil.which(tool):
            return "no " + tool
    if not os.path.exists(AGENT):
        return f"no {AGENT}"
    return None


def run_test(tools, planned, world, scenario):
    """scenario(tap, world), and an end whatever comes; returns the exit status."""
    reason = missing(*tools)
    if reason:
        world.close()
        return skip_all(reason)
    tap = Tap(planned)
    end_on_sigterm()
    return play(tap, world, scenario)
