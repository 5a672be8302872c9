// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checks through the tunnel, on the maps child's side. A socket with a mark is connected to a
 * VIP, and its SYN is caught on the wire: it must be, byte by byte, what the XDP program
 * that is attached makes of the same SYN. Then rules and routes: put back, removed, left over by
 * another agent, and shut where a probe would tell a lie.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <cmocka.h>

#include "maps_fs.h"
#include "maps_host.h"
#include "pkt.h"
#include "util.h"
#include "xdp/nlb_shared.h"
#include "xdp_net.h"

#define VIP4	  "192.0.2.1"
#define VIP6	  "2001:db8:f::1"
#define PORT	  80
#define FRAME_MAX 2048

#define NEEDS_ROOT()                                                                               \
	do {                                                                                       \
		if (!possible)                                                                     \
			skip();                                                                    \
	} while (0)

static bool possible;
static struct maps_host host;

struct frame {
	uint8_t data[FRAME_MAX];
	size_t len;
};

/* ---- the wire ---- */

static int wire_open(void)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)if_nametoindex("lb1")};
	const struct timeval limit = {.tv_sec = 5};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), on = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* The kernel takes the tag of a frame that comes in out of it: it is put back. */
static void put_tag(struct frame *f, const struct msghdr *msg)
{
	for (const struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR((struct msghdr *)msg, (struct cmsghdr *)c)) {
		const struct tpacket_auxdata *aux = (const void *)CMSG_DATA(c);
		uint16_t tag[2];

		if (c->cmsg_type != PACKET_AUXDATA || !(aux->tp_status & TP_STATUS_VLAN_VALID))
			continue;
		tag[0] = htons(aux->tp_vlan_tpid);
		tag[1] = htons(aux->tp_vlan_tci);
		memmove(f->data + 16, f->data + 12, f->len - 12);
		memcpy(f->data + 12, tag, 4);
		f->len += 4;
	}
}

static size_t eth_len(const struct frame *f)
{
	size_t at = 12;

	while (f->data[at] == 0x81 && at < f->len)
		at += 4;
	return at + 2;
}

/* The next frame with a tunnel header, also behind VLAN tags; what else there is is passed over. */
static void wire_read(int fd, struct frame *ret)
{
	for (;;) {
		struct iovec iov = {.iov_base = ret->data, .iov_len = FRAME_MAX - 4};
		_Alignas(struct cmsghdr) char control[256];
		struct msghdr msg = {.msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control,
				     .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(fd, &msg, 0);
		const uint8_t *ip;

		assert_true(n > 0);
		ret->len = (size_t)n;
		put_tag(ret, &msg);
		ip = ret->data + eth_len(ret);
		if (ip[0] == 0x45 && (ip[9] == IPPROTO_IPIP || ip[9] == IPPROTO_IPV6))
			return;
		if (ip[0] >> 4 == 6 && (ip[6] == IPPROTO_IPIP || ip[6] == IPPROTO_IPV6))
			return;
	}
}

/* ---- the XDP program ---- */

static int xdp_fd(void)
{
	char path[MAPS_FS_PATH_LEN];
	struct bpf_link_info info = {};
	uint32_t len = sizeof(info);
	int link, fd;

	maps_fs_link_path(&host.cfg, "lb0", path);
	link = bpf_obj_get(path);
	assert_true(link >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(link, &info, &len), 0);
	fd = bpf_prog_get_fd_by_id(info.prog_id);
	assert_true(fd >= 0);
	close(link);
	return fd;
}

/* What the attached program makes of a frame that comes in by lb0. */
static void xdp_run(const struct frame *in, struct frame *ret)
{
	struct xdp_md ctx = {.data_end = (uint32_t)in->len,
			     .ingress_ifindex = if_nametoindex("lb0")};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->data, .data_size_in = (uint32_t)in->len,
		    .data_out = ret->data, .data_size_out = FRAME_MAX, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx));
	int fd = xdp_fd();

	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
	close(fd);
	assert_int_equal(opts.retval, XDP_TX);
	ret->len = opts.data_size_out;
}

