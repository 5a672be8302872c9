# SPDX-License-Identifier: GPL-2.0-or-later
"""
Guard: every place that a daemon touches in FRR 10.3 has nlb in it.

FRR's own lists drift apart (some daemons miss in the log filters, others in
the man pages), because nothing checks them. This does. The places are written
down here, by what FRR does with them, and not taken from the graft's edits: a
place that the edits forget fails here.

The tree is the laid-in one: NLB_FRR_SRC, or build/frr.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent.parent
SRC = Path(os.environ.get("NLB_FRR_SRC", REPO / "build" / "frr"))
ALL = None  # scope: the whole file
BRACE = r"^\}"  # end of a C function, enum or table

pytestmark = pytest.mark.skipif(
    not (SRC / "configure.ac").is_file(),
    reason=f"no FRR tree with nlbd laid in at {SRC} (make setup makes one)",
)

# (file, (first line of the scope, its end) or ALL, what must stand there)
PLACES = [
    # A.1 the daemon and the build
    ("nlbd/subdir.am", ALL, r"^sbin_PROGRAMS \+= nlbd/nlbd$"),
    ("nlbd/subdir.am", ALL, r"^vtysh_daemons \+= nlbd$"),
    ("nlbd/subdir.am", ALL, r"^man8 \+= .*frr-nlbd\.8$"),
    ("nlbd/subdir.am", (r"^clippy_scan", r"# end"), r"nlbd/nlb_cli\.c"),
    ("nlbd/subdir.am", (r"^nodist_nlbd_nlbd_SOURCES", r"# end"), r"yang/frr-nlbd\.yang\.c"),
    ("nlbd/Makefile", ALL, r"nlbd/nlbd"),
    ("Makefile.am", ALL, r"^include nlbd/subdir\.am$"),
    ("Makefile.am", (r"^EXTRA_DIST \+= ", r"# end"), r"^\tnlbd/Makefile \\$"),
    ("configure.ac", ALL, r"^AC_ARG_ENABLE\(\[nlbd\],"),
    ("configure.ac", ALL, r"^  AC_DEFINE\(\[HAVE_NLBD\]"),
    ("configure.ac", ALL, r"^AM_CONDITIONAL\(\[NLBD\]"),
    ("lib/libfrr.h", ALL, r"^#define NLB_VTY_PORT 2624$"),
    ("lib/ferr.h", ALL, r"^#define NLB_FERR_START +0x12000001\n#define NLB_FERR_END +0x12FFFFFF$"),
    (
        "lib/command.h",
        (r"^enum node_type", BRACE),
        r"NLB_NODE,.*\n.*NLB_VIP_NODE,.*\n.*NODE_TYPE_MAX",
    ),
    # A.2 the route type
    (
        "lib/route_types.txt",
        ALL,
        r"^ZEBRA_ROUTE_NLB, +nlb, +nlbd, +'J', 1, 1, 1, +\"NLB\", +nlbd\nZEBRA_ROUTE_ALL,",
    ),
    ("lib/route_types.txt", ALL, r"^ZEBRA_ROUTE_NLB, \"[^\"]+\"$"),
    ("lib/subdir.am", ALL, r"^if NLBD\nrt_enabled \+= --enabled nlbd\nendif$"),
    ("lib/log.c", (r"afi == AFI_IP\)", r"^\t\}"), r"\"nlb\"\)\)\n\t\t\treturn ZEBRA_ROUTE_NLB;"),
    ("lib/log.c", (r"afi == AFI_IP6\)", r"^\t\}"), r"\"nlb\"\)\)\n\t\t\treturn ZEBRA_ROUTE_NLB;"),
    ("lib/frrdistance.h", ALL, r"^#define ZEBRA_NLB_DISTANCE_DEFAULT +15$"),
    (
        "zebra/zebra_rib.c",
        (r"route_info\[ZEBRA_ROUTE_MAX\] = ", BRACE),
        r"\[ZEBRA_ROUTE_NLB\] = \{",
    ),
    ("zebra/rt_netlink.h", ALL, r"^#define RTPROT_NLB +199$"),
    ("zebra/rt_netlink.c", (r"bool is_selfroute\(", BRACE), r"proto == RTPROT_NLB\)"),
    (
        "zebra/rt_netlink.c",
        (r"^int zebra2proto\(", BRACE),
        r"case ZEBRA_ROUTE_NLB:\n\t\tproto = RTPROT_NLB;",
    ),
    (
        "zebra/rt_netlink.c",
        (r"int proto2zebra\(", BRACE),
        r"case RTPROT_NLB:\n\t\tproto = ZEBRA_ROUTE_NLB;",
    ),
    ("tools/etc/iproute2/rt_protos.d/frr.conf", ALL, r"^199 +nlb$"),
    (
        "zebra/fpm_listener.c",
        (r"netlink_prot_to_s\(", BRACE),
        r"case RTPROT_NLB:\n\t\treturn \"NLB\"",
    ),
    ("zebra/debug_nl.c", (r"rtm_protocol2str\(", BRACE), r"case RTPROT_NLB:\n\t\treturn \"NLB\""),
    (
        "yang/frr-route-types.yang",
        (r"typedef frr-route-types-v4", r"^  \}"),
        r"enum nlb \{\s+value 32;",
    ),
    (
        "yang/frr-route-types.yang",
        (r"typedef frr-route-types-v6", r"^  \}"),
        r"enum nlb \{\s+value 32;",
    ),
    # A.3 vtysh
    ("vtysh/vtysh.h", ALL, r"^#define VTYSH_NLBD 0x400000$"),
    ("vtysh/vtysh.h", (r"^#define VTYSH_ALL\b", r"[^\\]$"), r"\bVTYSH_NLBD\b"),
    ("vtysh/vtysh.h", (r"^#define VTYSH_MGMT_BACKEND\b", r"[^\\]$"), r"\bVTYSH_NLBD\b"),
    ("vtysh/vtysh.h", ALL, r"extern struct vtysh_client vtysh_client\[23\];"),
    (
        "vtysh/vtysh.c",
        (r"^struct vtysh_client vtysh_client\[\]", BRACE),
        r"\"nlbd\", \.flag = VTYSH_NLBD",
    ),
    ("vtysh/vtysh.c", (r"struct cmd_node nlb_node", BRACE), r"\"%s\(config-nlb\)# \""),
    ("vtysh/vtysh.c", (r"struct cmd_node nlb_vip_node", BRACE), r"\.parent_node = NLB_NODE"),
    ("vtysh/vtysh.c", (r"struct cmd_node nlb_vip_node", BRACE), r"\"%s\(config-nlb-vip\)# \""),
    ("vtysh/vtysh.c", (r"^DEFUNSH\(VTYSH_MGMTD, nlb,", BRACE), r"vty->node = NLB_NODE;"),
    ("vtysh/vtysh.c", (r"^DEFUNSH\(VTYSH_MGMTD, nlb_vip,", BRACE), r"vty->node = NLB_VIP_NODE;"),
    ("vtysh/vtysh.c", (r"^void vtysh_init_vty", BRACE), r"install_node\(&nlb_node\);"),
    ("vtysh/vtysh.c", (r"^void vtysh_init_vty", BRACE), r"install_node\(&nlb_vip_node\);"),
    (
        "vtysh/vtysh.c",
        (r"^void vtysh_init_vty", BRACE),
        r"install_element\(CONFIG_NODE, &nlb_cmd\);",
    ),
    (
        "vtysh/vtysh.c",
        (r"^void vtysh_init_vty", BRACE),
        r"install_element\(NLB_NODE, &nlb_vip_cmd\);",
    ),
    (
        "vtysh/vtysh.c",
        (r"^void vtysh_init_vty", BRACE),
        r"install_element\(NLB_NODE, &vtysh_end_all_cmd\);",
    ),
    (
        "vtysh/vtysh.c",
        (r"^void vtysh_init_vty", BRACE),
        r"install_element\(NLB_VIP_NODE, &vtysh_end_all_cmd\);",
    ),
    (
        "vtysh/vtysh.c",
        (r"^void vtysh_init_vty", BRACE),
        r"install_element\(NLB_NODE, &vtysh_exit_nlb_cmd\);",
    ),
    (
        "vtysh/vtysh.c",
        (r"^void vtysh_init_vty", BRACE),
        r"install_element\(NLB_VIP_NODE, &vtysh_exit_nlb_cmd\);",
    ),
    (
        "vtysh/vtysh.c",
        (r"^void vtysh_init_vty", BRACE),
        r"install_element\(NLB_NODE, &vtysh_quit_nlb_cmd\);",
    ),
    (
        "vtysh/vtysh.c",
        (r"^void vtysh_init_vty", BRACE),
        r"install_element\(NLB_VIP_NODE, &vtysh_quit_nlb_cmd\);",
    ),
    ("vtysh/vtysh.c", ALL, r"^DEFUNSH\(VTYSH_MGMTD, vtysh_exit_nlb,"),
    ("vtysh/vtysh.c", ALL, r"^DEFUNSH\(VTYSH_MGMTD, vtysh_quit_nlb,"),
    (
        "vtysh/vtysh_config.c",
        (r"^void vtysh_config_parse_line", BRACE),
        r"config_get\(NLB_NODE, line\)",
    ),
    ("doc/figures/nodes.dot", ALL, r"CONFIG_NODE -> NLB_NODE"),
    ("tools/frr-reload.py", (r"^ctx_keywords = ", BRACE), r"^    \"nlb\": \{\"vip \": \{\}\},$"),
    ("tools/frr-reload.py", (r"args\.daemon not in", r"\]"), r"\"nlbd\","),
    # A.4 northbound
    ("yang/frr-nlbd.yang", ALL, r"^module frr-nlbd \{"),
    ("yang/subdir.am", ALL, r"^if NLBD\ndist_yangmodels_DATA \+= yang/frr-nlbd\.yang\nendif$"),
    ("lib/yang.c", (r"frr_native_modules\[\] = ", BRACE), r"\"frr-nlbd\","),
    # A.5 mgmtd
    ("mgmtd/mgmt_be_adapter.h", (r"^enum mgmt_be_client_id", BRACE), r"MGMTD_BE_CLIENT_ID_NLBD,"),
    ("mgmtd/mgmt_be_adapter.c", (r"mgmt_be_client_names\[", BRACE), r"_NLBD\] = \"nlbd\""),
    (
        "mgmtd/mgmt_be_adapter.c",
        (r"nlbd_config_xpaths\[\] = ", BRACE),
        r"\"/frr-nlbd:nlb\",\n\tNULL,",
    ),
    (
        "mgmtd/mgmt_be_adapter.c",
        (r"nlbd_oper_xpaths\[\] = ", BRACE),
        r"\"/frr-backend:clients\",\n\t\"/frr-nlbd:nlb\",\n\tNULL,",
    ),
    ("mgmtd/mgmt_be_adapter.c", (r"nlbd_rpc_xpaths\[\] = ", BRACE), r"\"/frr-nlbd\",\n\tNULL,"),
    (
        "mgmtd/mgmt_be_adapter.c",
        (r"be_client_config_xpaths\[", BRACE),
        r"_NLBD\] = nlbd_config_xpaths",
    ),
    ("mgmtd/mgmt_be_adapter.c", (r"be_client_oper_xpaths\[", BRACE), r"_NLBD\] = nlbd_oper_xpaths"),
    ("mgmtd/mgmt_be_adapter.c", (r"be_client_rpc_xpaths\[", BRACE), r"_NLBD\] = nlbd_rpc_xpaths"),
    ("mgmtd/mgmt_main.c", ALL, r"^#include \"nlbd/nlb_nb\.h\"$"),
    ("mgmtd/mgmt_vty.c", ALL, r"^#include \"nlbd/nlb_nb\.h\"$"),
    ("mgmtd/mgmt_main.c", (r"mgmt_yang_modules\[\] = ", BRACE), r"&frr_nlbd_cli_info,"),
    (
        "mgmtd/mgmt_vty.c",
        (r"^void mgmt_vty_init", BRACE),
        r"#ifdef HAVE_NLBD\n\tnlb_cli_init\(\);\n#endif",
    ),
    (
        "mgmtd/subdir.am",
        (r"^if NLBD$", r"^endif"),
        r"nodist_mgmtd_mgmtd_SOURCES \+= \\\n\tyang/frr-nlbd\.yang\.c",
    ),
    (
        "mgmtd/subdir.am",
        (r"^if NLBD$", r"^endif"),
        r"mgmtd_libmgmt_be_nb_la_SOURCES \+= \\\n\tnlbd/nlb_cli\.c",
    ),
    ("lib/vty.c", (r"mgmt_daemons\[\] = ", BRACE), r"\"nlbd\","),
    ("nlbd/nlb_nb.h", ALL, r"\bnlb_cli_init\(void\)"),
    # A.6 start-up, packaging
    ("tools/etc/frr/daemons", ALL, r"^nlbd=no$"),
    ("tools/etc/frr/daemons", ALL, r"^nlbd_options=\" *-A 127\.0\.0\.1\"$"),
    ("tools/frrcommon.sh.in", ALL, r"^DAEMONS=\".*\bnlbd\b.*\"$"),
    ("tools/frr.in", ALL, r"^DAEMONS=\".*\bnlbd\b.*\"$"),
    ("tools/etc/logrotate.d/frr", (r"for i in", r"; do"), r"\bnlbd\b"),
    ("tools/etc/rsyslog.d/45-frr.conf", (r"^if ", r"then :omfile"), r"== 'nlbd' or$"),
    ("tools/etc/rsyslog.d/45-frr.conf", (r"then :omfile", r"then stop"), r"== 'nlbd' or$"),
    (
        "tools/etc/frr/support_bundle_commands.conf",
        (r"^PROC_NAME:nlb$", r"^CMD_LIST_END"),
        r"^show nlb summary$",
    ),
    ("debian/control", (r"^Package: frr$", r"^Package:"), r"\bnlbd\b"),
    ("debian/frr.manpages", ALL, r"/frr-nlbd\.8$"),
    ("debian/frr.logrotate", (r"for i in", r"; do"), r"\bnlbd\b"),
    ("redhat/frr.spec.in", ALL, r"%global +with_nlbd +1 \}$"),
    ("redhat/frr.spec.in", ALL, r"%define daemon_nlbd nlbd\n%else\n    %define daemon_nlbd \"\"$"),
    ("redhat/frr.spec.in", ALL, r"^%define all_daemons .*%\{daemon_nlbd\}"),
    (
        "redhat/frr.spec.in",
        (r"^%configure", r"^make "),
        r"--enable-nlbd \\\n%else\n    --disable-nlbd \\$",
    ),
    ("redhat/frr.spec.in", ALL, r"zebra_spec_add_service nlbd +2624/tcp"),
    ("redhat/frr.spec.in", (r"^%files", r"^%changelog"), r"%\{_sbindir\}/nlbd$"),
    ("redhat/frr.logrotate", ALL, r"^/var/log/frr/nlbd\.log \{$"),
    (".github/commitlint.config.js", ALL, r"'nlbd',"),
    ("tools/checkpatch.pl", (r"@tree_check = ", r"\);"), r"\"nlbd\","),
    # A.7 docs and tests
    ("doc/user/nlbd.rst", ALL, r"^\.\. clicmd:: nlb$"),
    ("doc/user/subdir.am", ALL, r"^\tdoc/user/nlbd\.rst \\$"),
    ("doc/user/protocols.rst", ALL, r"^   nlbd$"),
    ("doc/user/setup.rst", ALL, r"^   nlbd=no$"),
    ("doc/user/setup.rst", ALL, r"^   nlbd_options="),
    ("doc/user/setup.rst", ALL, r"^   nlbd +2624/tcp"),
    ("doc/user/installation.rst", ALL, r"^\.\. option:: --disable-nlbd$"),
    ("doc/user/about.rst", ALL, r"^\| `nlbd` "),
    ("doc/manpages/frr-nlbd.rst", ALL, r"^\.\. \|DAEMON\| replace:: nlbd$"),
    ("doc/manpages/subdir.am", ALL, r"^\tdoc/manpages/frr-nlbd\.rst \\$"),
    ("doc/manpages/index.rst", ALL, r"^   frr-nlbd$"),
    ("doc/manpages/conf.py", ALL, r"\(\"frr-nlbd\", \"frr-nlbd\","),
    ("doc/manpages/common-options.rst", ALL, r"^      nlbd +2624$"),
    ("doc/manpages/defines.rst", ALL, r"frr-nlbd\(8\)"),
    ("doc/developer/mgmtd-dev.rst", ALL, r"^- nlbd$"),
    ("doc/developer/topotests-markers.rst", ALL, r"^\* nlbd$"),
    ("tests/topotests/pytest.ini", (r"^markers", r"^\["), r"^\tnlbd: "),
    ("tests/topotests/lib/topogen.py", ALL, r"^    RD_NLB = 23$"),
    ("tests/topotests/lib/topogen.py", (r"^    RD = ", r"^    \}"), r"RD_NLB: \"nlbd\""),
    ("tests/topotests/lib/topotest.py", (r"self\.daemons = \{", r"\}"), r"\"nlbd\": 0,"),
    ("tests/topotests/lib/topotest.py", (r"^def proto_name_to_number", r"\}"), r"\"nlb\": \"199\""),
    ("tests/topotests/rip_topo1/r1/show_ip_rip.ref", ALL, r"J - NLB"),
    ("tests/topotests/rip_topo1/r2/show_ip_rip.ref", ALL, r"J - NLB"),
    ("tests/topotests/rip_topo1/r3/show_ip_rip.ref", ALL, r"J - NLB"),
    ("tests/topotests/ripng_topo1/r1/show_ipv6_ripng.ref", ALL, r"J - NLB"),
    ("tests/topotests/ripng_topo1/r2/show_ipv6_ripng.ref", ALL, r"J - NLB"),
    ("tests/topotests/ripng_topo1/r3/show_ipv6_ripng.ref", ALL, r"J - NLB"),
]


def scope_of(path, scope):
    """The text to look in; fails where the scope itself is gone."""
    file = SRC / path
    assert file.is_file(), f"{path}: no such file"
    text = file.read_text(encoding="utf-8", errors="replace")
    if scope is ALL:
        return text
    begin = re.search(scope[0], text, re.M)
    assert begin, f"{path}: nothing matches '{scope[0]}'"
    first_line = text.index("\n", begin.start())
    end = re.compile(scope[1], re.M).search(text, first_line)
    assert end, f"{path}: no end '{scope[1]}' after '{begin.group()}'"
    return text[begin.start() : end.end()]


@pytest.mark.parametrize("path, scope, wanted", PLACES, ids=[f"{p}-{w}" for p, _, w in PLACES])
def test_place_has_nlb(path, scope, wanted):
    assert re.search(wanted, scope_of(path, scope), re.M), f"{path}: '{wanted}' is not there"


def test_interface_commands_are_not_sent_to_nlbd():
    """They are mgmtd's, and nlbd would answer "Unknown command" to each."""
    subset = scope_of("vtysh/vtysh.h", (r"^#define VTYSH_INTERFACE_SUBSET\b", r"[^\\]$"))
    assert "VTYSH_NLBD" not in subset


