# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The demo's network and what runs on each host:
#
#   client --- router ---+--- lb1, lb2          (AS 65001: zebra, mgmtd, bgpd, nlbd, agent, XDP)
#             AS 65000   +--- web1, web2, web3  (nginx, the VIPs on lo, the BPF decapsulator)
#
# The router spreads each VIP's flows over both nodes (ECMP), the node's XDP program sends
# them on in a tunnel to a web server, and that answers the client past the node (DSR).

nodes=(lb1 lb2)
webs=(web1 web2 web3)
vip4=192.0.2.10
vip6=2001:db8:ff::10
vip46=192.0.2.46 # an IPv4 VIP whose servers are reached over IPv6

# Addresses follow from the host's number: 10.NET.0.2 and 2001:db8:NET::2 behind a
# router interface with .1.
net_of() {
	case $1 in
	client) echo 1 ;;
	lb*) echo "2${1#lb}" ;;
	web*) echo "3${1#web}" ;;
	esac
}

addr4() { echo "10.$(net_of "$1").0.2"; }
addr6() { echo "2001:db8:$(net_of "$1")::2"; }

cable() {
	local net mtu=$2
	net=$(net_of "$1")
	link router "$1" "$1" eth0 "$mtu"
	address router "$1" "10.$net.0.1/24" "2001:db8:$net::1/64"
	address "$1" eth0 "10.$net.0.2/24" "2001:db8:$net::2/64"
	on "$1" ip route add default via "10.$net.0.1"
	on "$1" ip -6 route add default via "2001:db8:$net::1"
}

network_up() {
	local host
	for host in router client "${nodes[@]}" "${webs[@]}"; do
		host_make "$host"
	done
	on router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv4.fib_multipath_hash_policy=1 net.ipv6.fib_multipath_hash_policy=1
	cable client 1500
	for host in "${nodes[@]}" "${webs[@]}"; do
		# Room for the tunnel's header beside a client's full-sized packet.
		cable "$host" 1600
		on "$host" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
		# veth: a checksum that nobody has filled in yet would be wrong once tunnelled.
		on router ethtool -K "$host" tx off >/dev/null
	done
	for host in "${nodes[@]}"; do
		# veth delivers what an XDP program sends back only to an end that has one too.
		on router ip link set "$host" xdpdrv obj "$PWD"/build/xdp/nlb_pass.bpf.o sec xdp.frags
	done
}

# ---- web servers ----

web_up() {
	on "$1" ip link set eth0 xdpdrv obj "$PWD"/build/xdp/nlb_decap.bpf.o sec xdp
	on "$1" ip addr add "$vip4/32" dev lo
	on "$1" ip addr add "$vip46/32" dev lo
	on "$1" ip addr add "$vip6/128" dev lo nodad
	mkdir -p "$demo/$1/nginx"
	cat >"$demo/$1/nginx.conf" <<-END
		user root;
		worker_processes 1;
		pid /run/nginx.pid;
		error_log $demo/$1/nginx/error.log;
		events {}
		http {
		  access_log off;
		  keepalive_timeout 0;
		  client_body_temp_path /run/nginx-body;
		  proxy_temp_path /run/nginx-proxy;
		  fastcgi_temp_path /run/nginx-fastcgi;
		  uwsgi_temp_path /run/nginx-uwsgi;
		  scgi_temp_path /run/nginx-scgi;
		  server {
		    listen 80;
		    listen [::]:80;
		    location = /healthz { return 200 "ok\n"; }
		    location / { return 200 "$1\n"; }
		  }
		}
	END
	web_start "$1"
}

web_start() {
	on "$1" nginx -c "$demo/$1/nginx.conf"
}

web_stop() {
	on "$1" nginx -q -c "$demo/$1/nginx.conf" -s stop 2>>"$demo/$1/nginx/error.log"
}

# ---- FRR ----

# frr_up HOST DAEMON...: starts the daemons, then loads the host's frr.conf.
frr_up() {
	local host=$1 daemon
	shift
	install -m 640 -o frr -g frr "$demo/$host/frr.conf" "$demo/$host/etc/frr/frr.conf"
	install -m 640 -o frr -g frrvty /dev/null "$demo/$host/etc/frr/vtysh.conf"
	for daemon in "$@"; do
		frr_start "$host" "$daemon"
	done
	on "$host" "$vtysh" -b >"$demo/$host/vtysh-b.log" 2>&1 || {
		cat "$demo/$host/vtysh-b.log" >&2
		return 1
	}
}

frr_start() {
	on "$1" "$sbin/$2" -d --log "file:/run/frr/$2.log" --log-level info \
		</dev/null >>"$demo/$1/frr.log" 2>&1
	until_true 10 "$2 on $1" on "$1" test -S "/run/frr/$2.vty"
}

