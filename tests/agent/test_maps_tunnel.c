// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checks through the tunnel, on the maps child's side. A socket with a mark is connected to a
 * VIP, and its SYN is caught on the wire: it must be, byte by byte, what the XDP program
 * that is attached makes of the same SYN.
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
#include "pkt.h"
#include "tunnel_fixture.h"
#include "util.h"
#include "xdp/nlb_shared.h"
#include "xdp_net.h"

#define FRAME_MAX 2048

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

	maps_fs_link_path(&tunnel_fx_host.cfg, "lb0", path);
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

/* ---- the tests ---- */

/* One SYN to each VIP through the tunnel to the backend, and what the XDP program would do. */
static void probe_both(const char *backend)
{
	uint32_t mark = maps_host_tunnel(&tunnel_fx_host, backend);
	int wire = wire_open();

	assert_int_equal(mark & NLB_TUNNEL_MASK, 0x4e400000);
	assert_int_not_equal(mark & NLB_TUNNEL_BACKEND, 0);
	for (int i = 0; i < 2; i++) {
		const char *vip = i ? TUNNEL_FX_VIP6 : TUNNEL_FX_VIP4;
		struct frame out;
		int err, fd;

		maps_host_svc(&tunnel_fx_host, vip, TUNNEL_FX_PORT, 7,
			      (const char *[]){backend, NULL});
		maps_host_commit(&tunnel_fx_host);
		fd = tunnel_fx_probe(vip, mark, &err);
		assert_int_equal(err, 0);
		wire_read(wire, &out);
		assert_as_xdp(&out);
		close(fd);
	}
	close(wire);
}

static void test_as_the_data_plane(void **state)
{
	(void)state;
	TUNNEL_FX_NEEDED();
	probe_both("10.0.0.11");
	probe_both("fd00::12");
	assert_int_equal(tunnel_fx_count("tunnel_check"), 4);
	assert_int_equal(tunnel_fx_count("tunnel_check_routed"), 0);
	assert_memory_equal(tunnel_fx_host.tunnel_state.up, ((uint8_t[]){1, 1}), 2);
	assert_int_equal(tunnel_fx_host.n_tunnel_states, 1);
}

static void with_prefixes(void)
{
	maps_host_stop(&tunnel_fx_host);
	tunnel_fx_host.cfg.has_source4 = tunnel_fx_host.cfg.has_source6 = true;
	assert_int_equal(addr_parse("10.255.0.0", &tunnel_fx_host.cfg.source4), 0);
	assert_int_equal(addr_parse("fd55::", &tunnel_fx_host.cfg.source6), 0);
	tunnel_fx_host.cfg.source4_plen = 16;
	tunnel_fx_host.cfg.source6_plen = 96;
	tunnel_fx_start();
}

/* Each flow has an outer source of its own. */
static void test_source_prefix(void **state)
{
	(void)state;
	TUNNEL_FX_NEEDED();
	with_prefixes();
	probe_both("10.0.0.11");
	probe_both("fd00::12");
	assert_int_equal(tunnel_fx_count("tunnel_check"), 4);
}

/* Puts n VLAN tags into the hop of a backend that has a mark, as a VLAN device would have. */
static void tag_hop(uint32_t mark, unsigned int n)
{
	int backends = maps_host_map_fd(&tunnel_fx_host, "nlb_backends"),
	    hops = maps_host_map_fd(&tunnel_fx_host, "nlb_hops");
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
	TUNNEL_FX_NEEDED();
	for (unsigned int i = 0; i < 2; i++) {
		maps_host_svc(&tunnel_fx_host, TUNNEL_FX_VIP4, TUNNEL_FX_PORT, 7,
			      (const char *[]){backends[i], NULL});
		maps_host_commit(&tunnel_fx_host);
		tag_hop(maps_host_tunnel(&tunnel_fx_host, backends[i]), i + 1);
		probe_both(backends[i]);
	}
	assert_int_equal(tunnel_fx_count("tunnel_check"), 4);
}

/* A datagram to the VIP; 0 or errno. */
static int send_udp(const char *vip, uint32_t mark, size_t len)
{
	static const uint8_t data[4000];
	struct sockaddr_storage to;
	struct addr a;
	int fd, err = 0;
	socklen_t to_len;

	assert_int_equal(addr_parse(vip, &a), 0);
	to_len = addr_to_sockaddr(&a, TUNNEL_FX_PORT, &to);
	fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	if (sendto(fd, data, len, 0, (struct sockaddr *)&to, to_len) < 0)
		err = errno;
	close(fd);
	return err;
}

