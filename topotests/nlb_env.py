#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What topotests need to run on a reduced FRR in a private prefix, without a change to FRR's tree.

As a pytest plugin (run.sh: -p nlb_env) it answers two questions that FRR's start-up check asks:
where the daemons are ($NLB_FRRDIR), and whether kernel modules are there (a kernel without
modules has no /proc/modules, and FRR would fail to open it). On a kernel without VRF devices it
leaves out the VRFs of a topology and skips the tests that are named after them.

As a program it prints the counts of a JUnit XML file.
"""
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree


def count(path):
    """(passed, failed, skipped) of a JUnit XML file; no or an empty file is a failure."""
    passed = failed = skipped = 0
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return 0, 1, 0
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed or int(not cases), skipped


if __name__ == "__main__":
    numbers = count(sys.argv[1])
    print("topotests: {} passed, {} failed, {} skipped".format(*numbers))
    sys.exit(1 if numbers[1] else 0)

# pylint: disable=wrong-import-position,import-error
import pytest  # noqa: E402

from lib import topogen, topotest  # noqa: E402

FRRDIR = os.environ["NLB_FRRDIR"]
topogen.tgen_defaults["frrdir"] = FRRDIR

_module_present = topotest.module_present


def module_present(module, load=True):
    """As FRR's, for a kernel without modules: absent."""
    if os.path.exists("/proc/modules"):
        return _module_present(module, load)
    return False


topotest.module_present = module_present

_config_frr = topotest.Router._config_frr


def config_frr(self, **params):
    """As FRR's, with our place as the default."""
    params.setdefault("frrdir", FRRDIR)
    return _config_frr(self, **params)


topotest.Router._config_frr = config_frr


def kernel_has(kind):
    """Can this kernel make a device of that kind? Tried in a namespace of its own."""
    extra = ["table", "10"] if kind == "vrf" else []
    probe = ["unshare", "--net", "ip", "link", "add", "probe0", "type", kind] + extra
    return subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode == 0


HAS_VRF = kernel_has("vrf")

if not HAS_VRF:
    for name in ("add_l3vrf", "add_loop", "attach_iface_to_l3vrf"):
        setattr(topotest.Router, name, lambda self, *args, **kwargs: None)


def pytest_collection_modifyitems(items):
    """Skip, by name, what needs a VRF device where there is none."""
    if HAS_VRF:
        return
    for item in items:
        if "_vrf" in item.name:
            item.add_marker(pytest.mark.skip(reason="the kernel has no VRF devices"))
