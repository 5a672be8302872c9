#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The first process of a demo host (see hosts.sh): sets up its mounts, says so, and
# then only collects what ends. Arguments: name, directory.
set -euo pipefail
name=$1
dir=$2

mount --make-rprivate /
# shellcheck source=scripts/reach.sh
. scripts/reach.sh
reachable "$PWD"
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t bpf bpf /sys/fs/bpf
mount --bind "$dir/etc" /etc
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
mount -t tmpfs -o mode=755 tmpfs /var/lib
install -d -o frr -g frr -m 755 /run/frr /run/nlb /var/lib/frr
hostname "$name"
ip link set lo up
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
	net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
echo up >"$dir/up"

trap : CHLD
exec {never}<> <(:)
while :; do
	read -r -t 3600 <&"$never" || true
done
