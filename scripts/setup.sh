#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Brings a bare Debian 12 or 13 (root, apt) to the point where everything here builds:
# packages, the frr user and groups, libyang where the system's is too old, and FRR with
# nlbd grafted in, in a private prefix under build/.
#
#   setup.sh            all steps; those that are done are skipped
#   setup.sh packages   packages, user and groups only
#   setup.sh packages-kernels  what boots other kernels (make test-kernels)
#   setup.sh packages-bench  the health benchmark's peers (make bench-health)
#   setup.sh nlbd       lay our FRR side in again, build and install what it touches
#
# A step is done when its stamp in build/stamp/ holds the digest of what went into it, so
# a second run takes a second, and an interrupted run goes on where it was.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."
# shellcheck source=scripts/debian.sh
. scripts/debian.sh

readonly FRR_VERSION=10.3
readonly FRR_SUITE=trixie
readonly LIBYANG_MIN=2.1.128
readonly FRR_OBJECTS=450	# about so many compilations, for the progress line

build=$PWD/build
prefix=$build/prefix
stamp=$build/stamp
log=$build/log
src=$build/src
jobs=$(nproc)
mkdir -p "$stamp" "$log" "$src"

# One at a time: a second one waits, and then finds everything done.
exec {lock}>"$build/setup.lock"
flock "$lock"

say() {
	printf 'setup: %s\n' "$*"
}

die() {
	printf 'setup: %s\n' "$*" >&2
	exit 1
}

# done_already STEP DIGEST: true when the step was finished for this input.
done_already() {
	[ -f "$stamp/$1" ] && [ "$(cat "$stamp/$1")" = "$2" ]
}

finish() {
	printf '%s\n' "$2" >"$stamp/$1"
}

# run STEP TEXT COMMAND...: runs with its output in build/log/STEP.log, says how long it
# took, and shows the end of the log when it fails.
run() {
	local step=$1 text=$2 start=$SECONDS
	shift 2
	say "$text ..."
	if ! "$@" >"$log/$step.log" 2>&1; then
		tail -n 40 "$log/$step.log" >&2
		die "$text: failed; the whole log is build/log/$step.log"
	fi
	say "$text: done in $((SECONDS - start)) s"
}

# ---- packages, user and groups ----

# apt_has PACKAGE VERSION: true when apt offers at least that version.
apt_has() {
	local candidate
	candidate=$(apt-cache policy "$1" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)" {print $2}')
	[ -n "$candidate" ] && dpkg --compare-versions "$candidate" ge "$2"
}

# The packages of the list that are not installed, one a line.
missing_packages() {
	local have
	have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
	comm -13 <(awk '$2 == "installed" {print $1}' <<<"$have" | sort -u) \
		<(printf '%s\n' "$@" | sort -u)
}

# install_list NAME: the packages of scripts/NAME.txt.
install_list() {
	local wanted missing digest
	digest=$(sha256sum <"scripts/$1.txt")
	if done_already "$1" "$digest"; then
		return
	fi
	mapfile -t wanted < <(sed 's/#.*//' "scripts/$1.txt" | xargs -n 1)
	mapfile -t missing < <(missing_packages "${wanted[@]}")
	if [ "${#missing[@]}" -gt 0 ]; then
		[ "$(id -u)" = 0 ] || die "not root, and these packages are missing: ${missing[*]}"
		export DEBIAN_FRONTEND=noninteractive
		run apt-update "reading package lists" apt-get update
		# Debian 13's own libyang will do; Debian 12's is too old.
		if [ "$1" = packages ] && apt_has libyang-dev "$LIBYANG_MIN"; then
			missing+=(libyang-dev libyang3-tools)
		fi
		run apt "installing ${#missing[@]} packages" \
			apt-get install -y --no-install-recommends "${missing[@]}"
	fi
	finish "$1" "$digest"
}

packages() {
	install_list packages
	getent group frr >/dev/null || groupadd --system frr
	getent group frrvty >/dev/null || groupadd --system frrvty
	getent passwd frr >/dev/null || useradd --system --no-create-home --home-dir /nonexistent \
		--shell /usr/sbin/nologin --gid frr --groups frrvty frr
}

# ---- sources ----

# Downloads source packages.
fetch() {
	debian_open "$src/apt" deb-src "$FRR_SUITE" &&
		(cd "$src" && apt-get "${debian_apt[@]}" source --download-only "$@")
}

# The one .dsc of a source package, which must be of the version we graft onto.
dsc() {
	local found
	found=$(find "$src" -maxdepth 1 -name "$1_$2*.dsc" | sort -V | tail -n 1)
	[ -n "$found" ] || die "the mirror's $FRR_SUITE has no $1 $2: $(cd "$src" && echo "$1"_*.dsc)"
	echo "$found"
}

libyang_is_old() {
	! pkg-config --atleast-version="$LIBYANG_MIN" libyang 2>/dev/null
}

sources() {
	local names=(frr)
	if libyang_is_old; then
		names+=(libyang)
	fi
	if ! done_already sources "${names[*]}"; then
		run fetch "fetching the sources of ${names[*]}" fetch "${names[@]}"
		finish sources "${names[*]}"
	fi
}

