// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Open questions are on a list, each with a timer, and are matched with their
 * answers by a sequence number: an answer that comes too late matches none.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "model.h"
#include "reason.h"
#include "util.h"
#include "xdp/nlb_shared.h"

/* ---- the question ---- */

enum field { SRC, SPORT, VIP, DPORT, PROTOCOL, ESTABLISHED, INTERFACE, FIELDS };

static const char *const field_names[FIELDS] = {
	[SRC] = "src",
	[SPORT] = "sport",
	[VIP] = "vip",
	[DPORT] = "dport",
	[PROTOCOL] = "protocol",
	[ESTABLISHED] = "established",
	[INTERFACE] = "interface",
};

#define REQUIRED (1u << SRC | 1u << SPORT | 1u << VIP | 1u << DPORT | 1u << PROTOCOL)

static int form_fail(struct ask_form *f, enum field field, const char *fmt, ...) _printf_(3, 4);
static int form_fail(struct ask_form *f, enum field field, const char *fmt, ...)
{
	int n = snprintf(f->error, sizeof(f->error), "%s ", field_names[field]);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->error + n, sizeof(f->error) - (size_t)n, fmt, ap);
	va_end(ap);
	f->field = field_names[field];
	return -EINVAL;
}

static int set_addr(struct ask_form *f, enum field field, const char *value, struct addr *ret)
{
	return addr_parse(value, ret) < 0 ? form_fail(f, field, "must be an address") : 0;
}

static int set_port(struct ask_form *f, enum field field, const char *value, uint16_t *ret)
{
	unsigned int n = 0;
	int used = 0;

	if (value[0] < '0' || value[0] > '9' || sscanf(value, "%5u%n", &n, &used) != 1 ||
	    value[used] || n > UINT16_MAX)
		return form_fail(f, field, "must be a number from 0 to 65535");
	*ret = (uint16_t)n;
	return 0;
}

static int set_bool(struct ask_form *f, enum field field, const char *value, uint8_t *ret)
{
	if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
		return form_fail(f, field, "must be true or false");
	*ret = value[0] == 't';
	return 0;
}

static int set_field(struct ask_form *f, enum field field, const char *value)
{
	struct msg_ask *q = &f->msg;

	switch (field) {
	case SRC:
		return set_addr(f, field, value, &q->src);
	case VIP:
		return set_addr(f, field, value, &q->vip);
	case SPORT:
		return set_port(f, field, value, &q->sport);
	case DPORT:
		return set_port(f, field, value, &q->dport);
	case PROTOCOL:
		if (model_protocol_parse(value, &q->protocol) < 0)
			return form_fail(f, field, "must be tcp or udp");
		return 0;
	case ESTABLISHED:
		return set_bool(f, field, value, &q->established);
	case INTERFACE:
		if (!value[0] || strlen(value) >= sizeof(q->interface))
			return form_fail(f, field, "must be the name of an interface");
		snprintf(q->interface, sizeof(q->interface), "%s", value);
		return 0;
	case FIELDS:
		break;
	}
	return -ENOENT;
}

int ask_form_set(struct ask_form *f, const char *name, const char *value)
{
	for (unsigned int i = 0; i < FIELDS; i++) {
		if (strcmp(name, field_names[i]) != 0)
			continue;
		if (f->seen & 1u << i)
			return form_fail(f, (enum field)i, "is given twice");
		f->seen |= 1u << i;
		return set_field(f, (enum field)i, value);
	}
	return -ENOENT;
}

int ask_form_check(struct ask_form *f)
{
	for (unsigned int i = 0; i < FIELDS; i++)
		if (REQUIRED & ~f->seen & 1u << i)
			return form_fail(f, (enum field)i, "is missing");
	if (addr_is_v4(&f->msg.src) != addr_is_v4(&f->msg.vip))
		return form_fail(f, SRC, "must be of the same family as vip");
	return 0;
}

/* ---- on its way ---- */

void ask_cancel(struct ask *a)
{
	if (!a->link)
		return;
	*a->link = a->next;
	if (a->next)
		a->next->link = a->link;
	a->link = NULL;
	a->asker->n_open--;
	loop_timer_del(a->asker->loop, &a->timer);
}

static void on_late(struct loop_timer *t)
{
	struct ask *a = container_of(t, struct ask, timer);

	ask_cancel(a);
	a->done(a, NULL);
}

