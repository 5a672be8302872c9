// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Observing, as the parent asks it of the maps child: where a packet would go,
 * by the program that is attached; samples of packets, and counters. Packets
 * come in by BPF_PROG_TEST_RUN of that program.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "maps_fs.h"
#include "maps_host.h"
#include "pkt.h"
#include "util.h"
#include "xdp/nlb_shared.h"

#define VIP4	  "192.0.2.1"
#define VIP6	  "2001:db8::1"
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct maps_host host;

static struct msg_ask flow(const char *src, const char *vip, uint16_t dport)
{
	struct msg_ask ask = {.sport = 40000, .dport = dport, .protocol = IPPROTO_TCP};

	assert_int_equal(addr_parse(src, &ask.src), 0);
	assert_int_equal(addr_parse(vip, &ask.vip), 0);
	return ask;
}

static void assert_addr(const struct addr *a, const char *want)
{
	char text[ADDR_STRLEN];

	assert_string_equal(addr_str(a, text), want);
}

static void fill(void)
{
	maps_host_vip(&host, VIP4);
	maps_host_svc(&host, VIP4, 80, 7, LIST("10.0.0.11"));
	maps_host_svc(&host, VIP4, 81, 7, LIST("fd00::12"));
	maps_host_vip(&host, VIP6);
	maps_host_svc(&host, VIP6, 80, 7, LIST("fd00::11"));
	maps_host_commit(&host);
	maps_host_wait_state(&host, VIP4, 80, MSG_SVC_PROVEN);
	maps_host_wait_state(&host, VIP4, 81, MSG_SVC_PROVEN);
	maps_host_wait_state(&host, VIP6, 80, MSG_SVC_PROVEN);
}

static int setup(void **state)
{
	(void)state;
	if (maps_host_init(&host)) {
		maps_host_start(&host);
		assert_true(host.ready);
		fill();
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (host.pid)
		assert_int_equal(maps_host_stop(&host), 0);
	return 0;
}

static void test_sent(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x11};
	const struct msg_answer *ans = &host.answer;
	struct msg_ask ask = flow("198.51.100.7", VIP4, 80);

	(void)state;
	if (!host.pid)
		skip();
	for (int established = 0; established < 2; established++) {
		ask.established = (uint8_t)established;
		maps_host_ask(&host, ask);
		assert_int_equal(ans->error, 0);
		assert_int_equal(ans->reason, NLB_R_TX);
		assert_int_equal(ans->sent, 1);
		assert_addr(&ans->vip, VIP4);
		assert_int_equal(ans->vip_plen, 128);
		assert_int_equal(ans->svc_protocol, IPPROTO_TCP);
		assert_int_equal(ans->svc_port, 80);
		assert_addr(&ans->backend, "10.0.0.11");
		assert_addr(&ans->outer_src, "10.0.0.1");
		assert_addr(&ans->outer_dst, "10.0.0.11");
		assert_int_equal(ans->outer_ttl, 64);
		assert_in_range(ans->slot, 0, 6);
		assert_memory_equal(ans->mac, mac, 6);
		assert_int_equal(ans->n_vlans, 0);
		assert_string_equal(ans->ingress, "lb0");
		assert_string_equal(ans->egress, "lb0");
	}
}

static void test_tunnels(void **state)
{
	const struct msg_answer *ans = &host.answer;

	(void)state;
	if (!host.pid)
		skip();
	maps_host_ask(&host, flow("198.51.100.7", VIP4, 81));
	assert_int_equal(ans->reason, NLB_R_TX);
	assert_addr(&ans->outer_src, "fd00::1");
	assert_addr(&ans->outer_dst, "fd00::12");
	maps_host_ask(&host, flow("2001:db8::7", VIP6, 80));
	assert_int_equal(ans->reason, NLB_R_TX);
	assert_addr(&ans->vip, VIP6);
	assert_addr(&ans->outer_dst, "fd00::11");
}

static void test_not_sent(void **state)
{
	const struct msg_answer *ans = &host.answer;
	struct msg_ask udp = flow("198.51.100.7", VIP4, 80);

	(void)state;
	if (!host.pid)
		skip();
	maps_host_ask(&host, flow("198.51.100.7", "192.0.2.99", 80));
	assert_int_equal(ans->error, 0);
	assert_int_equal(ans->reason, NLB_R_NOT_VIP);
	assert_int_equal(ans->sent, 0);
	assert_int_equal(ans->vip_plen, 0);
	udp.protocol = IPPROTO_UDP;
	maps_host_ask(&host, udp);
	assert_int_equal(ans->reason, NLB_R_VIP_NO_SERVICE);
	assert_int_equal(ans->svc_protocol, 0);
	assert_true(addr_is_unspecified(&ans->backend));
}

