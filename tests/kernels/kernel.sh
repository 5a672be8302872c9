#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A Debian release's kernel, ready to be booted by guest.py:
#
#   kernel.sh SUITE     (bookworm, trixie, ...)
#
# leaves build/kernels/SUITE/vmlinuz, initrd and modules/VERSION/. What was fetched once
# is kept; the initrd is made anew each time, which takes a second.
#
# The initrd holds busybox, the modules that reach the host's root over 9p, and init.sh.
set -euo pipefail
umask 022
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/debian.sh
. scripts/debian.sh

readonly BOOT_MODULES=(virtio_pci 9pnet_virtio 9p overlay)

suite=$1
home=$PWD/build/kernels/$suite
mkdir -p "$home"
exec {lock}>"$home/lock"
flock "$lock"

# The meta package depends on the release's newest kernel.
fetch() {
	local package
	debian_open "$home/apt" deb "$suite"
	package=$(apt-cache "${debian_apt[@]}" depends --important linux-image-amd64 |
		awk '/Depends: linux-image-/ {print $2; exit}')
	rm -rf "$home/root" "$home"/*.deb
	(cd "$home" && apt-get "${debian_apt[@]}" download "$package")
	dpkg-deb -x "$home"/linux-image-*.deb "$home/root"
	rm -rf "$home"/*.deb "$home/modules"
	# Debian 13 ships them below /usr/lib.
	mv "$home"/root/lib/modules "$home/modules" 2>/dev/null ||
		mv "$home"/root/usr/lib/modules "$home/modules"
	mv "$home"/root/boot/vmlinuz-* "$home/vmlinuz"
	rm -rf "$home/root"
}

# modules_for NAME...: paths of the modules and of what they need, in the order to load.
modules_for() {
	local name
	for name in "$@"; do
		modprobe -d "$home/depmod" -S "$version" --show-depends "$name" |
			awk '$1 == "insmod" {print $2}'
	done | awk '!seen[$0]++'
}

initrd() {
	local tree=$home/tree module name
	rm -rf "$tree"
	mkdir -p "$tree"/{bin,dev,proc,sys,host,new,modules}
	cp "$(command -v busybox)" "$tree/bin/busybox"
	cp tests/kernels/init.sh "$tree/init"
	chmod 755 "$tree/init"
	while read -r module; do
		name=$(basename "${module%.ko*}").ko
		case $module in
		*.xz) xz -dc "$module" >"$tree/modules/$name" ;;
		*) cp "$module" "$tree/modules/$name" ;;
		esac
		echo "$name" >>"$tree/modules/order"
	done < <(modules_for "${BOOT_MODULES[@]}")
	(cd "$tree" && find . | cpio -o -H newc --quiet) | gzip -1 >"$home/initrd.new"
	mv "$home/initrd.new" "$home/initrd"
}

if [ ! -f "$home/vmlinuz" ]; then
	echo "fetching the kernel of $suite"
	# Not as a condition: set -e does not reach into one.
	trap 'tail -n 20 "$home/fetch.log" >&2' EXIT
	fetch >"$home/fetch.log" 2>&1
	trap - EXIT
fi
version=$(ls "$home/modules")
mkdir -p "$home/depmod/lib"
ln -sfn "$home/modules" "$home/depmod/lib/modules"
[ -f "$home/modules/$version/modules.dep.bin" ] || depmod -b "$home/depmod" "$version"
initrd
echo "$suite: Linux $version"
