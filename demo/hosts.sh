# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Hosts of the demo. A host is one process, its "init", in mount, network, PID and UTS
# namespaces of its own: /etc is a copy, /run, /var/lib and /var/tmp are empty, /sys belongs to its network and
# has its own bpffs. So FRR, the agent and nginx find their usual places, nothing is
# written outside build/demo/, and a host ends, with all that runs on it, with its init.
# Cables are made inside them too: the machine's own network never sees an interface.

demo=$PWD/build/demo
sbin=$PWD/build/prefix/sbin
vtysh=$PWD/build/prefix/bin/vtysh

host_pid() {
	cat "$demo/$1/pid" 2>/dev/null
}

# host_make NAME
host_make() {
	local dir=$demo/$1
	rm -rf "$dir"
	mkdir -p "$dir"
	cp -a /etc "$dir/etc"
	rm -rf "$dir/etc/frr"
	mkdir -p "$dir/etc/frr"
	mkfifo "$dir/up"
	# The init writes its PID as its parent sees it, and says through the fifo
	# that the mounts are done.
	setsid unshare --mount --net --uts --pid --fork --kill-child "$BASH" demo/init.sh "$1" "$dir" \
		>"$dir/init.log" 2>&1 &
	read -r _ <"$dir/up"
	pgrep -P $! >"$dir/pid"
	rm "$dir/up"
}

# on HOST COMMAND...: runs a command on a host.
on() {
	local pid
	pid=$(host_pid "$1") || {
		echo "demo: no host $1" >&2
		return 1
	}
	shift
	nsenter -t "$pid" --mount --net --uts --pid -- "$@"
}

# link A IF_A B IF_B MTU: a cable between two hosts.
link() {
	nsenter -t "$(host_pid "$1")" --net ip link add "$2" mtu "$5" type veth \
		peer name "$4" mtu "$5" netns "$(host_pid "$3")"
	on "$1" ip link set "$2" up
	on "$3" ip link set "$4" up
}

# address HOST IF V4 V6: both families, usable at once.
address() {
	on "$1" ip addr add "$3" dev "$2"
	on "$1" ip addr add "$4" dev "$2" nodad
}

hosts_down() {
	local pid
	for pid in "$demo"/*/pid; do
		[ -f "$pid" ] || continue
		kill -9 "$(cat "$pid")" 2>/dev/null || true
		rm -f "$pid"
	done
}

# until_true SECONDS WHAT COMMAND...: polls ten times a second; false when time is up.
until_true() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS >= deadline)); then
			echo "demo: timed out waiting: $what" >&2
			return 1
		fi
		read -r -t 0.1 <&"$never" || true
	done
}

# A descriptor from which nothing ever comes, to wait on.
exec {never}<> <(:)
