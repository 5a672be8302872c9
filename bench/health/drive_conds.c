// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The conditions of drive.c: which kinds, which targets, which of them are doomed and how, and
 * what their results say.
 */
#include <string.h>

#include "drive.h"
#include "hc_fixture.h"
#include "hc_reason.h"
#include "util.h"

static uint8_t type_of(char letter)
{
	switch (letter) {
	case 't':
		return MSG_HC_TCP;
	case 'h':
		return MSG_HC_HTTP;
	case 's':
		return MSG_HC_HTTPS;
	default:
		return MSG_HC_ICMP;
	}
}

/* One of `doomed` of each kind; each kind dies in all ways that there are for it. */
static uint8_t fate_of(const struct drive_options *opt, uint32_t i, uint8_t type)
{
	uint32_t turn = i / (uint32_t)strlen(opt->mix);

	if (!opt->doomed || turn % opt->doomed)
		return WORLD_LIVES;
	turn /= opt->doomed;
	switch (type) {
	case MSG_HC_ICMP:
		return WORLD_DROPS;
	case MSG_HC_TCP: /* one that hangs is up, as far as TCP goes */
		return turn % 2 ? WORLD_REFUSES : WORLD_DROPS;
	default:
		return (uint8_t)(WORLD_REFUSES + turn % (WORLD_FATES - WORLD_REFUSES));
	}
}

/* Those that die can be told from those that live by address and port. */
static uint32_t first_of(const struct drive_cond *c)
{
	if (c->fate == WORLD_LIVES)
		return WORLD_FIRST;
	return c->type == MSG_HC_ICMP ? WORLD_VANISH : WORLD_DOOMED;
}

int drive_conds_send(struct drive *d)
{
	const struct drive_options *opt = &d->opt;
	size_t n_letters = strlen(opt->mix);

	d->conds = calloc(opt->n, sizeof(*d->conds));
	if (!d->conds)
		return -ENOMEM;
	d->states[MSG_HC_UNKNOWN] = opt->n;
	d->begun_ns = util_now_ns();
	for (uint32_t i = 0; i < opt->n; i++) {
		uint64_t frame[HC_FIXTURE_FRAME_MAX / 8];
		struct drive_cond *c = &d->conds[i];
		char target[INET_ADDRSTRLEN];
		struct in_addr addr;
		size_t len;
		int r;

		c->type = type_of(opt->mix[i % n_letters]);
		c->fate = fate_of(opt, i, c->type);
		addr.s_addr = htonl(first_of(c) + i);
		inet_ntop(AF_INET, &addr, target, sizeof(target));
		len = hc_fixture_frame(
			&(struct hc_fixture){
				.id = i + 1ull,
				.type = c->type,
				.target = target,
				.port = (uint16_t)(opt->port + c->fate),
				.interval_ms = opt->interval_ms,
				.timeout_ms = opt->timeout_ms,
				.rise = opt->rise,
				.fall = opt->fall,
				.path = "/",
			},
			frame);
		r = ipc_send(d->ch, MSG_HC_SET, frame, len);
		/* What there is, so that the child has work while the rest is made. */
		if (r == 0 && i % 1024 == 1023)
			r = ipc_flush(d->ch);
		if (r < 0)
			return r;
	}
	return ipc_flush(d->ch);
}

/* A few of them are worth a line each. */
static void tell_false(const struct drive *d, const struct msg_hc_result *res)
{
	const struct drive_cond *c = &d->conds[res->id - 1];

	if (d->false_failures <= 8)
		fprintf(stderr, "drive: condition %llu (kind %d) failed and should not: %s\n",
			(unsigned long long)res->id, c->type,
			hc_reason_str((enum msg_hc_reason)res->reason));
}

static void result(struct drive *d, const struct msg_hc_result *res, uint64_t now)
{
	struct drive_cond *c;
	bool dead;

	if (res->id < 1 || res->id > d->opt.n || res->state > MSG_HC_DOWN ||
	    res->reason >= MSG_HC_REASONS)
		return;
	c = &d->conds[res->id - 1];
	dead = c->fate && d->death_ns;
	d->reasons[res->reason]++;
	if (!dead && (res->reason != MSG_HC_OK || res->state == MSG_HC_DOWN)) {
		d->false_failures++;
		tell_false(d, res);
	}
	d->states[c->state]--;
	d->states[res->state]++;
	if (dead && res->state == MSG_HC_DOWN && c->state != MSG_HC_DOWN && !c->verdict_ns)
		c->verdict_ns = now;
	c->state = res->state;
	if (!c->reported) {
		c->reported = true;
		d->reported++;
	}
}

void drive_conds_results(struct drive *d, const struct msg_hc_result *res, size_t n)
{
	uint64_t now = util_now_ns();
	bool all = d->reported == d->opt.n;

	for (size_t i = 0; i < n; i++)
		result(d, &res[i], now);
	if (!d->opt.idle && !all && d->reported == d->opt.n)
		drive_report_mark(d, "all");
}