/* All fragments of a datagram have one outer source, and fit. */
static void test_fragments(void **state)
{
	struct frame first, next;
	uint32_t mark;
	int wire;

	(void)state;
	TUNNEL_FX_NEEDED();
	with_prefixes();
	mark = maps_host_tunnel(&tunnel_fx_host, "10.0.0.11");
	for (int i = 0; i < 2; i++) {
		wire = wire_open();
		assert_int_equal(send_udp(i ? TUNNEL_FX_VIP6 : TUNNEL_FX_VIP4, mark, 4000), 0);
		wire_read(wire, &first);
		for (int k = 0; k < 2; k++) {
			wire_read(wire, &next);
			assert_memory_equal(next.data + 26, first.data + 26, 8);
			assert_true(next.len <= 1514);
		}
		close(wire);
	}
}

/* What cannot be sent is dropped under its reason, as by the XDP program. */
static void test_drops(void **state)
{
	uint32_t mark, number, zero = 0;
	struct nlb_config config;
	struct nlb_backend b;
	struct nlb_hop hop;
	int backends, hops, configs;

	(void)state;
	TUNNEL_FX_NEEDED();
	mark = maps_host_tunnel(&tunnel_fx_host, "10.0.0.11");
	number = mark & NLB_TUNNEL_BACKEND;
	backends = maps_host_map_fd(&tunnel_fx_host, "nlb_backends");
	hops = maps_host_map_fd(&tunnel_fx_host, "nlb_hops");
	configs = maps_host_map_fd(&tunnel_fx_host, "nlb_config");
	assert_int_equal(bpf_map_lookup_elem(backends, &number, &b), 0);
	assert_int_equal(bpf_map_lookup_elem(hops, &b.hop, &hop), 0);
	hop.mtu = 20 + 20 + 8 + 100;
	assert_int_equal(bpf_map_update_elem(hops, &b.hop, &hop, BPF_ANY), 0);
	assert_int_equal(send_udp(TUNNEL_FX_VIP4, mark, 100), 0);
	assert_int_equal(send_udp(TUNNEL_FX_VIP4, mark, 101), EPERM);
	assert_int_equal(tunnel_fx_count("tunnel_check"), 1);
	assert_int_equal(tunnel_fx_count("tunnel_check_too_big"), 1);

	assert_int_equal(send_udp(TUNNEL_FX_VIP4, mark & NLB_TUNNEL_MASK, 1), EPERM);
	assert_int_equal(send_udp(TUNNEL_FX_VIP4, mark + 1, 1), EPERM);
	assert_int_equal(send_udp(TUNNEL_FX_VIP4, mark | NLB_TUNNEL_BACKEND, 1), EPERM);
	assert_int_equal(tunnel_fx_count("tunnel_check_no_backend"), 3);

	b.hop = 0;
	assert_int_equal(bpf_map_update_elem(backends, &number, &b, BPF_ANY), 0);
	assert_int_equal(send_udp(TUNNEL_FX_VIP4, mark, 1), 0);
	assert_int_equal(tunnel_fx_count("tunnel_check_routed"), 1);
	assert_int_equal(bpf_map_lookup_elem(configs, &zero, &config), 0);
	memset(config.source4, 0, sizeof(config.source4));
	assert_int_equal(bpf_map_update_elem(configs, &zero, &config, BPF_ANY), 0);
	assert_int_equal(send_udp(TUNNEL_FX_VIP4, mark, 1), EPERM);
	assert_int_equal(tunnel_fx_count("tunnel_check_no_source"), 1);
	assert_int_equal(tunnel_fx_count("tunnel_check"), 1);
	close(backends);
	close(hops);
	close(configs);
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
	TUNNEL_FX_NEEDED();
	for (int i = 0; i < 2; i++) {
		const char *backend = i ? "fd00::99" : "10.0.0.99";

		maps_host_svc(&tunnel_fx_host, TUNNEL_FX_VIP4, TUNNEL_FX_PORT, 7,
			      (const char *[]){backend, NULL});
		maps_host_commit(&tunnel_fx_host);
		mark = maps_host_tunnel(&tunnel_fx_host, backend);
		wire = wire_open();
		fd = tunnel_fx_probe(TUNNEL_FX_VIP4, mark, &err);
		assert_int_equal(err, 0);
		assert_int_equal(tunnel_fx_count("tunnel_check_routed"), i + 1);
		xdp_net_run("ip neigh replace %s lladdr 02:00:00:00:00:99 dev lb0 nud permanent",
			    backend);
		wire_read(wire, &out);
		maps_host_wait_state(&tunnel_fx_host, TUNNEL_FX_VIP4, TUNNEL_FX_PORT,
				     MSG_SVC_PROVEN);
		assert_as_xdp(&out);
		close(fd);
		close(wire);
	}
	assert_int_equal(tunnel_fx_count("tunnel_check"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tunnel_fx_setup, tunnel_fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_as_the_data_plane), TEST(test_source_prefix), TEST(test_vlan),
		TEST(test_fragments),	      TEST(test_drops),		TEST(test_routed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