int ask_start(struct asker *k, struct ask *a, const struct msg_ask *msg,
	      void (*done)(struct ask *a, const struct msg_answer *ans))
{
	int r;

	if (k->n_open == ASK_OPEN_MAX)
		return -EBUSY;
	*a = (struct ask){.asker = k, .msg = *msg, .done = done};
	a->msg.seq = ++k->seq;
	r = loop_timer_in(k->loop, &a->timer, ASK_WAIT_MS, on_late);
	if (r < 0)
		return r;
	a->next = k->open;
	a->link = &k->open;
	if (a->next)
		a->next->link = &a->next;
	k->open = a;
	k->n_open++;
	k->send(k->user, MSG_MAPS_ASK, &a->msg, sizeof(a->msg));
	return 0;
}

void ask_stop(struct asker *k)
{
	while (k->open)
		on_late(&k->open->timer);
}

void ask_answer(struct asker *k, const struct msg_answer *ans)
{
	for (struct ask *a = k->open; a; a = a->next) {
		if (a->msg.seq != ans->seq)
			continue;
		ask_cancel(a);
		a->done(a, ans);
		return;
	}
}

/* ---- the answer ---- */

static void write_why(const struct msg_ask *q, const struct msg_answer *ans, struct jput b)
{
	b = jput_array(b, "why");
	if (addr_is_unspecified(&ans->backend))
		return;
	if (ans->flags & NLB_ASK_F_FRAG)
		jput_str(b, NULL, "it follows the first fragment of its datagram");
	else if (ans->flags & NLB_ASK_F_QUIC)
		jput_str(b, NULL, "its QUIC connection id names the backend");
	else if (ans->flags & NLB_ASK_F_FLOW)
		jput_str(b, NULL, "the flow is remembered to go there");
	else if (ans->flags & NLB_ASK_F_OLD)
		jput_str(b, NULL,
			 q->established ? "the slot changed lately, and the flow may be older: "
					  "the ring before the change counts"
					: "the slot changed lately, and there is no room to "
					  "remember a new flow: the ring before the change counts");
	else if (ans->mode == NLB_SLOT_STABLE >> 30 || q->protocol != IPPROTO_TCP)
		jput_str(b, NULL, "the flow's slot in the ring says so");
	else if (!q->established)
		jput_str(b, NULL,
			 "the slot changed lately, and the flow is new: "
			 "the ring after the change counts");
	else
		jput_str(b, NULL,
			 "the slot changed lately, but the flow is not remembered to go "
			 "elsewhere");
	if (ans->sent)
		jput_str(b, NULL,
			 ans->flags & NLB_ASK_F_FIB ? "next hop by the kernel's routes"
						    : "next hop as the agent keeps it");
}

static void write_outer(const struct msg_answer *ans, struct jput b)
{
	struct jput out = jput_object(b, "outer"), vlans;
	char mac[18];

	jput_addr(out, "source", &ans->outer_src);
	jput_addr(out, "destination", &ans->outer_dst);
	jput_u64(out, "ttl", ans->outer_ttl);
	out = jput_object(b, "egress");
	if (ans->egress[0])
		jput_str(out, "interface", ans->egress);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", ans->mac[0], ans->mac[1],
		 ans->mac[2], ans->mac[3], ans->mac[4], ans->mac[5]);
	jput_str(out, "mac", mac);
	if (!ans->n_vlans)
		return;
	vlans = jput_array(out, "vlans");
	for (size_t i = 0; i < MIN2((size_t)ans->n_vlans, ARRAY_SIZE(ans->vlans)); i++)
		jput_u64(vlans, NULL, ans->vlans[i] & 0xfff);
}

static void write_flow(const struct msg_ask *q, const struct msg_answer *ans, struct jput b)
{
	jput_addr(b, "src", &q->src);
	jput_u64(b, "sport", q->sport);
	jput_addr(b, "dst", &q->vip);
	jput_u64(b, "dport", q->dport);
	jput_str(b, "protocol", model_protocol_str(q->protocol));
	jput_bool(b, "established", q->established);
	jput_str(b, "interface", ans->ingress);
}

void ask_write(const struct msg_ask *q, const struct msg_answer *ans, struct jput b)
{
	struct jput svc;

	write_flow(q, ans, jput_object(b, "flow"));
	jput_str(b, "verdict", reason_verdict_str(ans->reason));
	jput_str(b, "reason", reason_str(ans->reason));
	if (ans->vip_plen)
		jput_prefix(b, "vip", &ans->vip, ans->vip_plen);
	if (ans->svc_protocol) {
		svc = jput_object(b, "service");
		jput_str(svc, "protocol", model_protocol_str(ans->svc_protocol));
		jput_u64(svc, "port", ans->svc_port);
	}
	if (!addr_is_unspecified(&ans->backend)) {
		jput_addr(b, "backend", &ans->backend);
		jput_u64(b, "slot", ans->slot);
		jput_str(b, "mode", reason_mode_str(ans->mode));
	}
	if (ans->sent)
		write_outer(ans, b);
	write_why(q, ans, b);
}
