# SPDX-License-Identifier: GPL-2.0-or-later
"""
What is stormed in test_storm.py: a node with real traffic (trafficenv.Bed), an agent that is
started again whenever it ends, and services whose backends change by three ways.

Each changing service has two groups of backends, A and B, and is switched between A, B and
both, always in one step: by a results file, by a PATCH of the local API, or by the scheduler's
file. So at any moment its ring must be that of one of three sets, and never has no backend.
"""
import json
import os
import random
import subprocess
import threading

from nsenv import AGENT, BUILD, NLBCTL, Api, agent_config, pids_in, run, wait_for
from trafficenv import Bed, address, hear, tell

RINGWATCH = os.path.join(BUILD, "tests/netns/ringwatch")
ROLES = {"parent": "nlb-agent", "maps": "nlb-maps", "health": "nlb-health"}
FIXED, CHECKED = "192.0.2.10", "192.0.2.11"  # untouched: without and with health checks
COMES = "192.0.2.12"  # in the scheduler's list, or not
STEADY = range(11, 15)  # last bytes of the backends of these
A, B = range(21, 25), range(31, 36)
WAYS = ("file", "api", "list")
EACH = 4  # services changed by each way
SIZE, STEADY_SIZE = 251, 4099
CHECK_PORT = 8080
PPS = 3000
LIMIT_MS = 60_000

LISTENER = """
import socket
listener = socket.create_server(("", %d), backlog=512)
print("up", flush=True)
while True:
    listener.accept()[0].close()
""" % (
    CHECK_PORT
)


def backend(last):
    return address(2, last, 4)


class Service:
    """One that changes. wanted: "A", "B" or "AB"."""

    def __init__(self, number, way):
        self.vip = f"192.0.2.{20 + number}"
        self.way = way
        # Neighbours share their sets, and with them their rings.
        size = 2 + number % 3
        self.groups = {"A": list(A)[:size], "B": list(B)[: size + 1]}
        self.wanted = "AB"

    def members(self, wanted):
        return [last for group in wanted for last in self.groups[group]]

    def out(self):
        """Those that are not to be in the ring."""
        return [last for last in self.members("AB") if last not in self.members(self.wanted)]

    def set_text(self, wanted):
        return ",".join(backend(last) for last in self.members(wanted))

    def watch_line(self):
        return f"{self.vip} tcp 80 {SIZE} " + "|".join(map(self.set_text, ("A", "B", "AB")))

    def check_line(self):
        return f"{self.vip} tcp 80 {SIZE} {self.set_text(self.wanted)}"


def listed(vip, size, members, checks=()):
    """A VIP of the scheduler's list."""
    port = {"protocol": "tcp", "port": 80, "maglev_size": size}
    port["backends"] = [{"address": backend(last)} for last in members]
    if checks:
        port["health"] = {"interval_ms": 300, "timeout_ms": 250, "checks": list(checks)}
    return {"id": vip, "address": vip, "desired_revision": 1, "ports": [port]}


