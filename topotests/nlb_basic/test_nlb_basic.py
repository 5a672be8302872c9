#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
nlbd announces what an agent has proven, and nothing else.

Topology: r1 (zebra, mgmtd, bgpd, nlbd and a stand-in for nlb-agent) --- r2 (zebra, mgmtd, bgpd).
r1 redistributes nlb into BGP for IPv4 and IPv6; r2 is where one sees whether a VIP is announced.

The tests build on each other: one agent is started and changed step by step.
"""
import functools
import json
import os
import sys

import pytest
from lib import topotest
from lib.topogen import TopoRouter, Topogen

from .agent import SOCKET, Agent, vip
from .watch import Watch, expect

CWD = os.path.dirname(os.path.realpath(__file__))
ROUTE = "show nlb route 198.51.100.7 40000 192.0.2.10 80 tcp"

pytestmark = [pytest.mark.nlbd, pytest.mark.bgpd]

VIPS = [
    vip("192.0.2.10", tag=100, revision=7, id="vip-10"),
    vip("192.0.2.11", up=0),
    vip("192.0.2.12", tag=5),
    vip("192.0.2.13", ready=False, reason="maps not written"),
    vip("198.51.100.1"),
    vip("2001:db8:ff::10"),
]


@pytest.fixture(scope="module")
def tgen(request):
    "Two routers on one link."
    tgen = Topogen({"s1": ("r1", "r2")}, request.module.__name__)
    tgen.start_topology()
    for name, router in tgen.routers().items():
        daemons = [(TopoRouter.RD_ZEBRA, ""), (TopoRouter.RD_MGMTD, ""), (TopoRouter.RD_BGP, "")]
        if name == "r1":
            daemons.append((TopoRouter.RD_NLB, ""))
        router.load_frr_config(os.path.join(CWD, name, "frr.conf"), daemons)
    tgen.start_router()
    yield tgen
    tgen.stop_topology()


@pytest.fixture(scope="module", name="world")
def world_fixture(tgen):
    "What the tests share: routers, and the agent of the moment."

    class World:
        """r1, r2, agent."""

    world = World()
    world.r1, world.r2 = tgen.gears["r1"], tgen.gears["r2"]
    world.agent = None
    yield world
    if world.agent:
        world.agent.close()


@pytest.fixture(autouse=True)
def skip_on_failure(tgen):
    "The tests build on each other."
    if tgen.routers_have_failure():
        pytest.skip("skipped because of a previous failure")


def expected(router, name):
    "A file of expected output."
    with open(os.path.join(CWD, router.name, name + ".json"), encoding="utf-8") as want:
        return json.load(want)


def expect_lines(router, shown, name):
    "Each line of a file is one of those shown."
    with open(os.path.join(CWD, router.name, name + ".txt"), encoding="utf-8") as want:
        for line in want.read().splitlines():
            assert line in shown.splitlines(), shown


def expect_json(router, command, want, text=None, count=60):
    "Wait until the command's JSON holds `want`, a dictionary or the name of a file."
    if isinstance(want, str):
        want = expected(router, want)
    expect(
        functools.partial(topotest.router_json_cmp, router, command, want),
        None,
        text or f"{router.name}: {command}",
        count,
    )


def announced(world):
    "The VIPs that r2 hears of."
    routes = world.r2.vtysh_cmd("show bgp ipv4 unicast json", isjson=True).get("routes", {})
    routes6 = world.r2.vtysh_cmd("show bgp ipv6 unicast json", isjson=True).get("routes", {})
    return sorted([*routes, *routes6])


def expect_announced(world, want, count=60):
    "Wait until r2 hears of just these."
    expect(functools.partial(announced, world), sorted(want), "announced to r2", count)


def configure(router, *lines):
    "Enter configuration lines in vtysh; nothing may be said in return."
    script = "configure terminal\n" + "\n".join(lines)
    output = router.vtysh_multicmd(script)
    assert "%" not in output, output


def vip_state(world, address):
    "(state, reason) of a VIP in show nlb vip."
    shown = world.r1.vtysh_cmd(f"show nlb vip {address} json", isjson=True)
    return (shown[address]["state"], shown[address]["reason"]) if shown else None


def expect_vip(world, address, state, reason):
    "Wait for a VIP's state."
    expect(functools.partial(vip_state, world, address), (state, reason), address)


UP = ["192.0.2.10/32", "192.0.2.12/32", "2001:db8:ff::10/128"]


def test_config(world):
    "The file's configuration is there, and what listens on the socket is nlbd."
    shown = world.r1.vtysh_cmd("show running-config")
    block = shown[shown.index("\nnlb\n") + 1 :].split("\nexit\n")[0] + "\nexit\n"
    assert block == (
        "nlb\n"
        " agent hold-time 4\n"
        " vip-pool 2001:db8:ff::/64\n"
        " vip-pool 192.0.2.0/25\n"
        " vip 192.0.2.12\n"
        "  tag 777\n"
        "  metric 33\n"
        " exit\n"
        "exit\n"
    )
    want = {"listening": True, "connected": False, "dataplane": "unknown", "syncs": 0}
    expect_json(world.r1, "show nlb agent json", want)
    assert "Agent: not connected" in world.r1.vtysh_cmd("show nlb agent")
    assert "% The agent is not connected" in world.r1.vtysh_cmd(ROUTE)


def test_bgp(world):
    "The neighbours talk before anything is announced."
    want = {"ipv4Unicast": {"peers": {"10.1.0.2": {"state": "Established"}}}}
    expect_json(world.r1, "show bgp summary json", want)
    want = {"ipv6Unicast": {"peers": {"2001:db8:1::2": {"state": "Established"}}}}
    expect_json(world.r1, "show bgp summary json", want)
    expect_announced(world, [])


def test_announce(world):
    "A set of six: three are announced, and of the others it is said why not."
    world.agent = Agent(world.r1)
    world.agent.sync(VIPS)
    expect_json(world.r1, "show nlb vip json", "show_nlb_vip")
    expect_json(world.r1, "show ip route nlb json", "show_ip_route_nlb")
    expect_json(world.r1, "show ipv6 route nlb json", "show_ipv6_route_nlb")
    expect_json(world.r2, "show bgp ipv4 unicast json", "show_bgp_ipv4")
    expect_json(world.r2, "show bgp ipv4 unicast 192.0.2.12/32 json", "show_bgp_ipv4_tagged")
    expect_json(world.r2, "show bgp ipv6 unicast json", "show_bgp_ipv6")
    expect_announced(world, UP)
    kernel = world.r1.run("ip route show proto 199; ip -6 route show proto 199")
    assert "blackhole 192.0.2.10" in kernel and "blackhole 2001:db8:ff::10" in kernel, kernel


def test_reports(world):
    "The agent hears of each VIP of its set."
    want = {
        "192.0.2.10": ("installed", None),
        "192.0.2.11": ("withdrawn", "fewer enabled backends than min-enabled-backends"),
        "192.0.2.12": ("installed", None),
        "192.0.2.13": ("withdrawn", "not ready"),
        "198.51.100.1": ("refused", "outside every vip-pool"),
        "2001:db8:ff::10": ("installed", None),
    }
    expect(lambda: {v: world.agent.route(v) for v in want}, want, "reports")
    assert {"hello": {"version": 1, "daemon": "nlbd"}} in world.agent.heard()
    expect(
        lambda: any("heartbeat" in line for line in world.agent.heard()), True, "heartbeat answered"
    )


def test_show(world):
    "The other show commands, as text and JSON."
    expect_json(world.r1, "show nlb summary json", "show_nlb_summary")
    expect_json(world.r1, "show nlb agent json", "show_nlb_agent")
    shown = world.r1.vtysh_cmd("show nlb vip")
    line = [part for part in shown.splitlines() if "192.0.2.13" in part][0]
    assert line.split() == "192.0.2.13 withdrawn 2/3 0 0 not ready: maps not written".split(), line
    shown = world.r1.vtysh_cmd("show nlb vip 192.0.2.10")
    assert "State: installed" in shown
    assert "10.9.0.3 weight 1 down: connection refused" in shown
    assert "no VIP 192.0.2.99" in world.r1.vtysh_cmd("show nlb vip 192.0.2.99")
    assert "agent-1" in world.r1.vtysh_cmd("show nlb agent")
    assert "VIPs: 6" in world.r1.vtysh_cmd("show nlb summary")
    assert "J>*" in world.r1.vtysh_cmd("show ip route nlb")
    assert "NLB agent debugging is on" in world.r1.vtysh_cmd("show debugging nlb")
    assert "debug nlb zebra" in world.r1.vtysh_cmd("show running-config")


def test_show_route(world):
    "A question to the agent, its answer, and none."
    answer = expected(world.r1, "answer_route")
    world.agent.raw("!answer " + json.dumps(answer))
    shown = world.r1.vtysh_cmd(ROUTE)
    expect_lines(world.r1, shown, "show_nlb_route")
    asked = [line["ask"] for line in world.agent.heard() if "ask" in line][-1]
    del asked["id"]
    assert asked == expected(world.r1, "ask_route")
    command = "show nlb route 2001:db8::7 1 2001:db8:ff::10 53 udp json"
    shown = world.r1.vtysh_cmd(command, isjson=True)
    assert shown == {**answer, "src": "2001:db8::7"}, shown
    world.agent.raw('!answer {"error": "the data plane is starting"}')
    expect(lambda: "% the data plane is starting" in world.r1.vtysh_cmd(ROUTE), True, "a refusal")
    # An agent that says nothing costs a second, and not its session.
    world.agent.raw("!answer")
    expect(lambda: "% No answer from the agent" in world.r1.vtysh_cmd(ROUTE), True, "no answer")
    assert "error" in world.r1.vtysh_cmd(ROUTE + " established json", isjson=True)
    assert "Agent: connected" in world.r1.vtysh_cmd("show nlb agent")


def test_vip_detail(world):
    "The checks of a VIP's backends, as the agent has them now."
    answer = expected(world.r1, "answer_health")
    world.agent.raw("!answer " + json.dumps(answer))
    command = "show nlb vip 192.0.2.10 detail"
    shown = world.r1.vtysh_cmd(command)
    expect_lines(world.r1, shown, "show_nlb_vip_detail")
    asked = [line["ask"] for line in world.agent.heard() if "ask" in line][-1]
    assert asked["health"] == "192.0.2.10" and "src" not in asked, asked
    shown = world.r1.vtysh_cmd(command + " json", isjson=True)
    assert shown["health"] == answer, shown
    assert shown["192.0.2.10"]["state"] == "installed", shown
    # Without an answer there is what nlbd has itself.
    world.agent.raw("!answer")
    missing = "% The checks are not shown: No answer from the agent"
    expect(lambda: missing in world.r1.vtysh_cmd(command), True, "no answer")
    assert "    10.9.0.2 weight" in world.r1.vtysh_cmd(command)
    assert "healthError" in world.r1.vtysh_cmd(command + " json", isjson=True)
    assert "no VIP 192.0.2.99" in world.r1.vtysh_cmd("show nlb vip 192.0.2.99 detail")


def test_yang_state(world):
    "The same through mgmtd."
    path = "/frr-nlbd:nlb/state/vip[address='192.0.2.10']"
    expect_json(world.r1, f"show mgmt get-data {path}", "mgmt_get_data")
    want = {"frr-nlbd:nlb": {"state": {"agent": {"connected": True, "instance": "agent-1"}}}}
    expect_json(world.r1, "show mgmt get-data /frr-nlbd:nlb/state/agent", want)
    shown = world.r1.vtysh_cmd("show mgmt get-data /frr-nlbd:nlb", isjson=True)
    assert len(shown["frr-nlbd:nlb"]["state"]["vip"]) == len(VIPS)
    assert shown["frr-nlbd:nlb"]["state"]["summary"]["installed"] == 3


def test_prefix(world):
    "A VIP that is a prefix, with an all-ports service; the address alone finds it."
    for address in ("192.0.2.64/28", "192.0.2.0/24", "2001:db8:ff:0:1::/80"):
        world.agent.send(vip=vip(address, port=0))
    expect_announced(world, UP + ["192.0.2.64/28", "2001:db8:ff:0:1::/80"])
    expect_vip(world, "192.0.2.0/24", "refused", "outside-pool")
    want = {"192.0.2.64/28": {"state": "installed", "ports": {"tcp/any": {"enabled": 2}}}}
    expect_json(world.r1, "show nlb vip 192.0.2.64 json", want)
    expect_json(world.r1, "show nlb vip 192.0.2.64/28 json", want)
    assert "Port tcp/any: 2 of 3" in world.r1.vtysh_cmd("show nlb vip 192.0.2.64")
    assert "no VIP 192.0.2.65" in world.r1.vtysh_cmd("show nlb vip 192.0.2.65")
    path = "/frr-nlbd:nlb/state/vip[address='192.0.2.64/28']/state"
    want = {"frr-nlbd:nlb": {"state": {"vip": [{"state": "installed"}]}}}
    expect_json(world.r1, f"show mgmt get-data {path}", want)
    expect(lambda: world.agent.route("192.0.2.64/28"), ("installed", None), "report")
    configure(world.r1, "nlb", "vip 192.0.2.64", "shutdown")
    expect_vip(world, "192.0.2.64/28", "refused", "shutdown")
    configure(world.r1, "nlb", "no vip 192.0.2.64")
    expect_vip(world, "192.0.2.64/28", "installed", "none")

    # Another length takes its place, and it goes by its address.
    world.agent.send(vip=vip("192.0.2.64/27"))
    expect_announced(world, UP + ["192.0.2.64/27", "2001:db8:ff:0:1::/80"])
    expect(lambda: world.agent.route("192.0.2.64/28")[0], "withdrawn", "report")
    for address in ("192.0.2.64", "192.0.2.0/24", "2001:db8:ff:0:1::/80"):
        world.agent.send(gone={"address": address})
    expect_announced(world, UP)
    expect_json(world.r1, "show nlb summary json", {"vips": len(VIPS)})


def test_changes(world):
    "Backends come and go; a VIP is removed."
    world.agent.send(vip=vip("192.0.2.11", up=1))
    world.agent.send(vip=vip("192.0.2.10", up=0))
    world.agent.send(gone={"address": "2001:db8:ff::10"})
    expect_announced(world, ["192.0.2.11/32", "192.0.2.12/32"])
    expect(lambda: world.agent.route("192.0.2.10")[0], "withdrawn", "report")
    expect(
        lambda: world.agent.route("2001:db8:ff::10"), ("withdrawn", "removed by the agent"), "gone"
    )
    expect_json(world.r1, "show nlb vip json", {"2001:db8:ff::10": None})
    world.agent.send(gone={"address": "192.0.2.77"})
    expect(lambda: world.agent.route("192.0.2.77")[0], "withdrawn", "gone, never heard of")
    for item in (VIPS[0], VIPS[1], VIPS[5]):
        world.agent.send(vip=item)
    expect_announced(world, UP)


def test_override(world):
    "Shutdown, tag and metric of one VIP; and each of them back."
    configure(world.r1, "nlb", "vip 192.0.2.10", "shutdown")
    expect_vip(world, "192.0.2.10", "refused", "shutdown")
    expect_announced(world, UP[1:])
    configure(world.r1, "nlb", "vip 192.0.2.10", "no shutdown", "tag 9", "metric 8")
    want = {"192.0.2.10/32": [{"installed": True, "tag": 9, "metric": 8}]}
    expect_json(world.r1, "show ip route nlb json", want)
    configure(world.r1, "nlb", "vip 192.0.2.10", "no tag", "no metric 8")
    want = {"192.0.2.10/32": [{"installed": True, "tag": 100, "metric": 0}]}
    expect_json(world.r1, "show ip route nlb json", want)
    assert " vip 192.0.2.10\n exit\n" in world.r1.vtysh_cmd("show running-config")
    configure(world.r1, "nlb", "no vip 192.0.2.10")
    assert "vip 192.0.2.10" not in world.r1.vtysh_cmd("show running-config")
    expect_announced(world, UP)


def test_options(world):
    "Every option of nlb in effect, in show running-config, and gone again."
    lines = ["min-enabled-backends 3", "distance 77", "agent hold-time 9"]
    configure(world.r1, "nlb", *lines)
    running = world.r1.vtysh_cmd("show running-config")
    assert all(f" {line}\n" in running for line in lines)
    expect_vip(world, "192.0.2.10", "withdrawn", "backends")
    expect_announced(world, [])
    configure(world.r1, "nlb", "no min-enabled-backends")
    want = {"192.0.2.10/32": [{"installed": True, "distance": 77}]}
    expect_json(world.r1, "show ip route nlb json", want)

    configure(world.r1, "nlb", "no distance 77", "agent hold-time 4", "nexthop interface r1-eth0")
    want = {"192.0.2.10/32": [{"distance": 15, "nexthops": [{"interfaceName": "r1-eth0"}]}]}
    expect_json(world.r1, "show ip route nlb json", want)
    configure(world.r1, "nlb", "nexthop interface nowhere0")
    expect_vip(world, "192.0.2.10", "withdrawn", "nexthop-down")
    configure(world.r1, "nlb", "nexthop blackhole")
    expect_vip(world, "192.0.2.10", "installed", "none")
    running = world.r1.vtysh_cmd("show running-config")
    assert not any(word in running for word in ("nexthop", "distance", "min-enabled"))

    configure(world.r1, "nlb", "no vip-pool 192.0.2.0/25")
    expect_vip(world, "192.0.2.10", "refused", "outside-pool")
    configure(world.r1, "nlb", "vip-pool 192.0.2.1/25")
    expect_announced(world, UP)


def test_bad_config(world):
    "What cannot be done is refused, and what was stays."
    for line in ("agent socket relative/path", "agent socket /" + "x" * 110, "distance 0"):
        output = world.r1.vtysh_multicmd("configure terminal\nnlb\n" + line)
        assert "%" in output or "rror" in output, output
    output = world.r1.vtysh_multicmd("configure terminal\nnlb\nvip 0.0.0.0")
    assert "rror" in output or "%" in output or "ailed" in output, output
    running = world.r1.vtysh_cmd("show running-config")
    assert "agent socket" not in running and "vip 0.0.0.0" not in running
    expect_announced(world, UP)


def test_dataplane_down(world):
    "The data plane fails: nothing is announced, at once; and back."
    world.agent.send(dataplane="down")
    expect_announced(world, [])
    expect_vip(world, "192.0.2.10", "withdrawn", "dataplane-down")
    world.agent.send(dataplane="ok")
    expect_announced(world, UP)


def test_reconnect(world):
    "An agent that is back within the hold-time: not one route moves."
    with Watch(world) as watch:
        world.agent.close()
        expect_json(world.r1, "show nlb agent json", {"connected": False, "lost": False})
        shown = world.r1.vtysh_cmd("show nlb agent json", isjson=True)
        assert shown["holdTimeLeftSecs"] <= 4
        world.agent = Agent(world.r1)
        world.agent.sync(VIPS, instance="agent-2")
        expect_json(
            world.r1, "show nlb agent json", {"session": {"instance": "agent-2", "synced": True}}
        )
        expect(lambda: world.agent.route("192.0.2.10"), ("installed", None), "report")
        watch.assert_quiet(["192.0.2.10", "192.0.2.12", "2001:db8:ff::10"])
    assert "holdTimeLeftSecs" not in world.r1.vtysh_cmd("show nlb agent json")
    expect_announced(world, UP)


def test_sync_removes(world):
    "What a new sync doesn't name is withdrawn at its end, not before."
    world.agent.send(sync="begin")
    world.agent.send(vip=VIPS[0])
    expect_json(world.r1, "show nlb agent json", {"syncing": True})
    assert announced(world) == sorted(UP)
    world.agent.send(sync="end")
    expect_announced(world, UP[:1])
    world.agent.send(vip=VIPS[2])
    world.agent.send(vip=VIPS[5])
    expect_announced(world, UP)


def test_takeover(world):
    "The newest session wins, without a gap."
    with Watch(world) as watch:
        newer = Agent(world.r1)
        newer.sync(VIPS, instance="agent-3")
        expect(
            lambda: {"error": {"reason": "replaced by a newer session"}} in world.agent.heard(),
            True,
            "older session told",
        )
        expect(world.agent.proc.poll, 0, "older session closed")
        want = {"takeovers": 1, "session": {"instance": "agent-3", "synced": True}}
        expect_json(world.r1, "show nlb agent json", want)
        watch.assert_quiet(["192.0.2.10", "192.0.2.12", "2001:db8:ff::10"])
    world.agent = newer
    expect_announced(world, UP)


@pytest.mark.parametrize(
    "line,reason",
    [
        ('{"vip":', "malformed JSON: line ends early"),
        ('{"hello":{"version":2,"instance":"x"}}', "unsupported version, this is version 1"),
        ('{"sync":"begin"}', "hello expected"),
        ('{"a":1,"b":2}', "a line must be one object with one key"),
    ],
)
def test_garbage(world, line, reason):
    "A connection that talks nonsense is ended with a reason; the agent's session is untouched."
    other = Agent(world.r1)
    other.raw(line)
    expect(lambda: other.heard()[-1:], [{"error": {"reason": reason}}], "error")
    expect(other.proc.poll, 0, "closed")
    expect_json(world.r1, "show nlb agent json", {"session": {"instance": "agent-3"}})


def test_stream(world):
    "Half messages, messages of a later version, and a line that is too long."
    half = json.dumps({"vip": vip("192.0.2.11", up=3)})
    world.agent.raw("!raw " + half[:40])
    world.agent.raw("!raw " + half[40:])
    world.agent.raw("")
    expect_announced(world, UP + ["192.0.2.11/32"])
    world.agent.send(weather={"rain": True})
    expect_json(world.r1, "show nlb agent json", {"session": {"unknownMessages": 1}})

    other = Agent(world.r1)
    other.raw(f"!long {1024 * 1024 + 1}")
    want = [{"error": {"reason": "line is longer than 1048576 bytes"}}]
    expect(lambda: other.heard()[-1:], want, "too long")
    world.agent.send(vip=VIPS[1])
    expect_announced(world, UP)


def test_agent_loss(world):
    "An agent that falls silent: routes stay for the hold-time, then go; a new one brings them back."
    world.agent.raw("!mute")
    error = {"error": {"reason": "nothing heard for 10 seconds"}}
    expect(lambda: error in world.agent.heard(), True, "session ended")
    expect_json(world.r1, "show nlb agent json", {"connected": False})
    shown = world.r1.vtysh_cmd("show nlb agent json", isjson=True)
    assert "holdTimeLeftSecs" in shown
    assert announced(world) == sorted(UP)
    expect_announced(world, [])
    expect_vip(world, "192.0.2.10", "withdrawn", "agent-lost")
    assert "all routes are withdrawn" in world.r1.vtysh_cmd("show nlb agent")
    world.agent = Agent(world.r1)
    world.agent.sync(VIPS, instance="agent-4")
    expect_announced(world, UP)


def test_socket(world):
    "A socket that cannot be is state, not a failed commit; the right one has the right mode."
    configure(world.r1, "nlb", "agent socket /nonexistent/socket")
    want = {"listening": False, "listenError": "No such file or directory", "connected": False}
    expect_json(world.r1, "show nlb agent json", want)
    assert world.r1.run(f"test -e {SOCKET} || echo none").strip() == "none"
    world.r1.cmd_raises("touch /var/run/frr/a-file")
    configure(world.r1, "nlb", "agent socket /var/run/frr/a-file")
    expect_json(world.r1, "show nlb agent json", {"listenError": "File exists"})
    configure(world.r1, "nlb", "no agent socket")
    expect_json(world.r1, "show nlb agent json", {"listening": True, "listenError": None})
    assert world.r1.run(f"stat -c '%a %U %G' {SOCKET}").strip() == "660 frr frr"
    world.agent = Agent(world.r1)
    world.agent.sync(VIPS, instance="agent-4")
    expect_announced(world, UP)


def restart(router, daemon):
    "kill -9, and start again as watchfrr does: with vtysh -b, for what mgmtd doesn't hold."
    pid = router.run(f"cat /var/run/frr/{daemon}.pid").strip()
    router.cmd_raises(f"kill -9 {pid}")
    router.run(f"rm -f /var/run/frr/{daemon}.pid /var/run/frr/{daemon}.vty")
    result = router.net.startRouterDaemons([daemon])
    assert not result, result
    router.cmd_raises("vtysh -b")


def test_nlbd_killed(world):
    "kill -9 of nlbd: the routes stay, are synced again, and the neighbour sees nothing of it."
    # A route that is a moment old when nlbd dies: zebra's own cleaning, by seconds, would miss it.
    world.agent.send(gone={"address": "192.0.2.12"})
    expect(lambda: world.agent.route("192.0.2.12")[0], "withdrawn", "gone")
    world.agent.send(vip=VIPS[2])
    expect_announced(world, UP)
    with Watch(world) as watch:
        restart(world.r1, "nlbd")
        expect_json(world.r1, "show nlb agent json", {"listening": True})
        watch.assert_quiet(["192.0.2.10", "192.0.2.12", "2001:db8:ff::10"])
        world.agent = Agent(world.r1)
        # One of the VIPs is gone in the meantime.
        world.agent.sync([VIPS[0], VIPS[5]], instance="agent-5")
        expect_json(world.r1, "show nlb vip json", {"192.0.2.10": {"state": "installed"}})
        expect_announced(world, [UP[0], UP[2]])
        watch.assert_quiet(["192.0.2.10", "2001:db8:ff::10"])
    expect_json(world.r1, "show ip route nlb json", {"192.0.2.12/32": None})
    kernel = world.r1.run("ip route show proto 199")
    assert "192.0.2.12" not in kernel, kernel
    world.agent.send(vip=VIPS[2])
    expect_announced(world, UP)


def test_zebra_killed(world):
    """
    zebra starts anew: nlbd sends everything again.

    (FRR 10.3's bgpd forgets what it redistributes when it loses zebra; vtysh -b tells it again.)
    """
    restart(world.r1, "zebra")
    expect_json(world.r1, "show ip route nlb json", {"192.0.2.10/32": [{"installed": True}]})
    expect_json(
        world.r1, "show ipv6 route nlb json", {"2001:db8:ff::10/128": [{"installed": True}]}
    )
    expect_vip(world, "192.0.2.10", "installed", "none")
    expect_announced(world, UP)


def test_better_route(world):
    "zebra prefers another route: rejected, said so, and back when it is gone."
    configure(world.r1, "interface lo", "ip address 192.0.2.10/32")
    expect_vip(world, "192.0.2.10", "rejected", "better-route")
    expect(lambda: world.agent.route("192.0.2.10")[0], "rejected", "report")
    configure(world.r1, "interface lo", "no ip address 192.0.2.10/32")
    expect_vip(world, "192.0.2.10", "installed", "none")
    expect_announced(world, UP)


def test_reload(world):
    "frr-reload.py touches only what differs."
    frrdir = os.environ.get("NLB_FRRDIR", "/usr/lib/frr")
    bindir = os.path.dirname(world.r1.cmd_raises("which vtysh").strip())
    conf = "/etc/frr/reload.conf"
    reload_cmd = f"{sys.executable} {frrdir}/frr-reload.py --bindir {bindir} --confdir /etc/frr "
    world.r1.cmd_raises(f"vtysh -c 'show running-config no-header' > {conf}")

    shown = world.r1.cmd_raises(f"{reload_cmd} --test --stdout {conf} 2>&1")
    assert "Lines To Delete" not in shown and "Lines To Add" not in shown, shown

    edit = "s/^  metric 33/  metric 34/; s/^ agent hold-time 4/ agent hold-time 5/"
    world.r1.cmd_raises(f"sed -i '{edit}; /^ vip-pool 2001/d' {conf}")
    with Watch(world) as watch:
        world.r1.cmd_raises(f"{reload_cmd} --reload --stdout {conf} 2>&1")
        expect_announced(world, UP[:2])
        watch.assert_quiet(["192.0.2.10"])
    want = {"192.0.2.12/32": [{"installed": True, "metric": 34, "tag": 777}]}
    expect_json(world.r1, "show ip route nlb json", want)
    running = world.r1.vtysh_cmd("show running-config")
    assert " agent hold-time 5\n" in running and "vip-pool 2001" not in running
    configure(world.r1, "nlb", "vip-pool 2001:db8:ff::/64")
    expect_announced(world, UP)


def test_no_nlb(world):
    "Without the block nothing is announced and nobody listens; write remembers it."
    before = world.r1.vtysh_cmd("show running-config")
    assert "\nnlb\n" in before
    world.r1.vtysh_cmd("write")
    assert "\nnlb\n" in world.r1.run("cat /etc/frr/frr.conf")
    configure(world.r1, "no nlb")
    expect_announced(world, [])
    assert "\nnlb\n" not in world.r1.vtysh_cmd("show running-config")
    expect_json(world.r1, "show nlb summary json", {"vips": 0, "configured": False})
    assert world.r1.run(f"test -e {SOCKET} || echo none").strip() == "none"
    world.r1.cmd_raises("vtysh -f /etc/frr/frr.conf")
    world.agent.close()
    world.agent = Agent(world.r1)
    world.agent.sync(VIPS, instance="agent-6")
    expect_announced(world, UP)
