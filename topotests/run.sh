#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs topotests, ours and FRR's own, on the FRR below build/.
#
#   run.sh [FOLDER[/FILE.py[::TEST]]...]   ours: all nlb_* without an argument
#   run.sh --upstream [FOLDER...]          FRR's own
#
# Everything happens in namespaces that end with the last process: a PID namespace, so
# that no daemon stays; a network namespace, for the bridges; a mount namespace, in which
# overlays below build/ stand over the few places outside of build/ that topotests write
# to (/etc/frr, /run/frr, /var/lib/frr, /var/log, /var/tmp). Logs of the daemons are left
# in build/topotests/run/. With $NLB_JUNIT set, results go to that file as JUnit XML.
# The last line is "topotests: N passed, N failed, N skipped".
set -euo pipefail
cd "$(dirname "$0")/.."

readonly root=$PWD
readonly work=$root/build/topotests
readonly tests=$root/build/frr/tests/topotests

# FRR's own tests that --upstream runs: they need no daemon that is not built here.
readonly UPSTREAM=(static_simple mgmt_oper/test_yanglib.py)

die() {
	printf 'run.sh: %s\n' "$*" >&2
	exit 2
}

# Daemons that topotests insist on; those that are not built get a stand-in that fails.
lay_out() {
	local name
	rm -rf "$work/frrdir"
	mkdir -p "$work/frrdir" "$work/run"
	ln -s "$root"/build/prefix/sbin/* "$work/frrdir/"
	for name in zebra ospfd ospf6d bgpd ripd ripngd isisd pimd pim6d pbrd mgmtd; do
		[ -e "$work/frrdir/$name" ] || ln -s /bin/false "$work/frrdir/$name"
	done
}

# overlay PLACE: from here on what is written to PLACE lands below build/.
overlay() {
	local dir=$work/overlay$1
	mkdir -p "$dir/upper" "$dir/work"
	mount -t overlay overlay -o "lowerdir=$1,upperdir=$dir/upper,workdir=$dir/work" "$1"
}

# In the namespaces.
inside() {
	local place
	mount --make-rprivate /
	# shellcheck source=scripts/reach.sh
	. "$root/scripts/reach.sh"
	reachable "$root"
	mkdir -p "$work/overlay"
	mount -t tmpfs tmpfs "$work/overlay"
	for place in /etc /run /var/lib /var/log /var/tmp; do
		overlay "$place"
	done
	# Our folders among FRR's, below FRR's conftest.py, without a copy.
	mkdir -p "$work/overlay/tests/upper" "$work/overlay/tests/work"
	mount -t overlay overlay -o "lowerdir=$root/topotests:$tests" \
		-o "upperdir=$work/overlay/tests/upper,workdir=$work/overlay/tests/work" "$tests"
	mkdir -p /etc/frr /etc/snmp /run/frr /var/lib/frr /var/tmp/frr
	[ -e /var/run/frr ] || die "/var/run is not /run here"
	chown frr:frr /etc/frr /run/frr /var/lib/frr
	ip link set lo up

	export PATH=$root/build/prefix/bin:$root/build/prefix/sbin:$PATH
	export PYTHONPATH=$root/topotests:$tests PYTHONDONTWRITEBYTECODE=1
	export NLB_FRRDIR=$work/frrdir
	cd "$tests"
	# Not exec: this shell is the namespace's first process, and takes in the daemons'
	# orphans; without that they would stay as zombies that look alive.
	/usr/bin/python3 -m pytest -p nlb_env -p no:cacheprovider -rs \
		-W ignore::pytest.PytestConfigWarning --rundir="$work/run" \
		--junitxml="${NLB_JUNIT:-$work/junit.xml}" "$@"
}

if [ "${1:-}" = --inside ]; then
	shift
	inside "$@"
	exit
fi

[ "$(id -u)" = 0 ] || die "must be run by root"
[ -x build/prefix/sbin/nlbd ] || die "FRR is not built: run make setup"
lay_out

args=("$@")
if [ "${1:-}" = --upstream ]; then
	args=("${@:2}")
	[ "${#args[@]}" -gt 0 ] || args=("${UPSTREAM[@]}")
elif [ "${#args[@]}" -eq 0 ]; then
	args=()
	for folder in topotests/nlb_*/; do
		args+=("$(basename "$folder")")
	done
fi

status=0
rm -f "${NLB_JUNIT:-$work/junit.xml}"
unshare --mount --net --pid --fork --kill-child --mount-proc \
	"$root/topotests/run.sh" --inside "${args[@]}" || status=$?
/usr/bin/python3 topotests/nlb_env.py "${NLB_JUNIT:-$work/junit.xml}" || status=1
exit "$status"