/* The packet in the tunnel as a client would have sent it: with one hop more, in a frame. */
static void unwrap(const struct frame *out, struct frame *ret)
{
	size_t at = eth_len(out);
	uint8_t *ip = ret->data + 14;

	at += out->data[at] >> 4 == 4 ? 20 : 40;
	ret->len = out->len - at + 14;
	memset(ret->data, 0, 12);
	ret->data[0] = 2;
	ret->data[6] = 2;
	memcpy(ip, out->data + at, out->len - at);
	if (ip[0] >> 4 == 4) {
		uint16_t check;

		ip[8]++;
		memset(ip + 10, 0, 2);
		check = pkt_fold(pkt_sum(ip, 20, 0));
		memcpy(ip + 10, &check, 2);
	} else {
		ip[7]++;
	}
	memcpy(ret->data + 12, ip[0] >> 4 == 4 ? "\x08\x00" : "\x86\xdd", 2);
}

static void assert_as_xdp(const struct frame *out)
{
	struct frame in, want;

	unwrap(out, &in);
	xdp_run(&in, &want);
	assert_int_equal(out->len, want.len);
	assert_memory_equal(out->data, want.data, want.len);
}

/* ---- probes ---- */

/* A socket that connects to the VIP with a mark; *ret_err is 0, or connect()'s errno. */
static int probe(const char *vip, uint32_t mark, int *ret_err)
{
	struct sockaddr_storage to;
	struct addr a;
	socklen_t len;
	int fd;

	assert_int_equal(addr_parse(vip, &a), 0);
	len = addr_to_sockaddr(&a, PORT, &to);
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	*ret_err =
		connect(fd, (struct sockaddr *)&to, len) == 0 || errno == EINPROGRESS ? 0 : errno;
	return fd;
}

static int probe_error(const char *vip, uint32_t mark)
{
	int err;

	close(probe(vip, mark, &err));
	return err;
}

/* One SYN to each VIP through the tunnel to the backend, and what the XDP program would do. */
static void probe_both(const char *backend)
{
	uint32_t mark = maps_host_tunnel(&host, backend);
	int wire = wire_open();

	assert_int_equal(mark & NLB_TUNNEL_MASK, 0x4e400000);
	assert_int_not_equal(mark & NLB_TUNNEL_BACKEND, 0);
	for (int i = 0; i < 2; i++) {
		const char *vip = i ? VIP6 : VIP4;
		struct frame out;
		int err, fd;

		maps_host_svc(&host, vip, PORT, 7, (const char *[]){backend, NULL});
		maps_host_commit(&host);
		fd = probe(vip, mark, &err);
		assert_int_equal(err, 0);
		wire_read(wire, &out);
		assert_as_xdp(&out);
		close(fd);
	}
	close(wire);
}

/* Of the marks' packets that left by a hop of the agent's, or went by the kernel's routes, ... */
static uint64_t count(const char *name)
{
	maps_host_stats(&host);
	for (size_t i = 0; i < host.n_events; i++)
		if (strcmp(host.events[i].name, name) == 0)
			return host.events[i].packets;
	fail_msg("no event %s", name);
	return 0;
}

/* ---- the tests ---- */

static void start(void)
{
	maps_host_start(&host);
	assert_true(host.ready);
	maps_host_vip(&host, VIP4);
	maps_host_vip(&host, VIP6);
}

static int setup(void **state)
{
	(void)state;
	possible = maps_host_init(&host);
	if (!possible)
		return 0;
	xdp_net_sysctl("ipv4/conf/all/rp_filter", "0");
	xdp_net_sysctl("ipv4/conf/lb0/rp_filter", "0");
	/* As nlbd has them. */
	xdp_net_run("ip route add blackhole " VIP4);
	xdp_net_run("ip route add blackhole " VIP6);
	start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (possible && host.child)
		assert_int_equal(maps_host_stop(&host), 0);
	return 0;
}

static void test_as_the_data_plane(void **state)
{
	(void)state;
	NEEDS_ROOT();
	probe_both("10.0.0.11");
	probe_both("fd00::12");
	assert_int_equal(count("tunnel_check"), 4);
	assert_int_equal(count("tunnel_check_routed"), 0);
	assert_memory_equal(host.tunnel_state.up, ((uint8_t[]){1, 1}), 2);
	assert_int_equal(host.n_tunnel_states, 1);
}