def test_route_type_value_is_its_position():
    """32: what YANG's enum says, too."""
    text = (SRC / "lib/route_types.txt").read_text()
    types = re.findall(r"^(ZEBRA_ROUTE_\w+),(?:[^,\n]*,){7}", text, re.M)
    assert types.index("ZEBRA_ROUTE_NLB") == 32
    assert types[33:] == ["ZEBRA_ROUTE_ALL"]


@pytest.mark.parametrize("column, what", [(0, "letter"), (1, "name")])
def test_route_type_is_not_taken(column, what):
    """A letter or a name that FRR uses already would make outputs ambiguous."""
    text = (SRC / "lib/route_types.txt").read_text()
    rows = re.findall(r"^ZEBRA_ROUTE_\w+,\s*([\w-]+),[^,]*,\s*'(.)',", text, re.M)
    values = [row[1 - column] for row in rows]
    assert values.count(("J", "nlb")[column]) == 1, f"{what} used twice"


@pytest.mark.parametrize(
    "path, define",
    [
        ("lib/libfrr.h", r"^#define \w+_VTY_PORT (\d+)"),
        ("zebra/rt_netlink.h", r"^#define RTPROT_\w+ +(\d+)"),
        ("vtysh/vtysh.h", r"^#define VTYSH_[A-Z0-9]+ +(0x[0-9a-fA-F]+)"),
        ("lib/ferr.h", r"^#define \w+_FERR_START +(0x\w+)"),
    ],
)
def test_number_is_not_taken(path, define):
    values = [int(v, 0) for v in re.findall(define, (SRC / path).read_text(), re.M)]
    assert len(values) > 10 and len(values) == len(set(values)), f"{path}: a number is used twice"


