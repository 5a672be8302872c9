// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Configuration callbacks: what cannot be done is refused in NB_EV_VALIDATE; NB_EV_APPLY stores a
 * value in the core's configuration and never fails. VIPs that come and go never pass here.
 */

#include <zebra.h>

#include "nlbd/nlb.h"
#include "nlbd/nlb_nb.h"

static struct nlb_config *config(void)
{
	return &nlb_nb_core()->cfg;
}

/* The override of the VIP that dnode, one of its leaves, belongs to. */
static struct nlb_override *config_override(const struct lyd_node *dnode)
{
	struct ipaddr address;

	yang_dnode_get_ip(&address, dnode, "../address");
	return nlb_override_get(config(), &address);
}

int nlb_config_create(struct nb_cb_create_args *args)
{
	if (args->event != NB_EV_APPLY)
		return NB_OK;
	config()->configured = true;
	nlb_nb_changed();
	return NB_OK;
}

int nlb_config_destroy(struct nb_cb_destroy_args *args)
{
	if (args->event != NB_EV_APPLY)
		return NB_OK;
	nlb_config_reset(config());
	nlb_nb_changed();
	return NB_OK;
}

int nlb_config_socket_modify(struct nb_cb_modify_args *args)
{
	if (args->event != NB_EV_APPLY)
		return NB_OK;
	/* The model bounds its length. */
	strlcpy(config()->socket, yang_dnode_get_string(args->dnode, NULL),
		sizeof(config()->socket));
	nlb_nb_changed();
	return NB_OK;
}

int nlb_config_hold_time_modify(struct nb_cb_modify_args *args)
{
	if (args->event != NB_EV_APPLY)
		return NB_OK;
	config()->hold_time_s = yang_dnode_get_uint32(args->dnode, NULL);
	nlb_nb_changed();
	return NB_OK;
}

int nlb_config_distance_modify(struct nb_cb_modify_args *args)
{
	if (args->event != NB_EV_APPLY)
		return NB_OK;
	config()->distance = yang_dnode_get_uint8(args->dnode, NULL);
	nlb_nb_changed();
	return NB_OK;
}

int nlb_config_min_enabled_modify(struct nb_cb_modify_args *args)
{
	if (args->event != NB_EV_APPLY)
		return NB_OK;
	config()->min_enabled = yang_dnode_get_uint16(args->dnode, NULL);
	nlb_nb_changed();
	return NB_OK;
}

int nlb_config_nexthop_modify(struct nb_cb_modify_args *args)
{
	const char *ifname = yang_dnode_get_string(args->dnode, NULL);

	switch (args->event) {
	case NB_EV_VALIDATE:
		if (!ifname[0] || strlen(ifname) >= sizeof(config()->nexthop_ifname)) {
			snprintf(args->errmsg, args->errmsg_len,
				 "\"%s\" is not a name of an interface", ifname);
			return NB_ERR_VALIDATION;
		}
		break;
	case NB_EV_PREPARE:
	case NB_EV_ABORT:
		break;
	case NB_EV_APPLY:
		strlcpy(config()->nexthop_ifname, ifname, sizeof(config()->nexthop_ifname));
		nlb_nb_changed();
		break;
	}
	return NB_OK;
}

int nlb_config_nexthop_destroy(struct nb_cb_destroy_args *args)
{
	if (args->event != NB_EV_APPLY)
		return NB_OK;
	config()->nexthop_ifname[0] = '\0';
	nlb_nb_changed();
	return NB_OK;
}

int nlb_config_pool_create(struct nb_cb_create_args *args)
{
	struct prefix p;

	if (args->event != NB_EV_APPLY)
		return NB_OK;
	yang_dnode_get_prefix(&p, args->dnode, NULL);
	apply_mask(&p);
	nlb_pool_add(config(), &p);
	nlb_nb_changed();
	return NB_OK;
}

int nlb_config_pool_destroy(struct nb_cb_destroy_args *args)
{
	struct prefix p;

	if (args->event != NB_EV_APPLY)
		return NB_OK;
	yang_dnode_get_prefix(&p, args->dnode, NULL);
	apply_mask(&p);
	nlb_pool_del(config(), &p);
	nlb_nb_changed();
	return NB_OK;
}

int nlb_config_vip_create(struct nb_cb_create_args *args)
{
	struct ipaddr address;

	yang_dnode_get_ip(&address, args->dnode, "address");
	switch (args->event) {
	case NB_EV_VALIDATE:
		if (ipaddr_is_zero(&address)) {
			snprintf(args->errmsg, args->errmsg_len,
				 "the unspecified address cannot be a VIP");
			return NB_ERR_VALIDATION;
		}
		break;
	case NB_EV_PREPARE:
	case NB_EV_ABORT:
		break;
	case NB_EV_APPLY:
		nlb_override_get(config(), &address);
		nlb_nb_changed();
		break;
	}
	return NB_OK;
}

int nlb_config_vip_destroy(struct nb_cb_destroy_args *args)
{
	struct ipaddr address;

	if (args->event != NB_EV_APPLY)
		return NB_OK;
	yang_dnode_get_ip(&address, args->dnode, "address");
	nlb_override_del(config(), &address);
	nlb_nb_changed();
	return NB_OK;
}

int nlb_config_vip_shutdown_modify(struct nb_cb_modify_args *args)
{
	if (args->event != NB_EV_APPLY)
		return NB_OK;
	config_override(args->dnode)->shutdown = yang_dnode_get_bool(args->dnode, NULL);
	nlb_nb_changed();
	return NB_OK;
}

int nlb_config_vip_tag_modify(struct nb_cb_modify_args *args)
{
	if (args->event != NB_EV_APPLY)
		return NB_OK;
	config_override(args->dnode)->tag = yang_dnode_get_uint32(args->dnode, NULL);
	nlb_nb_changed();
	return NB_OK;
}

int nlb_config_vip_tag_destroy(struct nb_cb_destroy_args *args)
{
	if (args->event != NB_EV_APPLY)
		return NB_OK;
	config_override(args->dnode)->tag = 0;
	nlb_nb_changed();
	return NB_OK;
}

int nlb_config_vip_metric_modify(struct nb_cb_modify_args *args)
{
	struct nlb_override *override;

	if (args->event != NB_EV_APPLY)
		return NB_OK;
	override = config_override(args->dnode);
	override->has_metric = true;
	override->metric = yang_dnode_get_uint32(args->dnode, NULL);
	nlb_nb_changed();
	return NB_OK;
}

int nlb_config_vip_metric_destroy(struct nb_cb_destroy_args *args)
{
	if (args->event != NB_EV_APPLY)
		return NB_OK;
	config_override(args->dnode)->has_metric = false;
	nlb_nb_changed();
	return NB_OK;
}
