// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * By tables and maps that are indexed by number: one load each. A number may
 * have been given away anew since the program said it; whoever reads samples
 * lives with that.
 */
#include <string.h>

#include "maps_names.h"

bool maps_names_vip(const struct maps_table *t, uint32_t number, struct addr *ret,
		    uint8_t *ret_plen)
{
	const struct maps_vip *v = number <= t->bpf->cfg->max_vips ? t->vip_of[number] : NULL;

	if (!v)
		return false;
	*ret = v->addr;
	*ret_plen = v->plen;
	return true;
}

bool maps_names_backend(const struct maps_table *t, uint32_t number, struct addr *ret)
{
	if (!number || number > t->bpf->cfg->max_backends)
		return false;
	memcpy(ret->b, t->bpf->backends[number].addr, sizeof(ret->b));
	return true;
}

bool maps_names_svc(const struct maps_table *t, uint32_t number, uint8_t *ret_protocol,
		    uint16_t *ret_port)
{
	const struct maps_svc *svc = number <= t->bpf->cfg->max_services ? t->svc_of[number] : NULL;

	if (!svc)
		return false;
	*ret_protocol = svc->key.protocol;
	*ret_port = maps_svc_port(&svc->key);
	return true;
}

uint32_t maps_names_hop(const struct maps_table *t, uint32_t number)
{
	return number && number <= t->bpf->cfg->max_backends ? t->bpf->hops[number].ifindex : 0;
}
