#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
How probes leave, of each kind, IPv4 and IPv6: source, device and DSCP as they are in the
packets that come to the backend, and what is said when they can't be had. The health child
is the agent's own, with CAP_NET_RAW and nothing else.
"""
import ctypes
import ipaddress
import os
import socket
import subprocess
import sys

from healthenv import BE, LB, World, both, case, expect_all, run_test, v4, v6
from nsenv import inside, wait_for

HOST = 11
DSCP = 46
SOURCE = 50  # a second address on the agent's cable
UDP_ECHO = 7100
CLONE_NEWNET = 0x40000000

SERVERS = """
    server {{ listen 80; listen [::]:80 ipv6only=on; return 200 "all is ok"; }}
"""
KINDS = {
    "icmp": {"type": "icmp"},
    "tcp": {"type": "tcp", "port": 80},
    "tcp, half open": {"type": "tcp", "port": 80, "half_open": True},
    "http": {"type": "http", "port": 80},
    "udp": {"type": "udp", "port": UDP_ECHO, "payload": "x"},
}
PROTOCOLS = {"icmp": (1, 58), "tcp": (6, 6), "http": (6, 6), "udp": (17, 17)}


def has_vrf():
    """Can this kernel make a VRF?"""
    link = ["ip", "link", "add", "vrfprobe", "type", "vrf", "table", "77"]
    made = subprocess.run(["unshare", "-n", *link], check=False, capture_output=True)
    return made.returncode == 0


VRF = has_vrf()


def by_family(name, check, **options):
    """The check twice, each with options that are functions of the family."""
    cases = {}
    for suffix, address, six in (("", v4(HOST), False), (", IPv6", v6(HOST), True)):
        own = {key: value(six) for key, value in options.items()}
        cases[name + suffix] = case(address, "up", "ok", **check, **own)
    return cases


def plain_source(six):
    return v6(SOURCE) if six else v4(SOURCE)


def other_source(six):
    return "fd78::1" if six else "10.78.0.1"


def make_cases():
    cases = {}
    for name, check in KINDS.items():
        cases.update(by_family(f"{name}: source", check, source=plain_source))
        cases.update(by_family(f"{name}: DSCP", check, dscp=lambda six: DSCP))
        cases.update(
            by_family(f"{name}: device", check, device=lambda six: "lb1", source=other_source)
        )
        fault = "not probed, this node's own fault: "
        for what, option, words in (
            ("foreign source", {"source": "192.0.2.99"}, "Cannot assign requested address"),
            ("no such device", {"device": "nosuch0"}, "No such device"),
        ):
            cases[f"{name}: {what}"] = case(v4(HOST), "unknown", fault + words, **check, **option)
        if VRF:
            for address in ("10.79.0.2", "fd79::2"):
                there = case(address, "up", "ok", **check, device="red")
                cases[f"{name}: VRF, {address}"] = there
                gone = "unreachable|timeout"
                cases[f"{name}: not in the VRF, {address}"] = case(address, "down", gone, **check)
    return cases


CASES = make_cases()


# ---- packets at the backend ----


class Capture:
    """Packets that come in by a link of the backend's."""

    def __init__(self, link):
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        its = os.open("/run/netns/" + BE, os.O_RDONLY)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(its, CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
            self.sock.bind((link, 3))
        finally:
            if libc.setns(own, CLONE_NEWNET) < 0:
                raise OSError(ctypes.get_errno(), "setns")
            os.close(own)
            os.close(its)
        self.sock.setblocking(False)
        self.seen = set()

    def read(self):
        """Takes what there is: (source, destination, protocol, DSCP) of each packet."""
        while True:
            try:
                data, sender = self.sock.recvfrom(2048)
            except BlockingIOError:
                return
            if sender[2] == socket.PACKET_OUTGOING or sender[1] not in (0x0800, 0x86DD):
                continue
            if data[0] >> 4 == 4:
                key = (data[12:16], data[16:20], data[9], data[1] >> 2)
            else:
                traffic_class = (data[0] << 4 | data[1] >> 4) & 0xFF
                key = (data[8:24], data[24:40], data[6], traffic_class >> 2)
            self.seen.add(key)

    def __repr__(self):
        return ", ".join(
            f"{ipaddress.ip_address(s)} > {ipaddress.ip_address(d)}, {p}, {dscp}"
            for s, d, p, dscp in self.seen
        )

    def has(self, source, target, protocol, dscp):
        key = [ipaddress.ip_address(a).packed for a in (source, target)]
        wanted = (*key, protocol, dscp)

        def came():
            self.read()
            return wanted in self.seen

        return wait_for(came, 10)


def packets(tap, captures):
    """One for each kind, option and family: it must have been seen as it should be."""
    for name, check in KINDS.items():
        for six in (False, True):
            protocol = PROTOCOLS[check["type"]][six]
            target, suffix = (v6(HOST), ", IPv6") if six else (v4(HOST), "")
            usual = "fd77::1" if six else "10.77.0.1"
            for what, link, source, dscp in (
                ("source", "be0", plain_source(six), 0),
                ("DSCP", "be0", usual, DSCP),
                ("device", "be1", other_source(six), 0),
            ):
                came = captures[link].has(source, target, protocol, dscp)
                why = f"{source} > {target}, protocol {protocol}, DSCP {dscp}"
                tap.result(
                    f"{name}: {what}{suffix}, on the wire", came, f"not seen: {why}: {captures}"
                )


def vrf(world):
    world.cable("lb2", "be2", 79)
    inside(LB, "ip", "link", "add", "red", "type", "vrf", "table", "79")
    inside(LB, "ip", "link", "set", "red", "up")
    inside(LB, "ip", "link", "set", "lb2", "master", "red")
    inside(LB, "ip", "addr", "add", "fd79::1/64", "dev", "lb2", "nodad")


def scenario(tap, world):
    world.network()
    world.cable("lb1", "be1", 78)
    inside(LB, "ip", "addr", "add", v4(SOURCE) + "/24", "dev", "lb0")
    inside(LB, "ip", "addr", "add", v6(SOURCE) + "/64", "dev", "lb0", "nodad")
    # An address keeps to be used by itself only when it is asked for.
    inside(LB, "ip", "addr", "change", v6(SOURCE) + "/64", "dev", "lb0", "preferred_lft", "0")
    for netns in (LB, BE):
        for key in ("all", "default", "lb0" if netns == LB else "be0"):
            inside(netns, "sysctl", "-q", "-w", f"net.ipv4.conf.{key}.rp_filter=0")
    # The other way, which is taken only by those that ask for it.
    for net, via in (("10.77.0.0/24", "10.78.0.2"), ("fd77::/64", "fd78::2")):
        inside(LB, "ip", "route", "add", net, "via", via, "dev", "lb1", "metric", "5000")
    if VRF:
        vrf(world)
    captures = {link: Capture(link) for link in ("be0", "be1")}
    world.nginx_start()
    world.hostile_start()
    world.model()
    world.agent_start()
    expect_all(tap, world)
    packets(tap, captures)
    if not VRF:
        print(f"ok {tap.n + 1} - probes in a VRF # SKIP no VRF in this kernel", flush=True)


def main():
    world = World(CASES, (HOST,), SERVERS)
    planned = len(CASES) + 6 * len(KINDS) + (0 if VRF else 1)
    return run_test(("nginx", "sysctl"), planned, world, scenario)


if __name__ == "__main__":
    sys.exit(main())
