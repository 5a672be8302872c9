// SPDX-License-Identifier: GPL-2.0-or-later
/* All that can be asserted of a packet; see xdp_case.h. */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <string.h>

#include "xdp_case.h"

static uint32_t verdict_of(const struct xdp_case *want)
{
	switch (want->reason) {
	case NLB_R_TX:
	case NLB_R_TX_ICMP:
		return want->redirected ? XDP_REDIRECT : XDP_TX;
	case NLB_R_TX_REPLY:
	case NLB_R_TX_TOO_BIG:
	case NLB_R_TX_TTL:
		return XDP_TX;
	case NLB_R_TX_REDIRECT:
		return XDP_REDIRECT;
	case NLB_R_NOT_IP:
	case NLB_R_NOT_VIP:
	case NLB_R_MALFORMED_L3:
	case NLB_R_VIP_ICMP:
	case NLB_R_VIP_NO_SERVICE_PASS:
	case NLB_R_TUNNEL_ERROR:
		return XDP_PASS;
	default:
		return XDP_DROP;
	}
}

static void check_packet(const struct pkt *in, const struct xdp_case *want,
			 const struct xdp_world_result *got)
{
	const struct pkt *out = want->out ? want->out : in;

	assert_int_equal(got->verdict, verdict_of(want));
	if (got->verdict == XDP_DROP)
		return;
	/* A case that says nothing of what comes out means that nothing changed. */
	assert_true(want->out || got->verdict == XDP_PASS);
	assert_int_equal(got->len, out->len);
	assert_memory_equal(got->data, out->data, out->len);
}

/* A token is taken for what is sent, and for nothing else. */
static void check_limits(const uint64_t before[NLB_LIMIT_COUNT], bool echo, bool error)
{
	assert_int_equal(xdp_world_due_sum(NLB_LIMIT_ECHO) != before[NLB_LIMIT_ECHO], echo);
	assert_int_equal(xdp_world_due_sum(NLB_LIMIT_ERROR) != before[NLB_LIMIT_ERROR], error);
}

static void get_limits(uint64_t ret[NLB_LIMIT_COUNT])
{
	for (uint32_t what = 0; what < NLB_LIMIT_COUNT; what++)
		ret[what] = xdp_world_due_sum(what);
}

