#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Everything that can be said about the sources without running them; zero findings is
# what passes. --fix lets the formatters rewrite what they can.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

failed=0

# step NAME COMMAND...: one tool; its output is shown when it finds something.
step() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		printf 'lint: %-14s ok\n' "$name"
	else
		printf 'lint: %-14s FINDINGS\n%s\n' "$name" "$output"
		failed=1
	fi
}

# ours PATTERN...: files that git tracks or would track.
ours() {
	git ls-files --cached --others --exclude-standard -- "$@"
}

mapfile -t c_files < <(ours '*.c' '*.h')
mapfile -t py_files < <(ours '*.py')
# Only what can be started: a sourced file is checked where it is sourced.
mapfile -t sh_files < <(ours '*.sh' .ci/run | xargs grep -lE '^#!/bin/(ba)?sh')
mapfile -t yang_files < <(ours 'yang/*.yang')

# Whatever begins with #! can be started.
executable() {
	local file wrong=0

	for file in "${py_files[@]}" "${sh_files[@]}"; do
		if [ ! -x "$file" ] && head -c 2 "$file" | grep -q '^#!'; then
			echo "$file: begins with #!, but is not executable"
			wrong=1
		fi
	done
	return "$wrong"
}

if [ "${1:-}" = --fix ]; then
	clang-format -i "${c_files[@]}"
	black -q -l 100 "${py_files[@]}"
	exit
fi

# The agent, nlbctl and the unit tests, warning-free with each compiler.
compiles() {
	local dir=build/lint/$1
	mkdir -p "$dir/stamp"
	cp build/stamp/packages "$dir/stamp/packages"
	make --no-print-directory -j"$(nproc)" CC="$1" BUILD="$dir" agent xdp bench-build
}

static_analysis() {
	local options=(--quiet --error-exitcode=1
		--enable=warning --enable=performance --enable=portability
		--inline-suppr --std=c11 -D__linux__ -DNULL=0 --suppress=missingInclude
		--suppress=unknownMacro)
	cppcheck "${options[@]}" -Iagent -Ixdp -I. agent bench &&
		cppcheck "${options[@]}" '-DFRR_DAEMON_INFO(n,c,...)=' -Ifrr-nlbd frr-nlbd/nlbd
}

yang_reproduced() {
	local file lint=build/prefix/bin/yanglint modules=build/frr/yang
	local -x LD_LIBRARY_PATH=build/prefix/lib
	[ -x "$lint" ] || lint=yanglint
	for file in "${yang_files[@]}"; do
		"$lint" -p "$modules" "$file" || return 1
		"$lint" -p "$modules" -f yang "$file" | diff -u "$file" - || return 1
	done
}

whitespace() {
	! git grep -nIE '[[:space:]]+$' -- . ':!*.md' ':!tests/fuzz/corpus'
}

step clang-format clang-format --dry-run -Werror "${c_files[@]}"
step black black -q -l 100 --check --diff "${py_files[@]}"
step executable executable
step shellcheck shellcheck -x "${sh_files[@]}"
step whitespace whitespace
step gcc compiles gcc
step clang compiles clang
step cppcheck static_analysis
step yanglint yang_reproduced

exit "$failed"