/* Each flow has an outer source of its own. */
static void test_source_prefix(void **state)
{
	(void)state;
	NEEDS_ROOT();
	maps_host_stop(&host);
	host.cfg.has_source4 = host.cfg.has_source6 = true;
	assert_int_equal(addr_parse("10.255.0.0", &host.cfg.source4), 0);
	assert_int_equal(addr_parse("fd55::", &host.cfg.source6), 0);
	host.cfg.source4_plen = 16;
	host.cfg.source6_plen = 96;
	start();
	probe_both("10.0.0.11");
	probe_both("fd00::12");
	assert_int_equal(count("tunnel_check"), 4);
}

static int map_fd(const char *name)
{
	char path[MAPS_FS_PATH_LEN], dir[MAPS_FS_PATH_LEN];
	int fd;

	maps_fs_layout_dir(&host.cfg, dir);
	snprintf(path, sizeof(path), "%.500s/%s", dir, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

/* Puts n VLAN tags into the hop of a backend that has a mark, as a VLAN device would have. */
static void tag_hop(uint32_t mark, unsigned int n)
{
	int backends = map_fd("nlb_backends"), hops = map_fd("nlb_hops");
	uint32_t number = mark & NLB_TUNNEL_BACKEND;
	struct nlb_backend b;
	struct nlb_hop hop;

	assert_int_equal(bpf_map_lookup_elem(backends, &number, &b), 0);
	assert_int_not_equal(b.hop, 0);
	assert_int_equal(bpf_map_lookup_elem(hops, &b.hop, &hop), 0);
	assert_int_equal(hop.eth_len, 14);
	memmove(hop.eth + 12 + 4 * n, hop.eth + 12, 2);
	memcpy(hop.eth + 12, "\x81\x00\x00\x07\x81\x00\x00\x09", 4 * n);
	hop.eth_len = (uint8_t)(14 + 4 * n);
	assert_int_equal(bpf_map_update_elem(hops, &b.hop, &hop, BPF_ANY), 0);
	close(backends);
	close(hops);
}

static void test_vlan(void **state)
{
	static const char *const backends[] = {"10.0.0.11", "fd00::12"};

	(void)state;
	NEEDS_ROOT();
	for (unsigned int i = 0; i < 2; i++) {
		maps_host_svc(&host, VIP4, PORT, 7, (const char *[]){backends[i], NULL});
		maps_host_commit(&host);
		tag_hop(maps_host_tunnel(&host, backends[i]), i + 1);
		probe_both(backends[i]);
	}
	assert_int_equal(count("tunnel_check"), 4);
}

/*
 * A backend whose neighbour is not known has no hop. The kernel keeps the packet while it
 * asks, and sends it when there is an answer.
 */
static void test_routed(void **state)
{
	uint32_t mark;
	struct frame out;
	int err, fd, wire;

	(void)state;
	NEEDS_ROOT();
	for (int i = 0; i < 2; i++) {
		const char *backend = i ? "fd00::99" : "10.0.0.99";

		maps_host_svc(&host, VIP4, PORT, 7, (const char *[]){backend, NULL});
		maps_host_commit(&host);
		mark = maps_host_tunnel(&host, backend);
		wire = wire_open();
		fd = probe(VIP4, mark, &err);
		assert_int_equal(err, 0);
		assert_int_equal(count("tunnel_check_routed"), i + 1);
		xdp_net_run("ip neigh replace %s lladdr 02:00:00:00:00:99 dev lb0 nud permanent",
			    backend);
		wire_read(wire, &out);
		maps_host_wait_state(&host, VIP4, PORT, MSG_SVC_PROVEN);
		assert_as_xdp(&out);
		close(fd);
		close(wire);
	}
	assert_int_equal(count("tunnel_check"), 0);
}

/* A probe that cannot get into the tunnel must fail here, and at once. */
static void test_interface_down(void **state)
{
	unsigned int n;
	uint32_t mark;

	(void)state;
	NEEDS_ROOT();
	mark = maps_host_tunnel(&host, "10.0.0.11");
	assert_int_equal(probe_error(VIP4, mark), 0);
	xdp_net_run("ip route del blackhole " VIP4);
	xdp_net_run("ip link set lb0 down");
	assert_int_equal(probe_error(VIP4, mark), EINVAL);
	assert_int_equal(probe_error(VIP6, mark), EINVAL);
	for (n = 0; host.tunnel_state.up[0] && n < 500; n++)
		maps_host_linger(&host, 20);
	assert_memory_equal(host.tunnel_state.up, ((uint8_t[]){0, 0}), 2);
	assert_non_null(strstr(host.tunnel_state.reason[0], "is up"));
	xdp_net_run("ip link set lb0 up");
	for (n = 0; !host.tunnel_state.up[0] && n < 500; n++)
		maps_host_linger(&host, 20);
	assert_memory_equal(host.tunnel_state.up, ((uint8_t[]){1, 1}), 2);
	assert_int_equal(probe_error(VIP4, mark), 0);
}

/* Is a probe with the mark brought to the table? Without, the VIP is a blackhole. */
static bool led(uint32_t mark)
{
	return probe_error(VIP4, mark) == 0 && probe_error(VIP6, mark) == 0;
}

/* Has a probe of the VIP this source, and room for so much before the tunnel? */
static bool leaves_by(const char *vip, uint32_t mark, const char *source, int mtu)
{
	struct sockaddr_storage ss = {};
	socklen_t len = sizeof(ss);
	struct addr want, have;
	int fd, err, room = 0;
	bool v4;

	assert_int_equal(addr_parse(source, &want), 0);
	v4 = addr_is_v4(&want);
	fd = probe(vip, mark, &err);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(addr_from_sockaddr(&ss, &have), 0);
	len = sizeof(room);
	getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &room, &len);
	close(fd);
	return !err && addr_cmp(&want, &have) == 0 && room == mtu;
}

/* While one interface is up, there is a way, whichever it is. */
static void test_two_interfaces(void **state)
{
	uint32_t mark;

	(void)state;
	NEEDS_ROOT();
	maps_host_stop(&host);
	xdp_net_run("ip link add lb2 type veth peer name lb3");
	xdp_net_run("ip link set lb3 up");
	xdp_net_run("ip link set lb2 mtu 1400 up");
	xdp_net_run("ip addr add 10.2.0.1/24 dev lb2");
	xdp_net_run("ip addr add fd02::1/64 dev lb2 nodad");
	xdp_net_sysctl("ipv6/conf/lb0/keep_addr_on_down", "1");
	snprintf(host.cfg.interfaces[host.cfg.n_interfaces++], IF_NAMESIZE, "lb2");
	start();
	mark = maps_host_tunnel(&host, "10.0.0.11");
	assert_true(led(mark));
	for (unsigned int i = 0; i < 2; i++) {
		bool moved = false;

		xdp_net_run("ip link set lb%u down", i ? 2 : 0);
		for (unsigned int n = 0; !moved && n < 500; n++) {
			maps_host_linger(&host, 20);
			moved = leaves_by(VIP4, mark, i ? "10.0.0.1" : "10.2.0.1",
					  i ? 1460 : 1360) &&
				leaves_by(VIP6, mark, i ? "fd00::1" : "fd02::1", i ? 1460 : 1360);
		}
		assert_true(moved);
		xdp_net_run("ip link set lb%u up", i ? 2 : 0);
	}
	assert_memory_equal(host.tunnel_state.up, ((uint8_t[]){1, 1}), 2);
}

/* Answers would be thrown away: it is this node's fault, and no backend's. */
static void test_rp_filter(void **state)
{
	unsigned int n;

	(void)state;
	NEEDS_ROOT();
	maps_host_tunnel(&host, "10.0.0.11");
	assert_int_equal(host.tunnel_state.up[0], 1);
	xdp_net_sysctl("ipv4/conf/lb0/rp_filter", "2");
	for (n = 0; host.tunnel_state.up[0] && n < 500; n++)
		maps_host_linger(&host, 20);
	assert_memory_equal(host.tunnel_state.up, ((uint8_t[]){0, 1}), 2);
	assert_string_equal(host.tunnel_state.reason[0], "net.ipv4.conf.lb0.rp_filter must be 0");
	xdp_net_sysctl("ipv4/conf/lb0/rp_filter", "0");
	for (n = 0; !host.tunnel_state.up[0] && n < 500; n++)
		maps_host_linger(&host, 20);
	xdp_net_sysctl("ipv4/conf/all/rp_filter", "1");
	for (n = 0; host.tunnel_state.up[0] && n < 500; n++)
		maps_host_linger(&host, 20);
	assert_string_equal(host.tunnel_state.reason[0], "net.ipv4.conf.all.rp_filter must be 0");
}

/* What others take away is put back. */
static void test_put_back(void **state)
{
	static const char *const taken[] = {
		"ip rule del priority 100",
		"ip -6 rule del priority 100",
		"ip route del default table 1252",
		"ip -6 route flush table 1252",
	};
	uint32_t mark;

	(void)state;
	NEEDS_ROOT();
	mark = maps_host_tunnel(&host, "10.0.0.11");
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		assert_true(led(mark));
		xdp_net_run("%s", taken[i]);
		assert_false(led(mark));
		for (unsigned int n = 0; !led(mark) && n < 500; n++)
			maps_host_linger(&host, 20);
		assert_true(led(mark));
	}
	assert_int_equal(host.n_tunnel_states, 1);
}