static void check_ask(const struct pkt *in, const struct xdp_case *want, const char *ifname)
{
	static struct xdp_world_counts before, after;
	static struct xdp_world_result got;
	uint64_t limits[NLB_LIMIT_COUNT];

	get_limits(limits);
	xdp_world_counts(&before);
	xdp_world_run(in, ifname, XDP_WORLD_ASK, &got);
	check_limits(limits, false, false);
	xdp_world_counts(&after);
	check_packet(in, want, &got);
	assert_int_equal(got.ask.reason, want->reason);
	assert_int_equal(got.ask.vip, want->vip);
	assert_int_equal(got.ask.service, want->service);
	assert_int_equal(got.ask.backend, want->backend);
	assert_int_equal(got.ask.flags & ~NLB_ASK_F_FIB, want->flags);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void check_counted(const struct pkt *in, const struct xdp_case *want, const char *ifname,
			  enum xdp_world_meta meta)
{
	static struct xdp_world_counts before, after;
	static struct xdp_world_result got;
	uint64_t limits[NLB_LIMIT_COUNT];

	get_limits(limits);
	xdp_world_counts(&before);
	xdp_world_run(in, ifname, meta, &got);
	check_limits(limits, want->reason == NLB_R_TX_REPLY,
		     want->reason == NLB_R_TX_TOO_BIG || want->reason == NLB_R_TX_TTL);
	xdp_world_counts(&after);
	check_packet(in, want, &got);
	xdp_world_add(&before, &(struct xdp_world_leave){
				       .reason = want->reason,
				       .vip = want->vip,
				       .service = want->service,
				       .backend = want->backend,
				       .len = want->len,
				       .opens = want->opens,
			       });
	for (unsigned int e = 0; e < NLB_E_COUNT; e++)
		before.reasons[NLB_EVENT_BASE + e] += want->events >> e & 1;
	assert_memory_equal(before.reasons, after.reasons, sizeof(before.reasons));
	assert_memory_equal(&before, &after, sizeof(before));
}

static void check_oracle(const struct pkt *in, const struct xdp_case *want)
{
	static struct oracle_result r;
	struct oracle o = {
		.maps = xdp_world_maps(),
		.ifindex = if_nametoindex("in0"),
		.route = xdp_world_route,
		.no_echo = want->drained,
		.no_error = want->drained,
	};

	oracle_run(&o, in->data, in->len, &r);
	assert_int_equal(r.reason, want->reason);
}

void xdp_case_run(const struct pkt *in, const struct xdp_case *want)
{
	const char *ifname = want->ifname ? want->ifname : "in0";

	xdp_world_due(want->drained ? UINT64_MAX / 2 : 0);
	if (want->no_room) {
		if (!xdp_world_takes(XDP_WORLD_NO_ROOM)) {
			print_message("# needs more than 32 bytes of metadata\n");
			skip();
		}
		check_counted(in, want, ifname, XDP_WORLD_NO_ROOM);
		return;
	}
	check_ask(in, want, ifname);
	check_counted(in, want, ifname, XDP_WORLD_PLAIN);
	if (!want->once)
		check_counted(in, want, ifname, XDP_WORLD_BAD_ASK);
	if (!want->no_oracle)
		check_oracle(in, want);
}

void xdp_case_tunnel(struct pkt *out, const struct pkt *in, size_t l2, uint32_t backend,
		     uint32_t hash)
{
	const struct nlb_backend *b = &xdp_world_maps()->backends[backend];
	const struct nlb_hop *hop = &xdp_world_maps()->hops[b->hop];
	bool v4 = in->data[l2] >> 4 == 4, outer4 = b->flags & NLB_BACKEND_F_V4;
	uint8_t protocol = v4 ? IPPROTO_IPIP : IPPROTO_IPV6, *inner;
	const uint8_t *ip = in->data + l2;
	uint16_t len = (uint16_t)(v4 ? ip[2] << 8 | ip[3] : 40 + (ip[4] << 8 | ip[5]));

	*out = (struct pkt){};
	pkt_eth(out, outer4 ? ETH_P_IP : ETH_P_IPV6);
	memcpy(out->data, hop->eth, hop->eth_len);
	out->len = hop->eth_len;
	if (outer4) {
		struct iphdr *h = pkt_ip4(out, XDP_WORLD_SOURCE4, "0.0.0.0", protocol);

		memcpy(&h->daddr, b->addr + 12, 4);
		h->tos = v4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
		h->ttl = hop->ttl;
		h->frag_off = htons(0x4000);
		h->tot_len = htons((uint16_t)(len + 20));
		h->check = pkt_fold(pkt_sum(h, 20, 0));
	} else {
		struct ipv6hdr *h = pkt_ip6(out, XDP_WORLD_SOURCE6, "::", protocol);
		uint8_t tos = v4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);

		memcpy(&h->daddr, b->addr, 16);
		h->priority = tos >> 4;
		h->flow_lbl[0] = (uint8_t)(tos << 4 | (hash >> 16 & 15));
		h->flow_lbl[1] = (uint8_t)(hash >> 8);
		h->flow_lbl[2] = (uint8_t)hash;
		h->hop_limit = hop->ttl;
		h->payload_len = htons(len);
	}
	inner = memcpy(pkt_raw(out, in->len - l2), ip, in->len - l2);
	if (!v4) {
		inner[7]--;
		return;
	}
	inner[8]--;
	memset(inner + 10, 0, 2);
	memcpy(inner + 10, (uint16_t[]){pkt_fold(pkt_sum(inner, (inner[0] & 15u) * 4, 0))}, 2);
}

int xdp_case_main(const struct CMUnitTest *tests, size_t n)
{
	if (!xdp_world_up()) {
		print_message("1..0 # skip: needs root, namespaces and bpffs\n");
		return 0;
	}
	return _cmocka_run_group_tests("xdp", tests, n, NULL, NULL);
}