static void test_cannot_be_asked(void **state)
{
	const struct msg_answer *ans = &host.answer;
	struct msg_ask ask = flow("198.51.100.7", VIP4, 80);

	(void)state;
	if (!host.pid)
		skip();
	snprintf(ask.interface, sizeof(ask.interface), "lb1");
	maps_host_ask(&host, ask);
	assert_int_equal(ans->error, -ENODEV);
	assert_string_equal(ans->text, "the program is not on this interface");
	snprintf(ask.interface, sizeof(ask.interface), "lb0");
	maps_host_ask(&host, ask);
	assert_int_equal(ans->error, 0);
	memset(ask.interface, 'x', sizeof(ask.interface));
	maps_host_ask(&host, ask);
	assert_int_equal(ans->error, -ENODEV);
	maps_host_ask(&host, flow("2001:db8::7", VIP4, 80));
	assert_int_equal(ans->error, -EINVAL);
}

/*
 * A backend was added: where its slots are, a new flow goes there, and one that may be
 * older goes where it went before.
 */
static void test_ring_changed(void **state)
{
	const struct msg_answer *ans = &host.answer;
	struct msg_ask ask = flow("198.51.100.7", VIP4, 82);
	unsigned int moved = 0;

	(void)state;
	if (!host.pid)
		skip();
	maps_host_svc(&host, VIP4, 82, 101, LIST("10.0.0.11"));
	maps_host_commit(&host);
	maps_host_wait_state(&host, VIP4, 82, MSG_SVC_PROVEN);
	maps_host_svc(&host, VIP4, 82, 101, LIST("10.0.0.11", "10.0.0.12"));
	maps_host_commit(&host);
	for (ask.sport = 1; ask.sport <= 32; ask.sport++) {
		ask.established = 0;
		maps_host_ask(&host, ask);
		assert_int_equal(ans->sent, 1);
		if (ans->backend.b[15] == 11)
			continue;
		moved++;
		assert_addr(&ans->backend, "10.0.0.12");
		assert_int_equal(ans->mode, NLB_SLOT_RECENT >> 30);
		assert_int_equal(ans->flags & NLB_ASK_F_OLD, 0);
		ask.established = 1;
		maps_host_ask(&host, ask);
		assert_addr(&ans->backend, "10.0.0.11");
		assert_addr(&ans->outer_dst, "10.0.0.11");
		assert_int_equal(ans->flags & NLB_ASK_F_OLD, NLB_ASK_F_OLD);
	}
	assert_in_range(moved, 1, 31);
}

/* An address of a VIP that is a prefix, and a port of a service that has them all. */
static void test_prefix(void **state)
{
	const struct msg_answer *ans = &host.answer;
	struct msg_vip vip = {.plen = 124};

	(void)state;
	if (!host.pid)
		skip();
	assert_int_equal(addr_parse("192.0.2.32", &vip.vip), 0);
	assert_int_equal(ipc_send(host.child, MSG_MAPS_VIP_SET, &vip, sizeof(vip)), 0);
	maps_host_svc(&host, "192.0.2.32", 0, 7, LIST("10.0.0.13"));
	maps_host_commit(&host);
	maps_host_wait_state(&host, "192.0.2.32", 0, MSG_SVC_PROVEN);
	maps_host_ask(&host, flow("198.51.100.7", "192.0.2.40", 12345));
	assert_int_equal(ans->sent, 1);
	assert_addr(&ans->vip, "192.0.2.32");
	assert_int_equal(ans->vip_plen, 124);
	assert_int_equal(ans->svc_protocol, IPPROTO_TCP);
	assert_int_equal(ans->svc_port, 0);
	assert_addr(&ans->backend, "10.0.0.13");
	maps_host_ask(&host, flow("198.51.100.7", "192.0.2.48", 12345));
	assert_int_equal(ans->reason, NLB_R_NOT_VIP);
	maps_host_vip_del(&host, "192.0.2.32");
	maps_host_commit(&host);
	maps_host_ask(&host, flow("198.51.100.7", "192.0.2.40", 12345));
	assert_int_equal(ans->reason, NLB_R_NOT_VIP);
}

/* The program that is on lb0. */
static int live_program(void)
{
	struct bpf_link_info info = {};
	char path[MAPS_FS_PATH_LEN];
	uint32_t len = sizeof(info);
	int fd, prog_fd;

	maps_fs_link_path(&host.cfg, "lb0", path);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	prog_fd = bpf_prog_get_fd_by_id(info.prog_id);
	assert_true(prog_fd >= 0);
	return prog_fd;
}

/* A SYN comes in by lb0, as if off the wire. */
static void come_in(int prog_fd, const char *vip, uint16_t dport)
{
	struct pkt p = {};
	uint8_t out[PKT_MAX];
	struct tcphdr *tcp;
	struct xdp_md ctx = {.ingress_ifindex = if_nametoindex("lb0")};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p.data, .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .repeat = 1);

	pkt_eth(&p, ETH_P_IP);
	pkt_ip4(&p, "198.51.100.7", vip, IPPROTO_TCP);
	tcp = pkt_tcp(&p, 40000, dport);
	tcp->syn = 1;
	tcp->ack = 0;
	pkt_finish(&p);
	opts.data_size_in = (uint32_t)p.len;
	ctx.data_end = (uint32_t)p.len;
	assert_int_equal(bpf_prog_test_run_opts(prog_fd, &opts), 0);
}

