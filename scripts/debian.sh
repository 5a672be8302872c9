# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Packages of another Debian release than the machine's, sourced by what needs them. They
# come through an apt configuration of our own, so that the machine's sources stay as they
# are, and from the mirror that the machine itself uses.

# debian_mirror: the machine's own mirror, which is the first URI that serves its release.
debian_mirror() {
	local codename
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	{
		awk -v suite="$codename" '
			/^URIs:/ {uri = $2}
			/^Suites:/ {for (i = 2; i <= NF; i++) if ($i == suite) found = 1}
			/^$/ {if (found && uri) print uri; uri = ""; found = 0}
			END {if (found && uri) print uri}' \
			/etc/apt/sources.list.d/*.sources 2>/dev/null || true
		sed -n "s/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\)  *$codename  *.*/\2/p" \
			/etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true
	} | head -n 1
}

# debian_open DIR TYPE SUITE: makes DIR (absolute) the home of such a configuration, with
# one entry of TYPE (deb, deb-src), and reads the suite's package lists. debian_apt then
# holds the options for apt-get and apt-cache.
debian_open() {
	local uri
	uri=$(debian_mirror)
	if [ -z "$uri" ]; then
		echo "no Debian mirror found in the machine's own apt sources" >&2
		return 1
	fi
	mkdir -p "$1/parts" "$1/lists/partial" "$1/cache/archives/partial"
	cat >"$1/parts/nlb.sources" <<-END
		Types: $2
		URIs: $uri
		Suites: $3
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	END
	debian_apt=(-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$1/parts"
		-o Dir::State::lists="$1/lists" -o Dir::Cache="$1/cache" -o APT::Sandbox::User=root)
	apt-get "${debian_apt[@]}" update
}
