// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Outer sources. A prefix leaves the bits of the flow to the program: tunnels
 * then differ in their outer addresses, by which routers and network cards
 * spread them.
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

#include "config.h"
#include "maps_source.h"

/* First address of each family on the interface that is not link-local. */
static void interface_sources(const char *ifname, struct addr *ret4, struct addr *ret6)
{
	struct ifaddrs *all, *i;

	if (getifaddrs(&all) < 0)
		return;
	for (i = all; i; i = i->ifa_next) {
		struct sockaddr_storage ss = {};
		struct addr a;

		if (!i->ifa_addr || strcmp(i->ifa_name, ifname) != 0)
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			memcpy(&ss, i->ifa_addr, sizeof(struct sockaddr_in));
		else if (i->ifa_addr->sa_family == AF_INET6)
			memcpy(&ss, i->ifa_addr, sizeof(struct sockaddr_in6));
		else
			continue;
		if (addr_from_sockaddr(&ss, &a) < 0 || !addr_is_host(&a))
			continue;
		if (addr_is_v4(&a) && addr_is_unspecified(ret4))
			*ret4 = a;
		else if (!addr_is_v4(&a) && addr_is_unspecified(ret6))
			*ret6 = a;
	}
	freeifaddrs(all);
}

/* host_bits: 0 to 32. */
static uint32_t host_mask(unsigned int host_bits)
{
	return htonl((uint32_t)((1ull << host_bits) - 1));
}

void maps_source_get(const struct config *cfg, struct maps_sources *ret)
{
	*ret = (struct maps_sources){};
	if (!cfg->has_source4 || !cfg->has_source6)
		interface_sources(cfg->interfaces[0], &ret->v4.addr, &ret->v6.addr);
	if (cfg->has_source4) {
		ret->v4.addr = cfg->source4;
		ret->v4.mask = host_mask(32u - cfg->source4_plen);
	}
	if (cfg->has_source6) {
		ret->v6.addr = cfg->source6;
		ret->v6.mask = host_mask(128u - cfg->source6_plen);
	}
}

struct addr maps_source_one(const struct maps_source *s)
{
	struct addr a = s->addr;

	if (s->mask)
		a.b[15] |= 1;
	return a;
}