static void wait_samples(unsigned int n)
{
	uint64_t until = util_now_ns() + 10000000000ull;

	while (host.n_samples < n) {
		assert_true(util_now_ns() < until);
		assert_int_equal(loop_once(host.loop, 100), 0);
	}
}

static void test_samples(void **state)
{
	struct msg_sample_set set = {.rate = 1, .reasons = UINT64_MAX};
	int prog_fd;

	(void)state;
	if (!host.pid)
		skip();
	prog_fd = live_program();
	come_in(prog_fd, VIP4, 80);
	maps_host_sample(&host, set);
	assert_int_equal(host.sample_state.error, 0);
	come_in(prog_fd, VIP4, 80);
	wait_samples(1);
	assert_int_equal(host.sample.reason, NLB_R_TX);
	assert_addr(&host.sample.vip, VIP4);
	assert_addr(&host.sample.backend, "10.0.0.11");
	assert_int_equal(host.sample.ifindex, if_nametoindex("lb0"));
	/* As it left: in a tunnel. */
	assert_int_equal(host.sample.len, 14 + 20 + 20 + 20);
	assert_int_equal(host.sample.cap_len, host.sample.len);
	/* A question is no packet. */
	maps_host_ask(&host, flow("198.51.100.7", VIP4, 80));
	come_in(prog_fd, "203.0.113.9", 80);
	wait_samples(2);
	assert_int_equal(host.sample.reason, NLB_R_NOT_VIP);
	assert_true(addr_is_unspecified(&host.sample.vip));
	/* By reason, and by VIP. */
	set.reasons = 1ull << NLB_R_VIP_NO_SERVICE;
	assert_int_equal(addr_parse(VIP4, &set.vip), 0);
	maps_host_sample(&host, set);
	come_in(prog_fd, VIP4, 80);
	come_in(prog_fd, "203.0.113.9", 80);
	come_in(prog_fd, VIP4, 99);
	wait_samples(1);
	assert_int_equal(host.sample.reason, NLB_R_VIP_NO_SERVICE);
	assert_int_equal(addr_parse("192.0.2.99", &set.vip), 0);
	maps_host_sample(&host, set);
	assert_int_equal(host.sample_state.error, -ENOENT);
	maps_host_sample(&host, (struct msg_sample_set){});
	assert_int_equal(host.sample_state.error, 0);
	assert_true(host.sample_state.lost == 0);
	come_in(prog_fd, VIP4, 99);
	maps_host_linger(&host, 50);
	assert_int_equal(host.n_samples, 0);
	close(prog_fd);
}

/* Each packet by VIP, service and backend. */
static void test_counters(void **state)
{
	uint64_t tx, packets = 0, flows = 0;
	int prog_fd;

	(void)state;
	if (!host.pid)
		skip();
	prog_fd = live_program();
	maps_host_stats(&host);
	tx = host.reasons[NLB_R_TX];
	for (size_t i = 0; i < host.n_be_stats; i++)
		packets += host.be_stats[i].packets;
	for (int i = 0; i < 10; i++)
		come_in(prog_fd, VIP4, 81);
	maps_host_stats(&host);
	assert_int_equal(host.reasons[NLB_R_TX], tx + 10);
	assert_int_equal(host.n_svc_stats, 4);
	for (size_t i = 0; i < host.n_svc_stats; i++) {
		if (host.svc_stats[i].port != 81)
			continue;
		assert_addr(&host.svc_stats[i].vip, VIP4);
		assert_int_equal(host.svc_stats[i].protocol, IPPROTO_TCP);
		assert_int_equal(host.svc_stats[i].packets, 10);
		assert_int_equal(host.svc_stats[i].bytes, 10 * 40);
		flows = host.svc_stats[i].flows;
	}
	assert_int_equal(flows, 10);
	for (size_t i = 0; i < host.n_be_stats; i++)
		packets -= host.be_stats[i].packets;
	assert_int_equal(-packets, 10);
	close(prog_fd);
}

/* Questions and proofs are counted nowhere; every counter there is comes once. */
static void test_counts_nothing(void **state)
{
	(void)state;
	if (!host.pid)
		skip();
	maps_host_ask(&host, flow("198.51.100.7", VIP4, 80));
	maps_host_stats(&host);
	assert_int_equal(host.n_vip_stats, 2);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(host.vip_stats[i].packets + host.vip_stats[i].flows, 0);
	assert_int_equal(host.n_reasons, NLB_R_COUNT);
	assert_int_equal(host.n_events, NLB_E_COUNT + NLB_T_COUNT);
	assert_int_equal(host.reasons[NLB_R_TX], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sent),	       cmocka_unit_test(test_tunnels),
		cmocka_unit_test(test_not_sent),       cmocka_unit_test(test_cannot_be_asked),
		cmocka_unit_test(test_counts_nothing), cmocka_unit_test(test_ring_changed),
		cmocka_unit_test(test_prefix),	       cmocka_unit_test(test_samples),
		cmocka_unit_test(test_counters),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
