// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The course of a check: its parts one after the other, each in steps, as many steps a slice
 * as there is time for. What an entry is comes before the words that lead to it, so that a word
 * is judged by what is right already.
 *
 * Arrays and hashes are read by batch lookups, as the kernel has them, and not through our
 * own mapping. Rings are 128 MB: they are read where they lie.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "maps_check_int.h"
#include "model.h"
#include "util.h"

static int check_config(struct maps_check *c)
{
	struct maps_table *t = c->table;
	int fields, prefixes, sources, layout;

	maps_found_looked(&c->found, MSG_CHECK_CONFIG);
	fields = maps_config_repair(t->bpf);
	prefixes = maps_prefixes_write(&t->prefixes);
	sources = maps_bpf_set_sources(t->bpf);
	layout = maps_bpf_repair_layout(t->bpf);
	if (fields)
		maps_found_note(&c->found, MSG_CHECK_CONFIG, fields, "what=fields");
	if (prefixes)
		maps_found_note(&c->found, MSG_CHECK_CONFIG, 0, "what=prefixes");
	if (sources)
		maps_found_note(&c->found, MSG_CHECK_CONFIG, 0, "what=sources");
	if (layout)
		maps_found_note(&c->found, MSG_CHECK_CONFIG, layout, "what=layout");
	return 1;
}

static const struct check_part {
	enum msg_check_kind kind;
	int (*step)(struct maps_check *c);
} parts[] = {
	{MSG_CHECK_WANTED, maps_check_unwanted},   {MSG_CHECK_CONFIG, check_config},
	{MSG_CHECK_VIPS, maps_check_vips},	   {MSG_CHECK_SERVICES, maps_check_services},
	{MSG_CHECK_VIP_DIR, maps_check_vip_dir},   {MSG_CHECK_VIP_DIR, maps_check_vip_missing},
	{MSG_CHECK_SVC_DIR, maps_check_svc_dir},   {MSG_CHECK_SVC_DIR, maps_check_svc_missing},
	{MSG_CHECK_BACKENDS, maps_check_backends}, {MSG_CHECK_HOPS, maps_check_hops},
	{MSG_CHECK_RINGS, maps_check_rings},	   {MSG_CHECK_RINGS, maps_check_kept},
	{MSG_CHECK_NUMBERS, maps_check_numbers},   {MSG_CHECK_NUMBERS, maps_check_numbers_missing},
	{MSG_CHECK_GONE, maps_check_gone},	   {MSG_CHECK_GONE, maps_check_gone_missing},
	{MSG_CHECK_QUIC_IDS, maps_check_quic},	   {MSG_CHECK_QUIC_IDS, maps_check_quic_missing},
};

int maps_check_read(struct maps_check *c, int fd, uint32_t max_entries, void *values)
{
	uint32_t keys[MAPS_CHECK_CHUNK], count = MAPS_CHECK_CHUNK, before = c->pos - 1, last;

	if (c->pos >= max_entries)
		return 0;
	/* The end of the map is an error to the kernel, but not to us. */
	if (bpf_map_lookup_batch(fd, c->pos ? &before : NULL, &last, keys, values, &count, NULL) <
		    0 &&
	    errno != ENOENT)
		return -errno;
	c->pos += count;
	return (int)count;
}

int maps_check_read_hash(struct maps_check *c, int fd, void *keys, void *values, bool *ret_last)
{
	uint32_t count = MAPS_CHECK_CHUNK;

	*ret_last = false;
	if (bpf_map_lookup_batch(fd, c->pos ? &c->cursor : NULL, &c->cursor, keys, values, &count,
				 NULL) < 0) {
		if (errno != ENOENT)
			return -errno;
		*ret_last = true;
	}
	c->pos = 1;
	return (int)count;
}

static void next_part(struct maps_check *c)
{
	c->part++;
	c->pos = c->cursor = 0;
}

bool maps_check_slice(struct maps_check *c, uint64_t until_ns)
{
	uint64_t since = util_now_ns(), now = since;

	do {
		int r = parts[c->part].step(c);

		/* A map that cannot be read does not keep the others from being looked at. */
		if (r < 0)
			maps_found_note(&c->found, parts[c->part].kind, r, "what=map");
		if (r)
			next_part(c);
		now = util_now_ns();
	} while (c->part < ARRAY_SIZE(parts) && now < until_ns);
	c->found.report.busy_ns += now - since;
	if (c->part < ARRAY_SIZE(parts))
		return false;
	c->found.report.took_ns = now - c->since_ns;
	return true;
}

static void on_slice(struct loop_timer *timer)
{
	struct maps_check *c = container_of(timer, struct maps_check, timer);

	if (!maps_check_slice(c, util_now_ns() + MAPS_CHECK_SLICE_NS)) {
		loop_timer_in(c->loop, &c->timer, MAPS_CHECK_PAUSE_MS, on_slice);
		return;
	}
	c->named = false;
	maps_found_end(&c->found);
	c->ops->done(c->user, &c->found.report);
}

/* A new run, of which nothing was looked at. */
static void start_over(struct maps_check *c)
{
	c->found = (struct maps_found){};
	c->since_ns = util_now_ns();
	c->part = c->pos = c->cursor = 0;
	c->named = false;
	c->table->check_run++;
}

void maps_check_begin(struct maps_check *c, uint64_t seq)
{
	if (!c->named)
		start_over(c);
	c->found.report.seq = seq;
}

int maps_check_frame(struct maps_check *c, uint16_t type, const void *data, size_t len)
{
	const struct msg_batch *batch = data;

	switch (type) {
	case MSG_MAPS_CHECK_BEGIN:
		if (len != sizeof(*batch))
			return -EPROTO;
		/* One that runs is not wanted any more. */
		loop_timer_del(c->loop, &c->timer);
		start_over(c);
		c->named = true;
		return 0;
	case MSG_MAPS_WANT_VIP:
	case MSG_MAPS_WANT_SVC:
		return maps_check_want(c, type, data, len);
	case MSG_MAPS_CHECK:
		if (len != sizeof(*batch))
			return -EPROTO;
		maps_check_begin(c, batch->seq);
		return loop_timer_in(c->loop, &c->timer, 0, on_slice);
	default:
		return -ENOENT;
	}
}

int maps_check_init(struct maps_check *c, struct loop *l, struct maps_table *t,
		    const struct maps_stage *stage, const struct maps_check_ops *ops, void *user)
{
	*c = (struct maps_check){.table = t, .stage = stage, .loop = l, .ops = ops, .user = user};
	c->ring = calloc(MODEL_RING_MAX, sizeof(*c->ring));
	c->member = calloc(t->bpf->cfg->max_backends + 1u, sizeof(*c->member));
	if (c->ring && c->member)
		return 0;
	maps_check_done(c);
	return -ENOMEM;
}

void maps_check_done(struct maps_check *c)
{
	if (c->loop)
		loop_timer_del(c->loop, &c->timer);
	maps_stage_clear(&c->repair);
	free(c->ring);
	free(c->member);
	*c = (struct maps_check){};
}
