# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A checkout below a closed directory (/root, a home of mode 0700) cannot be reached by
# the user that FRR's daemons become. To be sourced in a mount namespace of one's own.

# reachable DIR: puts an open directory over the topmost closed one on the way to DIR, with
# nothing in it but the way to DIR. Does nothing where the way is open.
reachable() {
	local dir=$1 part
	part=$dir
	local closed=
	while part=$(dirname "$part") && [ "$part" != / ]; do
		if [ "$(($(stat -c %#a "$part") & 1))" -eq 0 ]; then
			closed=$part
		fi
	done
	[ -n "$closed" ] || return 0
	mount --bind "$dir" /mnt
	mount -t tmpfs -o mode=755 tmpfs "$closed"
	mkdir -p "$dir"
	mount --bind /mnt "$dir"
	umount /mnt
	cd "$dir" || return
}
