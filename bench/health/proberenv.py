# SPDX-License-Identifier: GPL-2.0-or-later
"""
The network namespace of the health benchmark, the servers in it, and the probers. All of
127.0.0.0/8 is local there, so each target has an address of its own. Servers (and the driver,
which plays the agent's parent) run on the last CPU, the prober that is measured on the first.
"""
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tests/netns"))
# pylint: disable=wrong-import-position
from nsenv import BUILD, inside, kill_all, run, wait_for
from trafficenv import tell

BIN = os.path.join(BUILD, "bench/health")
HOST = f"nlb-hc{os.getpid()}"
PORT, NGINX_PORT = 8000, 8100
TIMEOUT_MS = 3000
SPARE_FDS = 1000  # of the hard limit, for what isn't a probe
HOUR_MS = 3600 * 1000

# Nothing of the kernel's own is to be what limits, and one run is to leave nothing to the next.
SYSCTLS = (
    "net.core.somaxconn=65535",
    "net.ipv4.tcp_max_syn_backlog=65535",
    "net.ipv4.tcp_syncookies=0",
    "net.ipv4.tcp_max_tw_buckets=1000",
    "net.ipv4.ip_local_port_range=10240 65535",
    "net.ipv4.icmp_ratelimit=0",
)

# ICMP has no server that could die: a route takes these addresses to where nobody answers.
VANISH = "127.192.0.0/10"

NGINX = """\
daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log crit;
worker_rlimit_nofile {fds};
events {{ worker_connections {connections}; multi_accept on; }}
http {{
    access_log off;
    client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir};
    uwsgi_temp_path {dir}; scgi_temp_path {dir};
    server {{ listen {port} backlog=65535; location / {{ return 200 "ok\\n"; }} }}
}}
"""


class Failed(Exception):
    """The benchmark cannot go on."""


def hear(process):
    """A line of JSON from a program."""
    line = process.stdout.readline()
    try:
        return json.loads(line)
    except ValueError as error:
        raise Failed(f"{process.args}: said {line!r}") from error


class Drive:
    """The health child that ships, with conditions, and its parent (drive.c)."""

    def __init__(self, world, n, mix, port=PORT, **options):
        args = {"n": n, "mix": mix, "port": port, "cpu": world.prober_cpu, **options}
        self.options = args
        words = []
        for key, value in args.items():
            words.append("--" + key.replace("_", "-"))
            words += [] if value is True else [str(value)]
        self.process = world.start(world.server_cpu, os.path.join(BIN, "drive"), *words)
        self.all = hear(self.process)

    def ask(self, *words):
        tell(self.process, *words)
        return hear(self.process)

    def end(self):
        answer = self.ask("quit")
        if self.process.wait() != 0:
            raise Failed("drive failed")
        return answer