class Storm(Bed):
    """The hosts, the services, and what is done to them."""

    def __init__(self, seed):
        weights = {last: 1 for group in (STEADY, A, B) for last in group}
        super().__init__("redirect", 4, weights)
        # The agent keeps on disk what it answers for, and a disk may take seconds.
        run("mount", "-t", "tmpfs", "storm", self.dir)
        self.rng = random.Random(seed)
        self.services = [Service(i, WAYS[i // EACH]) for i in range(EACH * len(WAYS))]
        self.comes = True
        self.revision = 0
        self.starts = 0
        self.stopping = threading.Event()
        self.supervisor = threading.Thread(target=self.supervise, daemon=True)
        self.watcher = None
        self.pending = {}  # PATCHes that were not answered yet, by VIP

    # ---- the node ----

    def config(self):
        sizes = dict.fromkeys(("max-vips", "max-services", "max-backends"), 64)
        dataplane = {**sizes, "ring-slots": 65536, "hold-down-ms": 50}
        health = {"results-dir": self.path("results")}
        agent_config(self.dir, dataplane, node={"log-level": "warning"}, health=health)
        os.mkdir(self.path("results"))
        self.place()

    def supervise(self):
        """Starts the agent, and again when it ends, as an init system does."""
        with open(self.path("agent.log"), "ab") as log:
            while not self.stopping.is_set():
                self.agent = subprocess.Popen(
                    [
                        "nsenter",
                        f"--net=/run/netns/{self.lb}",
                        AGENT,
                        "-c",
                        self.path("agent.conf"),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
                self.starts += 1
                self.agent.wait()

    def listener(self):
        """What the health checks connect to."""
        command = ["ip", "netns", "exec", self.backends, "/usr/bin/python3", "-c", LISTENER]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.ends.append(process)
        return process.stdout.readline() == "up\n"

    def up(self):
        """Builds all of it; True when every service is as it should be."""
        self.network()
        self.counter = self.end(self.backends, "count", "eth0", FIXED)
        if not self.counts() or not self.listener():
            return False
        self.config()
        self.supervisor.start()
        return wait_for(self.settled)

    def close(self):
        self.stopping.set()
        if self.watcher:
            self.watcher.kill()
            self.watcher.wait()
        super().close()
        if self.supervisor.is_alive():
            self.supervisor.join(5)
        subprocess.run(["umount", "-l", self.dir], check=False, stderr=subprocess.DEVNULL)
        os.rmdir(self.dir)

    # ---- changes ----

    def place(self):
        """The scheduler's list."""
        check = {"type": "tcp", "port": CHECK_PORT}
        vips = [listed(FIXED, STEADY_SIZE, STEADY), listed(CHECKED, STEADY_SIZE, STEADY, [check])]
        if self.comes:
            vips.append(listed(COMES, SIZE, STEADY))
        for s in self.services:
            vips.append(listed(s.vip, SIZE, s.members(s.wanted if s.way == "list" else "AB")))
        self.rng.shuffle(vips)
        self.revision += 1
        with open(self.path("vips.new"), "w", encoding="utf-8") as out:
            json.dump({"revision": self.revision, "vips": vips}, out)
        os.rename(self.path("vips.new"), self.path("vips.json"))

    def say(self, service):
        """The results file of a service; when it is to have all, there is none."""
        name = os.path.join(self.path("results"), service.vip)
        if service.wanted == "AB":
            if os.path.exists(name):
                os.unlink(name)
            return
        hidden = self.path("results") + "/." + service.vip
        with open(hidden, "w", encoding="utf-8") as out:
            for last in service.out():
                out.write(f"{service.vip} tcp 80 {backend(last)} down storm\n")
        os.rename(hidden, name)

    def patch(self, service):
        """Overrides by the API. Without an answer nobody knows: it is asked for again later."""
        out = service.out()
        changes = [
            {"address": backend(last), "admin": "down" if last in out else None}
            for last in service.members("AB")
        ]
        self.pending[service.vip] = service
        try:
            api = Api(self.path("a.sock"))
            path = f"/v1/vips/{service.vip}/ports/tcp/80/backends"
            api.request("PATCH", path, json.dumps({"backends": changes}))
            if api.getresponse().status == 200:
                del self.pending[service.vip]
        except OSError:
            pass

    def change(self):
        """One change, or a few at once."""
        for service in self.rng.sample(self.services, self.rng.choice((1, 1, 2, 6))):
            service.wanted = self.rng.choice([w for w in ("A", "B", "AB") if w != service.wanted])
            if service.way == "file":
                self.say(service)
            elif service.way == "api":
                self.patch(service)
            else:
                self.comes = self.rng.random() < 0.7
                self.place()

    # ---- what it should be ----

    def tell_pending(self):
        for service in list(self.pending.values()):
            self.patch(service)
        return not self.pending

    def get(self, path):
        api = Api(self.path("a.sock"))
        api.request("GET", path)
        return json.loads(api.getresponse().read())

    def unsettled(self):
        """What the API says is not yet as it should be; empty: all is."""
        wanted = {s.vip: len(s.members(s.wanted)) for s in self.services}
        wanted.update({FIXED: len(STEADY), CHECKED: len(STEADY)})
        if self.comes:
            wanted[COMES] = len(STEADY)
        try:
            vips = {v["address"]: v["ports"][0] for v in self.get("/v1/vips")["vips"]}
        except (OSError, ValueError, LookupError) as err:
            return str(err) or "no answer"
        if set(vips) != set(wanted):
            return f"VIPs {sorted(set(vips) ^ set(wanted))}"
        for vip, n in wanted.items():
            ring = vips[vip]["ring"]
            if (vips[vip]["enabled"], ring["state"], ring["backends"]) != (n, "proven", n):
                return f"{vip}: {vips[vip]}, {n} backends wanted"
        return ""

    def answers(self):
        try:
            return self.get("/v1/health").get("status") == "ok"
        except (OSError, ValueError):
            return False

    def settled(self):
        return self.tell_pending() and not self.unsettled()

    # ---- the reader ----

    def watch(self):
        """Starts the reader of the rings; True when it knows all services."""
        (layout,) = [d for d in os.listdir(self.path("bpf/nlb")) if d.startswith("v")]
        self.watcher = subprocess.Popen(
            # It never pauses; the agent and the packets go first.
            ["nice", "-n", "10", RINGWATCH, self.path(f"bpf/nlb/{layout}")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        steady = ",".join(map(backend, STEADY))
        lines = [f"{vip} tcp 80 {STEADY_SIZE} {steady} fixed" for vip in (FIXED, CHECKED)]
        lines += [f"{COMES} tcp 80 {SIZE} {steady} absent empty"]
        lines += [s.watch_line() for s in self.services]
        return all(self.reader("want " + line) == "ok" for line in lines) and (
            self.reader("watch") == "ok"
        )

    def reader(self, command):
        tell(self.watcher, command)
        return self.watcher.stdout.readline().strip()

    def watched(self):
        return json.loads(self.reader("?") or "{}")

    def differing(self):
        """The services whose ring in the maps is not what it should be, slot by slot."""
        found = {}
        for service in self.services:
            said = self.reader("check " + service.check_line())
            if said != "same":
                found[service.vip] = f"{service.wanted}: {said}"
        return found

    def show_logs(self):
        print("\n".join("# " + line for line in self.log()))

    def found(self):
        """What `nlbctl maps check` finds in the maps; empty: nothing."""
        command = [NLBCTL, "-s", self.path("a.sock"), "--json", "maps", "check"]

        def check():
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            # 2: no answer, from one that was about to end when all looked settled.
            return done if done.returncode != 2 else None

        done = wait_for(check)
        if not done:
            return "no answer"
        return done.stdout if done.returncode else ""

    # ---- processes ----

    def process(self, role):
        """A process of the agent that runs now, or None."""
        pids = pids_in(self.lb, ROLES[role])
        if role == "parent":
            # Its children have its name until they have theirs.
            agent = self.agent
            return agent.pid if agent and agent.poll() is None and agent.pid in pids else None
        return pids[0] if pids else None


class Traffic(threading.Thread):
    """Packets to one VIP for as long as the storm lasts, and how many there were."""

    def __init__(self, storm, vip):
        super().__init__(daemon=True)
        self.process = storm.sender(vip=vip)
        self.done = threading.Event()
        self.sent = 0

    def run(self):
        while not self.done.is_set():
            tell(self.process, PPS, PPS // 2, LIMIT_MS)
            self.sent += hear(self.process).get("sent", 0)

    def stop(self):
        self.done.set()
        self.join()
        return self.sent
