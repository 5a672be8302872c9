// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The packet is a bare TCP SYN or an empty UDP datagram, from an address set
 * aside for documentation (RFC 5737, RFC 3849). It carries struct nlb_ask as
 * XDP metadata, so that the program answers with its reason and its choice, and
 * counts nothing. BPF_PROG_TEST_RUN runs it as if it came by a port of ours;
 * nothing leaves the host.
 *
 * A failure is tried again soon, then less and less often. A service that was
 * proven is proven again every few seconds; it counts as not proven after
 * some failures in a row, so that a neighbour being re-resolved does not
 * withdraw a route.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "maps_ask.h"
#include "maps_prove.h"
#include "reason.h"
#include "util.h"

#define PROVE_FLOWS	8 /* source ports tried before it counts as a failure */
#define PROVE_SPORT	49152
#define FIRST_WAIT_MS	20
#define LONGEST_WAIT_MS 1000
#define REPROVE_MS	5000
#define FAILURES_MAX	3
#define PORTION		256 /* services at a time */
#define BUSY_MS		20  /* between looks while something is not proven */
#define IDLE_MS		500

/* 192.0.2.1 and 2001:db8::1, set aside for documentation (RFC 5737, RFC 3849). */
static const struct addr source4 = {.b = {[10] = 0xff, 0xff, 192, 0, 2, 1}};
static const struct addr source6 = {.b = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};

/* Sent to one of the service's backends, and to the one that the program names. */
static bool answer_right(const struct maps_svc *svc, const struct maps_answer *ans)
{
	for (size_t i = 0; i < svc->n_members; i++)
		if (svc->members[i].number == ans->ask.backend)
			return addr_cmp(&svc->members[i].addr, &ans->to) == 0;
	return false;
}

/* One flow that comes out right, from each port, is the proof. */
static int prove_port(const struct maps_prover *p, const struct maps_svc *svc,
		      const struct maps_port *port, char why[static MSG_REASON_LEN])
{
	struct maps_answer ans = {};
	struct maps_flow flow = {
		.dport = maps_svc_port(&svc->key),
		.protocol = svc->key.protocol,
	};
	int r = 0;

	memcpy(flow.dst.b, svc->key.vip, sizeof(flow.dst.b));
	flow.src = addr_is_v4(&flow.dst) ? source4 : source6;
	for (uint16_t i = 0; i < PROVE_FLOWS && r == 0 && !ans.sent; i++) {
		flow.sport = (uint16_t)(PROVE_SPORT + i);
		r = maps_ask(p->table->bpf->prog_fd, &flow, port->ifindex, &ans);
	}
	if (r == 0 && ans.sent && answer_right(svc, &ans))
		return 0;
	if (r == 0 && !ans.sent) {
		snprintf(why, MSG_REASON_LEN, "%s: packet dropped: %s", port->name,
			 reason_str(ans.ask.reason));
		return -EAGAIN;
	}
	if (r == 0 || r == -EIO) {
		snprintf(why, MSG_REASON_LEN, "%s: packet came out wrong", port->name);
		return -EIO;
	}
	snprintf(why, MSG_REASON_LEN, "%s: cannot run the program: %s", port->name, strerror(-r));
	return r;
}

static int prove(const struct maps_prover *p, const struct maps_svc *svc,
		 char why[static MSG_REASON_LEN])
{
	bool some = false;

	why[0] = '\0';
	if (!svc->n_enabled) {
		snprintf(why, MSG_REASON_LEN, "no enabled backend");
		return -ENOENT;
	}
	for (size_t i = 0; i < p->attach->n_ports; i++) {
		const struct maps_port *port = &p->attach->ports[i];
		int r;

		if (port->state < MAPS_PORT_IDLE)
			continue;
		r = prove_port(p, svc, port, why);
		if (r < 0)
			return r;
		some = true;
	}
	if (some)
		return 0;
	snprintf(why, MSG_REASON_LEN, "the program is not attached");
	return -ENODEV;
}

/* The result of a proof that was not asked for by a change. */
static void judge(struct maps_proof *proof, int r, const char *why, bool patient, uint64_t now)
{
	if (r == 0) {
		*proof = (struct maps_proof){.state = MSG_SVC_PROVEN,
					     .due_ns = now + REPROVE_MS * 1000000ull};
		return;
	}
	proof->wait_ms = proof->wait_ms ? MIN2(proof->wait_ms * 2, (uint32_t)LONGEST_WAIT_MS)
					: FIRST_WAIT_MS;
	/* Without a backend nothing can change but by a batch. */
	if (r == -ENOENT)
		proof->wait_ms = LONGEST_WAIT_MS;
	proof->due_ns = now + proof->wait_ms * 1000000ull;
	proof->failures++;
	if (proof->state == MSG_SVC_PROVEN && patient && proof->failures < FAILURES_MAX)
		return;
	proof->state = MSG_SVC_WRITTEN;
	snprintf(proof->reason, sizeof(proof->reason), "%s", why);
}

void maps_prove_now(struct maps_prover *p, struct maps_svc *svc)
{
	char why[MSG_REASON_LEN];
	int r = prove(p, svc, why);

	svc->proof = (struct maps_proof){.state = MSG_SVC_WRITTEN};
	judge(&svc->proof, r, why, false, loop_now_ns(p->loop));
}

static void on_timer(struct loop_timer *timer)
{
	struct maps_prover *p = container_of(timer, struct maps_prover, timer);
	struct maps_table *t = p->table;
	uint64_t now = loop_now_ns(p->loop);
	size_t proofs = 0, looked = 0;
	bool busy = false;

	for (; looked < t->n_all && proofs < PORTION; looked++) {
		struct maps_svc *svc;
		struct maps_proof before;
		char why[MSG_REASON_LEN];

		p->next = p->next < t->n_all ? p->next : 0;
		svc = t->all[p->next++];
		busy |= svc->proof.wait_ms && svc->n_enabled;
		if (svc->proof.due_ns > now)
			continue;
		before = svc->proof;
		judge(&svc->proof, prove(p, svc, why), why, true, now);
		proofs++;
		if (before.state != svc->proof.state ||
		    strcmp(before.reason, svc->proof.reason) != 0)
			p->changed(svc, p->user);
	}
	busy |= proofs == PORTION;
	loop_timer_in(p->loop, &p->timer, busy ? BUSY_MS : IDLE_MS, on_timer);
}

void maps_prove_all(struct maps_prover *p)
{
	struct maps_table *t = p->table;
	uint64_t soon = util_now_ns() + FIRST_WAIT_MS * 1000000ull;

	for (size_t i = 0; i < t->n_all; i++)
		t->all[i]->proof.due_ns = MIN2(t->all[i]->proof.due_ns, soon);
	if (p->timer.pos && p->timer.at_ns > soon)
		loop_timer_at(p->loop, &p->timer, soon, on_timer);
}

void maps_prove_init(struct maps_prover *p, struct loop *l, struct maps_table *table,
		     const struct maps_attach *attach,
		     void (*changed)(struct maps_svc *svc, void *user), void *user)
{
	*p = (struct maps_prover){
		.loop = l, .table = table, .attach = attach, .changed = changed, .user = user};
	loop_timer_in(l, &p->timer, IDLE_MS, on_timer);
}

void maps_prove_done(struct maps_prover *p)
{
	if (p->loop)
		loop_timer_del(p->loop, &p->timer);
}