# ---- libyang ----

build_libyang() {
	rm -rf "$src/libyang"
	dpkg-source --no-check -x "$(dsc libyang 3)" "$src/libyang"
	cmake -S "$src/libyang" -B "$src/libyang/build" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
		-DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib -DENABLE_TESTS=OFF \
		-DENABLE_VALGRIND_TESTS=OFF -DENABLE_BUILD_TESTS=OFF
	make -C "$src/libyang/build" -j"$jobs" install
}

libyang() {
	local digest
	libyang_is_old || return 0
	digest=$(sha256sum <"$(dsc libyang 3)")
	if ! done_already libyang "$digest"; then
		run libyang "building libyang (the system's is older than $LIBYANG_MIN)" build_libyang
		finish libyang "$digest"
	fi
}

# ---- FRR ----

configure_frr() {
	cd "$build/frr"
	./bootstrap.sh
	# /etc/frr and /var/run/frr are FRR's own compiled-in places, which topotests and
	# the demo mount privately; everything installed goes below the prefix.
	PYTHON=/usr/bin/python3 PKG_CONFIG_PATH="$prefix/lib/pkgconfig" CFLAGS="-O2 -g" \
		LDFLAGS="-L$prefix/lib -Wl,-rpath,$prefix/lib" ./configure \
		--prefix="$prefix" --sbindir="$prefix/sbin" --libdir="$prefix/lib" \
		--sysconfdir=/etc --localstatedir=/var --with-scriptdir="$prefix/etc/frr/scripts" \
		--enable-user=frr --enable-group=frr --enable-vty-group=frrvty \
		--enable-configfile-mask=0640 --enable-logfile-mask=0640 \
		--enable-multipath=64 --enable-sharpd --enable-nlbd --disable-doc \
		--disable-static --disable-rpki --disable-bgp-vnc --disable-bgp-bmp \
		--disable-ripd --disable-ripngd --disable-ospfd --disable-ospf6d --disable-ldpd \
		--disable-nhrpd --disable-eigrpd --disable-babeld --disable-isisd \
		--disable-pimd --disable-pim6d --disable-pbrd --disable-fabricd \
		--disable-vrrpd --disable-pathd --disable-ospfapi --disable-ospfclient \
		--disable-snmp --disable-protobuf --disable-scripting
}

unpack_frr() {
	rm -rf "$build/frr" "$build/frr.new"
	dpkg-source --no-check -x "$(dsc frr $FRR_VERSION)" "$build/frr.new"
	mv "$build/frr.new" "$build/frr"
}

graft() {
	/usr/bin/python3 frr-nlbd/graft/graft.py apply build/frr
}

# Compiles, and says every ten seconds how far it is.
compile_frr() {
	if ! make -C "$build/frr" -j"$jobs" 2>&1 | tee "$log/frr-make.log" |
		awk -v of="$FRR_OBJECTS" '
			BEGIN {next_at = systime() + 10}
			/^  (CC|CCLD|CLIPPY) / {n++}
			systime() >= next_at {
				printf "setup: building FRR: %d of about %d steps\n", n, of
				fflush()
				next_at += 10
			}'; then
		grep -E 'error|Error' -A5 "$log/frr-make.log" | tail -n 60 >&2
		die "building FRR failed; the whole log is build/log/frr-make.log"
	fi
}

install_frr() {
	make -C "$build/frr" install
}

# What our side of FRR consists of; its digest tells whether anything has to be laid in.
graft_digest() {
	{
		find frr-nlbd yang -type f -not -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum
		sha256sum "$stamp/frr-unpacked"
	} | sha256sum
}

frr() {
	local digest configure_digest start=$SECONDS
	digest=$(sha256sum <"$(dsc frr $FRR_VERSION)")
	if ! done_already frr-unpacked "$digest"; then
		run frr-unpack "unpacking FRR" unpack_frr
		rm -f "$stamp"/frr-*
		finish frr-unpacked "$digest"
	fi
	digest=$(graft_digest)
	if done_already frr-installed "$digest"; then
		return
	fi
	say "grafting nlbd into FRR"
	graft >"$log/graft.log" 2>&1 || {
		cat "$log/graft.log" >&2
		die "the graft does not fit"
	}
	configure_digest=$(declare -f configure_frr | sha256sum)
	if ! done_already frr-configured "$configure_digest" || [ ! -f "$build/frr/Makefile" ]; then
		run frr-configure "configuring FRR" configure_frr
		finish frr-configured "$configure_digest"
	fi
	say "building FRR ..."
	compile_frr
	run frr-install "installing FRR below build/prefix" install_frr
	finish frr-installed "$digest"
	say "FRR with nlbd: done in $((SECONDS - start)) s"
}

case ${1:-all} in
packages)
	packages
	;;
packages-kernels | packages-bench)
	install_list "$1"
	;;
nlbd)
	frr
	;;
all)
	packages
	sources
	libyang
	frr
	;;
*)
	die "unknown step: $1"
	;;
esac
