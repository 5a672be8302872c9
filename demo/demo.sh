#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The demo: the whole system in namespaces, and its story, each step checked.
#
#   demo.sh run    tells the story and removes everything; status 0 when all held
#   demo.sh up     builds it up and leaves it standing
#   demo.sh down   removes it
#   demo.sh enter HOST [COMMAND...]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=demo/hosts.sh
. demo/hosts.sh
# shellcheck source=demo/topology.sh
. demo/topology.sh

failures=0
checks=0
announced=0

title() {
	printf '\n== %s\n' "$*"
}

# check WHAT COMMAND...: one checked statement.
check() {
	local what=$1
	shift
	checks=$((checks + 1))
	if "$@"; then
		printf '  ok      %s\n' "$what"
	else
		printf '  FAILED  %s\n' "$what"
		failures=$((failures + 1))
	fi
}

# show HOST COMMAND...: what an operator would type, and what it answers.
show() {
	local host=$1
	shift
	printf '\n  %s# %s\n' "$host" "$*"
	on "$host" "$vtysh" -c "$*" | sed 's/^/  | /'
}

# ---- what is checked ----

# How many next hops the router's kernel has for a VIP.
router_paths() {
	local family=-4 plen=32
	if [[ $1 == *:* ]]; then
		family=-6 plen=128
	fi
	on router ip -j "$family" route show "$1/$plen" |
		jq '[.[] | if .nexthops then .nexthops[] else . end] | length'
}

has_paths() {
	[ "$(router_paths "$1")" -eq "$2" ]
}

vips_have_paths() {
	has_paths $vip4 "$1" && has_paths $vip6 "$1" && has_paths $vip46 "$1"
}

url() {
	if [[ $1 == *:* ]]; then
		echo "http://[$1]/"
	else
		echo "http://$1/"
	fi
}

# requests VIP N: N connections one after the other, one answer a line.
requests() {
	on client timeout 60 curl --silent --show-error --max-time 3 "$(url "$1")?[1-$2]" 2>&1
}

# tally FILE: how often each line stands in it.
tally() {
	sort "$1" | uniq -c | awk '{printf "%s%s: %d", (NR > 1 ? ", " : ""), $2, $1} END {print ""}'
}

answered() {
	[ "$(grep -c '^web[0-9]$' "$1")" -eq "$2" ] && [ "$(wc -l <"$1")" -eq "$2" ]
}

answered_by() {
	[ "$(sort -u "$1" | xargs)" = "$2" ]
}

# Packets that a node's program has sent on for a VIP.
node_packets() {
	nlbctl "$1" --json stats | jq --arg vip "$2" '[.vips[] | select(.address == $vip) | .packets] | add // 0'
}

backend_state() {
	nlbctl "$1" --json vip "$2" | jq -r --arg b "$3" '.ports[].backends[] | select(.address == $b) | .state'
}

# all_see STATE WEB: both nodes hold that server for UP or DOWN, on all VIPs.
all_see() {
	local node
	for node in "${nodes[@]}"; do
		[ "$(backend_state "$node" $vip4 "$(addr4 "$2")")" = "$1" ] || return 1
		[ "$(backend_state "$node" $vip6 "$(addr6 "$2")")" = "$1" ] || return 1
		[ "$(backend_state "$node" $vip46 "$(addr6 "$2")")" = "$1" ] || return 1
	done
}

# All IPv4 packets that the client has ever sent went to VIPs; has a node passed on each?
# The nodes' counters are in pinned maps: an agent's end is no end to them.
client_packets() {
	on client nstat -asz IpOutRequests | awk '/IpOutRequests/ {print $2}'
}

nodes_packets() {
	local node vip sum=0
	for node in "${nodes[@]}"; do
		for vip in $vip4 $vip46; do
			sum=$((sum + $(node_packets "$node" "$vip")))
		done
	done
	echo "$sum"
}

no_packet_lost() {
	[ "$(client_packets)" -eq "$(nodes_packets)" ]
}

# ---- the story ----

step_announce() {
	title "Announce: a list of VIPs goes in, routes come out at the router"
	check "all VIPs reach the router from both nodes (ECMP)" \
		until_true 40 "two paths for each VIP" vips_have_paths 2
	announced=$((failures == 0))
	show lb1 show nlb summary
	show lb1 show nlb vip
	show lb1 show ip route nlb
	show lb1 show ipv6 route nlb
	show router show bgp ipv4 unicast
	show router show bgp ipv6 unicast
}

step_traffic() {
	local vip out before after node spread
	title "Traffic: 200 requests to each VIP"
	for vip in $vip4 $vip6 $vip46; do
		out=$demo/requests.$vip
		declare -A before=()
		for node in "${nodes[@]}"; do
			before[$node]=$(node_packets "$node" "$vip")
		done
		requests "$vip" 200 >"$out"
		check "$vip: 200 of 200 answered" answered "$out" 200
		check "$vip: by all three servers ($(tally "$out"))" answered_by "$out" "${webs[*]}"
		spread=
		for node in "${nodes[@]}"; do
			after=$(node_packets "$node" "$vip")
			spread+="$node: $((after - before[$node])) packets, "
			check "$vip: $node took its part" test "$after" -gt "${before[$node]}"
		done
		printf '          %s\n' "${spread%, }"
	done
}