/* Nothing is left: without a mark, at the end, and of an agent that was killed. */
static void test_removed(void **state)
{
	uint32_t mark;

	(void)state;
	NEEDS_ROOT();
	mark = maps_host_tunnel(&host, "10.0.0.11");
	assert_true(led(mark));
	maps_host_tunnel_del(&host, "10.0.0.11");
	for (unsigned int n = 0; led(mark) && n < 500; n++)
		maps_host_linger(&host, 20);
	assert_false(led(mark));

	mark = maps_host_tunnel(&host, "10.0.0.12");
	assert_true(led(mark));
	assert_int_equal(maps_host_stop(&host), 0);
	assert_false(led(mark));

	maps_host_start(&host);
	mark = maps_host_tunnel(&host, "10.0.0.12");
	maps_host_kill(&host);
	assert_true(led(mark));
	/* Another one, which would have its own elsewhere, and leaves alone what is not ours. */
	xdp_net_run("ip rule add fwmark 0x4e400000/0xfff00000 table 99 priority 101");
	host.cfg.tunnel_table = 4711;
	host.cfg.tunnel_priority = 200;
	maps_host_start(&host);
	assert_false(led(mark));
	assert_int_not_equal(xdp_net_try("ip -6 route get fibmatch " VIP6 " mark %u", mark), 0);
	xdp_net_run("ip rule del priority 101");
	assert_int_not_equal(xdp_net_try("ip rule del priority 100"), 0);
	mark = maps_host_tunnel(&host, "10.0.0.12");
	assert_true(led(mark));
	xdp_net_run("ip rule del priority 200");
}

