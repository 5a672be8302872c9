// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The program writes a sample to the ring buffer, which has a descriptor that
 * the loop watches. At most PORTION samples are read a round, so that batches
 * and proofs are not kept waiting. The parent says how many it takes; beyond that
 * the ring is left to fill up, and the program counts what it cannot keep
 * (sample_lost): a slow reader costs samples, and never memory.
 *
 * nlb_config is shared with the running program. The rate is what switches
 * sampling on, so it is stored last and cleared first.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "maps_names.h"
#include "maps_sample.h"
#include "maps_stats.h"
#include "util.h"

#define PORTION 256

static void on_io(struct loop_io *io, uint32_t events);

static void watch(struct maps_sample *s, bool on)
{
	if (s->reading == on)
		return;
	if (!on)
		loop_io_del(s->loop, &s->io);
	else if (loop_io_add(s->loop, &s->io, ring_buffer__epoll_fd(s->ring), EPOLLIN, on_io) < 0)
		return;
	s->reading = on;
}

static void forward(struct maps_sample *s, const struct nlb_sample *sample)
{
	struct {
		struct msg_sample msg;
		uint8_t data[NLB_SAMPLE_MAX];
	} out = {};

	out.msg.time_ns = sample->time_ns;
	out.msg.ifindex = sample->ifindex;
	out.msg.len = sample->len;
	out.msg.reason = sample->reason;
	out.msg.cap_len = MIN2(sample->cap_len, (uint16_t)NLB_SAMPLE_MAX);
	maps_names_vip(s->table, sample->vip, &out.msg.vip, &out.msg.vip_plen);
	maps_names_backend(s->table, sample->backend, &out.msg.backend);
	/* The number may have been given to another VIP meanwhile. */
	if (!addr_is_unspecified(&s->only) && addr_cmp(&s->only, &out.msg.vip) != 0)
		return;
	memcpy(out.data, sample->data, out.msg.cap_len);
	s->credit--;
	s->send(s->user, &out.msg, sizeof(out.msg) + out.msg.cap_len);
}

/* A negative result ends the reading for now; this sample counts as read. */
static int on_sample(void *user, void *data, size_t len)
{
	struct maps_sample *s = user;

	if (len >= sizeof(struct nlb_sample) && s->credit)
		forward(s, data);
	s->portion--;
	return s->portion && s->credit ? 0 : -EAGAIN;
}

static void on_io(struct loop_io *io, uint32_t events _unused_)
{
	struct maps_sample *s = container_of(io, struct maps_sample, io);

	s->portion = PORTION;
	ring_buffer__consume(s->ring);
	if (!s->credit)
		watch(s, false);
}

static uint64_t lost(const struct maps_sample *s)
{
	struct nlb_reasons counters;

	if (maps_stats_reasons(s->table, &counters) < 0)
		return 0;
	return counters.packets[NLB_EVENT_BASE + NLB_E_SAMPLE_LOST];
}

/* The vip's number; 0: there is none such. */
static uint32_t vip_number(const struct maps_table *t, const struct addr *vip)
{
	const struct maps_vip *v = maps_table_vip(t, vip);

	return v ? v->number : 0;
}

static void sampling_off(struct maps_sample *s)
{
	__atomic_store_n(&s->config->sample_rate, 0, __ATOMIC_RELEASE);
	watch(s, false);
	s->credit = 0;
}

void maps_sample_set(struct maps_sample *s, const struct msg_sample_set *set,
		     struct msg_sample_state *ret)
{
	uint32_t number = 0;

	*ret = (struct msg_sample_state){.seq = set->seq};
	if (!s->ring) {
		ret->error = -EOPNOTSUPP;
		return;
	}
	if (!set->rate) {
		sampling_off(s);
		ret->lost = lost(s) - s->lost_before;
		return;
	}
	if (!addr_is_unspecified(&set->vip)) {
		number = vip_number(s->table, &set->vip);
		if (!number) {
			ret->error = -ENOENT;
			return;
		}
	}
	sampling_off(s);
	/* What is left of an earlier capture is read without credit: thrown away. */
	do
		s->portion = PORTION;
	while (ring_buffer__consume(s->ring) == -EAGAIN);
	s->only = set->vip;
	s->credit = MSG_SAMPLE_WINDOW;
	s->lost_before = lost(s);
	__atomic_store_n(&s->config->sample_reasons, set->reasons, __ATOMIC_RELAXED);
	__atomic_store_n(&s->config->sample_vip, number, __ATOMIC_RELAXED);
	watch(s, true);
	__atomic_store_n(&s->config->sample_rate, set->rate, __ATOMIC_RELEASE);
}

void maps_sample_taken(struct maps_sample *s, uint64_t n)
{
	if (!s->ring || !__atomic_load_n(&s->config->sample_rate, __ATOMIC_RELAXED))
		return;
	s->credit = (uint32_t)MIN2(s->credit + n, (uint64_t)MSG_SAMPLE_WINDOW);
	if (s->credit)
		watch(s, true);
}

int maps_sample_init(struct maps_sample *s, struct loop *l, const struct maps_table *t, int ring_fd,
		     struct nlb_config *config,
		     void (*send)(void *user, const struct msg_sample *msg, size_t len), void *user)
{
	*s = (struct maps_sample){
		.loop = l,
		.table = t,
		.config = config,
		.io = LOOP_IO_INIT,
		.send = send,
		.user = user,
	};
	__atomic_store_n(&config->sample_rate, 0, __ATOMIC_RELEASE);
	s->ring = ring_buffer__new(ring_fd, on_sample, s, NULL);
	return s->ring ? 0 : -errno;
}

void maps_sample_done(struct maps_sample *s)
{
	if (!s->ring)
		return;
	sampling_off(s);
	ring_buffer__free(s->ring);
	s->ring = NULL;
}