router_up() {
	local host
	{
		echo "hostname router"
		echo "router bgp 65000"
		echo " bgp router-id 10.1.0.1"
		echo " no bgp ebgp-requires-policy"
		echo " no bgp default ipv4-unicast"
		for host in "${nodes[@]}"; do
			echo " neighbor $(addr4 "$host") remote-as 65001"
			echo " neighbor $(addr4 "$host") timers 1 3"
			echo " neighbor $(addr4 "$host") timers connect 1"
			echo " neighbor $(addr6 "$host") remote-as 65001"
			echo " neighbor $(addr6 "$host") timers 1 3"
			echo " neighbor $(addr6 "$host") timers connect 1"
		done
		echo " address-family ipv4 unicast"
		for host in "${nodes[@]}"; do
			echo "  neighbor $(addr4 "$host") activate"
		done
		echo " exit-address-family"
		echo " address-family ipv6 unicast"
		for host in "${nodes[@]}"; do
			echo "  neighbor $(addr6 "$host") activate"
		done
		echo " exit-address-family"
		echo "exit"
	} >"$demo/router/frr.conf"
	frr_up router mgmtd zebra bgpd
}

node_frr_up() {
	local net
	net=$(net_of "$1")
	cat >"$demo/$1/frr.conf" <<-END
		hostname $1
		router bgp 65001
		 bgp router-id 10.$net.0.2
		 no bgp ebgp-requires-policy
		 no bgp default ipv4-unicast
		 neighbor 10.$net.0.1 remote-as 65000
		 neighbor 10.$net.0.1 timers 1 3
		 neighbor 10.$net.0.1 advertisement-interval 0
		 neighbor 2001:db8:$net::1 remote-as 65000
		 neighbor 2001:db8:$net::1 timers 1 3
		 neighbor 2001:db8:$net::1 advertisement-interval 0
		 address-family ipv4 unicast
		  redistribute nlb
		  neighbor 10.$net.0.1 activate
		 exit-address-family
		 address-family ipv6 unicast
		  redistribute nlb
		  neighbor 2001:db8:$net::1 activate
		 exit-address-family
		exit
		nlb
		 vip-pool 192.0.2.0/24
		 vip-pool 2001:db8:ff::/48
		exit
	END
	frr_up "$1" mgmtd zebra bgpd nlbd
}

# ---- the agent ----

# The list of VIPs as a scheduler hands it out; here from a file that the agent watches. The
# servers of the last one are checked through the tunnel.
vip_list() {
	local checks='[{"type": "icmp"}, {"type": "http", "port": 80, "path": "/healthz", "body": "ok"}]'
	local pace='"interval_ms": 500, "timeout_ms": 400, "rise": 2, "fall": 2'
	local list4 list6 host
	list4=$(for host in "${webs[@]}"; do printf '{"address": "%s"},' "$(addr4 "$host")"; done)
	list6=$(for host in "${webs[@]}"; do printf '{"address": "%s"},' "$(addr6 "$host")"; done)
	vip() {
		printf '{"id": "%s", "address": "%s", "desired_revision": 1, "synced_revision": 0,
			"deletion": false, "tag": 100, "ports": [{"protocol": "tcp", "port": 80,
			"backends": [%s], "health": {%s, "tunnel": %s, "checks": %s}}]}' \
			"$1" "$2" "${3%,}" "$pace" "$4" "$checks"
	}
	printf '{"revision": 1, "vips": [%s,\n%s,\n%s]}\n' "$(vip web4 $vip4 "$list4" false)" \
		"$(vip web6 $vip6 "$list6" false)" "$(vip web46 $vip46 "$list6" true)"
}

agent_up() {
	local dir=$demo/$1
	install -d -o frr -g frr "$dir/state"
	vip_list >"$dir/vips.json"
	cat >"$dir/agent.conf" <<-END
		[node]
		name = $1
		state-dir = $dir/state
		user = frr
		[scheduler]
		url = file:$dir/vips.json
		[dataplane]
		interface = eth0
		mode = native
		hold-down-ms = 1000
	END
	agent_start "$1"
}

agent_start() {
	on "$1" setsid "$PWD/build/nlb-agent" -c "$demo/$1/agent.conf" </dev/null >>"$demo/$1/agent.log" 2>&1 &
	disown
}

nlbctl() {
	on "$1" "$PWD/build/nlbctl" "${@:2}"
}

system_up() {
	local host
	network_up
	for host in "${webs[@]}"; do
		web_up "$host"
	done
	router_up
	for host in "${nodes[@]}"; do
		node_frr_up "$host"
		agent_up "$host"
	done
}