step_one_down() {
	local vip out
	title "One server dies: nginx on web2 is stopped"
	web_stop web2
	check "both nodes take web2 out" until_true 20 "web2 down" all_see down web2
	for vip in $vip4 $vip6 $vip46; do
		out=$demo/requests.$vip
		requests "$vip" 200 >"$out"
		check "$vip: 200 of 200 answered, by the others ($(tally "$out"))" answered "$out" 200
		check "$vip: none by web2" answered_by "$out" "web1 web3"
	done
	show lb1 show nlb vip $vip4
}

step_all_down() {
	title "All servers die: the routes are withdrawn"
	web_stop web1
	web_stop web3
	check "no VIP is left at the router" until_true 20 "withdrawal" vips_have_paths 0
	show lb1 show nlb vip
	show router show bgp ipv4 unicast
}

step_all_up() {
	local host
	title "They come back: announced again"
	for host in "${webs[@]}"; do
		web_start "$host"
	done
	check "all VIPs are back from both nodes" until_true 30 "two paths for each VIP" vips_have_paths 2
	for host in "${webs[@]}"; do
		check "$host is in again on both nodes" until_true 20 "$host up" all_see up "$host"
	done
	requests $vip4 50 >"$demo/requests.back"
	check "$vip4: 50 of 50 answered ($(tally "$demo/requests.back"))" answered "$demo/requests.back" 50
	show lb1 show nlb vip
}

agent_answers() {
	nlbctl "$1" --json status | jq -e '.nlbd.synced and .dataplane.adopted and .dataplane.state == "ok"'
}

# The agent's first process on a node: the others are its children.
agent_pids() {
	on "$1" pgrep -x nlb-agent
}

step_agent_killed() {
	local out=$demo/requests.kill rounds=0 traffic
	title "The agent on lb1 is killed with -9 under traffic, and started again"
	rm -f "$demo/stop"
	(
		while [ ! -e "$demo/stop" ]; do
			requests $vip4 100
			requests $vip6 100
		done
	) >"$out" &
	traffic=$!
	until_true 10 "traffic flows" test -s "$out"
	# shellcheck disable=SC2046 # a list of numbers
	on lb1 kill -9 $(agent_pids lb1)
	check "the agent is gone" until_true 5 "agent's end" agent_is_gone lb1
	show lb1 show nlb agent
	rounds=$(wc -l <"$out")
	check "requests go on without it" until_true 20 "300 more answers" more_than "$out" $((rounds + 300))
	check "its routes stay for the hold-time" vips_have_paths 2
	agent_start lb1
	check "the agent is back and has adopted the maps" until_true 30 "agent" agent_answers lb1
	rounds=$(wc -l <"$out")
	check "requests go on with it" until_true 20 "300 more answers" more_than "$out" $((rounds + 300))
	touch "$demo/stop"
	wait $traffic
	check "not one of $(wc -l <"$out") requests failed ($(tally "$out"))" answered "$out" "$(wc -l <"$out")"
	check "not one packet was lost, from the beginning (IPv4: $(client_packets) sent)" \
		until_true 5 "as many passed on as sent" no_packet_lost
	check "the routes are still there" vips_have_paths 2
	show lb1 show nlb agent
}

agent_is_gone() {
	! agent_pids "$1"
}

more_than() {
	[ "$(wc -l <"$1")" -gt "$2" ]
}

story() {
	title "Building it up: client, router, lb1, lb2, web1, web2, web3"
	system_up
	step_announce
	# Without routes the rest would only wait for answers that cannot come.
	if [ "$announced" = 1 ]; then
		step_traffic
		step_one_down
		step_all_down
		step_all_up
		step_agent_killed
	fi
	printf '\n'
	if [ "$failures" -gt 0 ]; then
		printf 'demo: %d of %d checks FAILED; logs are in build/demo/\n' "$failures" "$checks"
		return 1
	fi
	printf 'demo: all %d checks held\n' "$checks"
}

# Logs from the hosts' /run, which end with them.
keep_logs() {
	local host
	for host in router "${nodes[@]}"; do
		on "$host" tar -C /run -cf - frr 2>/dev/null | tar -C "$demo/$host" -xf - 2>/dev/null || true
	done
}

case ${1:-run} in
run)
	hosts_down
	trap 'keep_logs; hosts_down' EXIT
	trap 'exit 130' INT TERM
	story
	;;
up)
	hosts_down
	trap 'hosts_down' EXIT
	system_up
	until_true 40 "two paths for each VIP" vips_have_paths 2
	trap - EXIT
	cat <<-END

		The demo stands. Hosts: router client ${nodes[*]} ${webs[*]}
		  demo/demo.sh enter lb1                        a shell on lb1
		  demo/demo.sh enter lb1 vtysh                  FRR on lb1; try: show nlb vip
		  demo/demo.sh enter lb1 nlbctl status          the agent on lb1
		  demo/demo.sh enter client curl http://$vip4/  a request through the VIP
		  make demo-down                                removes it
	END
	;;
down)
	hosts_down
	;;
enter)
	host=${2:?which host}
	shift 2
	PATH=$PWD/build/prefix/bin:$PWD/build:$PATH
	on "$host" "${@:-bash}"
	;;
*)
	sed -n '5,9s/^# *//p' "$0"
	exit 2
	;;
esac
