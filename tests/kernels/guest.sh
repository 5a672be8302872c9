#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs the test programs inside a guest; see init.sh and boot.py. The second serial line
# takes what they print, between a line that names the program and one that has its exit
# status. The list has a line "SECONDS BUILD PROGRAM" for each: how long it may take, and
# what becomes NLB_BUILD.
#
#   guest.sh TOP LIST
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 CMOCKA_MESSAGE_OUTPUT=TAP
cd "$1" || exit
stty -F /dev/ttyS1 raw
exec </dev/null >/dev/ttyS1 2>&1

mkdir -p /dev/shm /sys/fs/bpf
mount -t tmpfs shm /dev/shm
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
echo "### linux $(uname -r)"
while read -r seconds build program; do
	echo "### begin $program"
	NLB_BUILD=$build timeout -k 5 "$seconds" "$program" </dev/null
	echo "### end $program $?"
done <"$2"
sync
poweroff -f
