// SPDX-License-Identifier: GPL-2.0-or-later
/* Whole-word stores to nlb_config; a list of prefix lengths is one word, too. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "maps_config.h"
#include "maps_flow.h"
#include "util.h"

#define OUTER_TTL 64
#define HOST_PLEN 128
#define V4_PLEN	  96 /* an IPv4-mapped address's bits in front of the IPv4 address */

static bool set32(__u32 *at, uint32_t value)
{
	if (*at == value)
		return false;
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
	return true;
}

static bool set64(void *at, const void *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	if (*(uint64_t *)at == value)
		return false;
	__atomic_store_n((uint64_t *)at, value, __ATOMIC_RELEASE);
	return true;
}

int maps_config_repair(struct maps_bpf *b)
{
	struct nlb_config *c = b->config;
	uint64_t secret = c->secret;
	int changed = 0;

	while (!secret)
		if (getrandom(&secret, sizeof(secret), 0) < 0 && errno != EINTR)
			return -errno;
	changed += set64(&c->secret, &secret);
	changed += set32(&c->ttl, OUTER_TTL);
	changed += set32(&c->flow_idle, maps_flows_ticks(b->cfg->flow_idle_s));
	changed += set32(&c->vip_mask, b->vip_buckets - 1);
	changed += set32(&c->svc_mask, b->svc_buckets - 1);
	changed += set32(&c->flow_mask, b->flow_buckets - 1);
	return changed;
}

int maps_config_init(struct maps_bpf *b)
{
	return MIN2(maps_config_repair(b), 0);
}

bool maps_config_sources(struct nlb_config *c, const struct addr *source4,
			 const struct addr *source6, uint32_t flags)
{
	bool changed = false;
	uint32_t v4;

	memcpy(&v4, source4->b + 12, sizeof(v4));
	changed |= set32((__u32 *)c->source4, v4);
	changed |= set64(c->source6, source6->b);
	changed |= set64(c->source6 + 8, source6->b + 8);
	changed |= set32(&c->flags, flags);
	return changed;
}

static uint32_t *count(struct maps_prefixes *p, const struct addr *a, uint8_t plen)
{
	return addr_is_v4(a) ? &p->n4[plen] : &p->n6[plen];
}

static bool write_list(const uint32_t *n, __u8 *at)
{
	uint8_t list[NLB_PREFIXES_MAX] = {};
	size_t k = 0;

	_Static_assert(sizeof(list) == sizeof(uint64_t), "one word");
	for (int plen = HOST_PLEN - 1; plen > 0 && k < NLB_PREFIXES_MAX; plen--)
		if (n[plen])
			list[k++] = (uint8_t)plen;
	return set64(at, list);
}

int maps_prefixes_write(struct maps_prefixes *p)
{
	return write_list(p->n4, p->config->prefixes4) + write_list(p->n6, p->config->prefixes6);
}

bool maps_prefixes_fit(const struct maps_prefixes *p, const struct addr *a, uint8_t plen)
{
	const uint32_t *n = addr_is_v4(a) ? p->n4 : p->n6;
	int lengths = 0;

	if (plen == HOST_PLEN || n[plen])
		return true;
	for (int i = 1; i < HOST_PLEN; i++)
		lengths += n[i] > 0;
	return lengths < NLB_PREFIXES_MAX;
}

void maps_prefixes_add(struct maps_prefixes *p, const struct addr *a, uint8_t plen)
{
	(*count(p, a, plen))++;
}

void maps_prefixes_remove(struct maps_prefixes *p, const struct addr *a, uint8_t plen)
{
	(*count(p, a, plen))--;
}

bool maps_prefix_valid(const struct addr *a, uint8_t plen)
{
	if (!addr_is_host(a) || plen < 1 || plen > HOST_PLEN || (addr_is_v4(a) && plen <= V4_PLEN))
		return false;
	for (int bit = plen; bit < HOST_PLEN; bit++)
		if (a->b[bit / 8] >> (7 - bit % 8) & 1)
			return false;
	return true;
}
