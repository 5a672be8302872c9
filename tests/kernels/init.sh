#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# The guest's first process: makes the host's root its own, with all that is written kept
# in memory, and the guest's own modules in their place; then guest.sh takes over. The
# kernel's command line says where both are: nlb.kernel=DIR nlb.top=DIR.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
# shellcheck disable=SC2013
for word in $(cat /proc/cmdline); do
	case $word in
	nlb.kernel=*) kernel=${word#*=} ;;
	nlb.top=*) top=${word#*=} ;;
	esac
done
while read -r module; do
	insmod "/modules/$module" || echo "init: $module does not load"
done </modules/order
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro host /host ||
	poweroff -f
mkdir /memory
mount -t tmpfs -o mode=755 memory /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work root /new ||
	poweroff -f
mount --move /proc /new/proc
mount --move /dev /new/dev
mount -t sysfs sys /new/sys
mount -t tmpfs run /new/run
mount -t tmpfs lib /new/usr/lib/modules 2>/dev/null ||
	{ mkdir -p /new/usr/lib/modules && mount -t tmpfs lib /new/usr/lib/modules; }
ln -s "$kernel/modules/$(uname -r)" "/new/usr/lib/modules/$(uname -r)"
exec switch_root /new "$top/tests/kernels/guest.sh" "$top" "$kernel/list"
