#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Keeps the mounts of one FRR host for as long as its input lasts: /etc is a copy in DIR, what
# FRR writes below /run and /var goes nowhere. Run in a network and mount namespace of its own.
#
#   host.sh DIR    says "up" when all is there
set -euo pipefail
dir=$1

mount --make-rprivate /
cp -a /etc "$dir/etc"
rm -rf "$dir/etc/frr"
mkdir "$dir/etc/frr"
cp "$dir/frr.conf" "$dir/etc/frr/frr.conf"
touch "$dir/etc/frr/vtysh.conf"
# FRR's daemons run as root here, which has to be in the group that may use vtysh.
sed -i 's/^frrvty:.*:$/&root/; t; s/^frrvty:.*/&,root/' "$dir/etc/group"
mount --bind "$dir/etc" /etc
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
mount -t tmpfs -o mode=755 tmpfs /var/lib
mkdir /run/frr /var/lib/frr
echo up
exec cat