class World:
    """The namespace, and what runs in it."""

    def __init__(self):
        cpus = sorted(os.sched_getaffinity(0))
        self.prober_cpu, self.server_cpu = cpus[0], cpus[-1]
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.connections = min(hard, 20000) - SPARE_FDS
        self.dir = tempfile.mkdtemp(prefix="nlb-health.")
        self.processes = []
        self.responder = None

    def up(self):
        run("ip", "netns", "add", HOST)
        run("ip", "-n", HOST, "link", "set", "lo", "up")
        run("ip", "-n", HOST, "link", "add", "void0", "arp", "off", "type", "veth")
        run("ip", "-n", HOST, "link", "set", "void0", "up")
        inside(HOST, "sysctl", "-qw", *SYSCTLS)
        for device in ("all", "void0"):
            inside(HOST, "sysctl", "-qw", f"net.ipv4.conf.{device}.route_localnet=1")
        # Of the whole machine on older kernels, and not to be seen in a namespace.
        subprocess.run(
            ["ip", "netns", "exec", HOST, "sysctl", "-qw", "net.ipv4.icmp_msgs_per_sec=1000000"],
            check=False,
            stderr=subprocess.DEVNULL,
        )
        self.responder = self.start(self.server_cpu, os.path.join(BIN, "responder"), PORT)
        if self.responder.stdout.readline() != "ready\n":
            raise Failed("the responder does not start")

    def start(self, cpu, *args):
        """A program in the namespace, on one CPU."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", HOST, "taskset", "-c", str(cpu), *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def nginx(self):
        conf = os.path.join(self.dir, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as out:
            fds = self.connections + SPARE_FDS
            out.write(
                NGINX.format(dir=self.dir, port=NGINX_PORT, fds=fds, connections=self.connections)
            )
        process = self.start(self.server_cpu, shutil.which("nginx"), "-c", conf)
        if not wait_for(lambda: self.listens(NGINX_PORT), 5):
            raise Failed("nginx does not start")
        return process

    @staticmethod
    def listens(port):
        shown = subprocess.run(
            ["ip", "netns", "exec", HOST, "ss", "-Hltn", f"sport = :{port}"],
            check=False,
            stdout=subprocess.PIPE,
        )
        return bool(shown.stdout.strip())

    def die(self):
        """All that can die does, now; returns when (CLOCK_MONOTONIC, ns)."""
        tell(self.responder, "die")
        died = int(self.responder.stdout.readline().split()[0])
        route = ("dev", "void0", "src", "127.0.0.1", "table", "local")
        run("ip", "-n", HOST, "route", "add", VANISH, *route)
        return died

    def live(self):
        run("ip", "-n", HOST, "route", "del", VANISH, "table", "local")
        tell(self.responder, "live")
        self.responder.stdout.readline()

    def measured(self, program, *args):
        """A peer's run: what it says, and what it used."""
        process = self.start(
            self.server_cpu, os.path.join(BIN, "measure"), self.prober_cpu, program, *args
        )
        said = hear(process)
        used = hear(process)
        if process.wait() != 0:
            raise Failed(f"{program} failed")
        return {**said, **used}

    def prober(self, name, n, port=PORT):
        """One batch of N probes of HTTP by one of the probers: its figures."""
        peer = (n, port, TIMEOUT_MS, self.connections)
        if name == "nlb":
            return self.nlb(n, "http", port)
        if name == "bare":
            return self.bare(n, "http", port)
        if name.startswith("rust-"):
            rust = os.path.join(BIN, "prober-rust")
            return self.measured(rust, *name.split("-")[1:], *peer)
        if name == "go":
            return self.measured(os.path.join(BIN, "prober-go"), *peer)
        return self.measured(PYTHON, os.path.join(HERE, "peers/asyncio/prober.py"), *peer)

    def bare(self, n, kind, port=PORT, *pace):
        bare = os.path.join(BIN, "bare")
        return self.measured(bare, kind, n, port, self.connections, *pace)

    def nlb(self, n, kind, port=PORT, when="batch"):
        """
        One batch by the health child: all are due at once. when="idle": the same conditions,
        set and taken away again without probes but for one a second.
        """
        drive = Drive(
            self,
            n,
            KINDS[kind],
            port,
            interval_ms=HOUR_MS,
            timeout_ms=TIMEOUT_MS,
            rise=1,
            fall=1,
            **{when: True},
        )
        used = drive.end()
        reasons = drive.all["reasons"]
        return {
            "wall_s": drive.all["wall_s"],
            "ok": reasons["ok"],
            "timeouts": reasons["timeout"],
            "failed": sum(reasons.values()) - reasons["ok"] - reasons["timeout"],
            **{key: used[key] for key in ("user_s", "sys_s", "rss_kb")},
        }

    def close(self):
        if os.path.exists("/run/netns/" + HOST):
            kill_all(HOST)
            for process in self.processes:
                process.wait()
            subprocess.run(["ip", "netns", "del", HOST], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


KINDS = {"http": "h", "tcp": "t", "icmp": "i"}
PYTHON = "/usr/bin/python3"

__all__ = ["KINDS", "NGINX_PORT", "PORT", "Drive", "Failed", "World", "wait_for"]
