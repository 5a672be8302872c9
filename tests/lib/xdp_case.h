/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One packet through the balancer of xdp_world.h, and all that can be asserted of it:
 *
 *	xdp_case_run(&p, &(struct xdp_case){
 *		.reason = NLB_R_TX, .vip = 1, .service = s, .backend = b,
 *		.len = p.len - ETH_HLEN, .out = &expected});
 *
 * It is run as a question first, which must be answered alike, be counted nowhere
 * and change nothing; then plainly, where every counter is compared with what it should be;
 * then with metadata that is no question, unless the first run changes what
 * a second does (`once`). The oracle must give the same reason.
 */
#ifndef NLB_TESTS_XDP_CASE_H
#define NLB_TESTS_XDP_CASE_H

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "xdp_world.h"

struct xdp_case {
	enum nlb_reason reason;
	uint32_t vip, service, backend; /* numbers that it is counted under; 0: none */
	uint64_t len;			/* of the IP packet, as its header says */
	bool opens;			/* a TCP SYN */
	uint64_t events;		/* bit 1 << enum nlb_event */
	uint32_t flags;			/* of the answer: NLB_ASK_F_... but NLB_ASK_F_FIB */
	const struct pkt *out;		/* what comes out; NULL: nothing, or what came in */
	bool redirected;    /* a reason other than NLB_R_TX_REDIRECT: to the other port */
	const char *ifname; /* by which it comes; NULL: in0 */
	bool once;
	bool no_room;	/* for a header: run with metadata that takes all of it */
	bool no_oracle; /* it knows the program's state or this interface not */
	bool drained;	/* no ICMP is answered any more */
};

void xdp_case_run(const struct pkt *in, const struct xdp_case *want);

/*
 * What comes out for `in`, l2 bytes of which lie in front of the IP header, when it
 * goes to this backend, whose hop is known: one hop less, outer header, Ethernet.
 */
void xdp_case_tunnel(struct pkt *out, const struct pkt *in, size_t l2, uint32_t backend,
		     uint32_t hash);

/* Reports the tests as cmocka does; skips them where there is no world. */
int xdp_case_main(const struct CMUnitTest *tests, size_t n);

#endif