/* A mark keeps its backend's number; an address more than there are numbers gets none. */
static void test_numbers(void **state)
{
	uint32_t first;
	char text[ADDR_STRLEN];

	(void)state;
	NEEDS_ROOT();
	first = maps_host_tunnel(&host, "10.0.0.11");
	assert_int_equal(maps_host_tunnel(&host, "10.0.0.11"), first);
	for (unsigned int i = 1; i < host.cfg.max_backends; i++) {
		snprintf(text, sizeof(text), "10.9.0.%u", i);
		assert_int_not_equal(maps_host_tunnel(&host, text), 0);
	}
	assert_int_equal(maps_host_tunnel(&host, "10.9.1.1"), 0);
	assert_int_equal(host.tunnel.error, -ENOSPC);
	maps_host_tunnel_del(&host, "10.9.0.1");
	assert_int_not_equal(maps_host_tunnel(&host, "10.9.1.1"), 0);
	maps_host_tunnel_del(&host, "10.9.9.9");
	assert_int_equal(maps_host_tunnel(&host, "10.0.0.11"), first);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_as_the_data_plane), TEST(test_source_prefix), TEST(test_vlan),
		TEST(test_two_interfaces),    TEST(test_routed),	TEST(test_interface_down),
		TEST(test_rp_filter),	      TEST(test_put_back),	TEST(test_removed),
		TEST(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