def test_client_table_has_the_declared_size():
    rows = re.findall(
        r"\.name = ", scope_of("vtysh/vtysh.c", (r"^struct vtysh_client vtysh_client\[\]", BRACE))
    )
    declared = re.search(r"vtysh_client vtysh_client\[(\d+)\]", scope_of("vtysh/vtysh.h", ALL))
    assert len(rows) == int(declared[1])


def test_every_use_of_the_daemon_is_conditional():
    """Else --disable-nlbd does not link: what lives in nlbd/ is only named under HAVE_NLBD."""
    for path in ("mgmtd/mgmt_vty.c", "mgmtd/mgmt_main.c", "mgmtd/mgmt_be_adapter.c", "lib/vty.c"):
        depth, guarded = 0, []
        for line in (SRC / path).read_text().splitlines():
            if line.startswith("#if"):
                guarded.append("HAVE_NLBD" in line)
                depth += 1
            elif line.startswith("#endif"):
                guarded.pop()
                depth -= 1
            elif re.search(r"nlb", line, re.I) and "#include" not in line:
                assert any(guarded), f"{path}: '{line.strip()}' without HAVE_NLBD"
        assert depth == 0


def test_mgmtd_gets_the_cli_whatever_else_is_built():
    """The block must not stand inside another daemon's condition."""
    depth = 0
    for line in (SRC / "mgmtd/subdir.am").read_text().splitlines():
        if line == "if NLBD":
            assert depth == 0, "if NLBD stands inside another condition"
            return
        depth += line.startswith("if ") - (line == "endif")
    pytest.fail("no if NLBD")


def test_graft_check_agrees():
    """The tool's own word, too; it knows the places the edits name."""
    tool = REPO / "frr-nlbd" / "graft" / "graft.py"
    done = subprocess.run(
        [sys.executable, tool, "check", SRC], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
