// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * State callbacks.
 *
 * The leaves of one container share one callback that looks at the name of the leaf: they are
 * members of one struct, and a function apiece would be forty times the same three lines. Lists
 * walk the core's own order (by address; ports and backends are kept sorted), and the VIP list can
 * continue from a key, so that a walk over many VIPs yields and survives changes in between.
 */

#include <zebra.h>

#include "nlbd/nlb.h"
#include "nlbd/nlb_agent.h"
#include "nlbd/nlb_nb.h"
#include "nlbd/nlb_prefix.h"
#include "nlbd/nlb_zebra.h"

/* Name of the leaf that is asked for. */
static const char *leaf(const struct nb_cb_get_elem_args *args)
{
	const char *slash = strrchr(args->xpath, '/');

	return slash ? slash + 1 : args->xpath;
}

/*
 * Containers
 */

struct yang_data *nlb_state_agent_get(struct nb_cb_get_elem_args *args)
{
	const struct nlb *nlb = nlb_nb_core();
	const char *name = leaf(args);
	struct nlb_agent_status st;

	nlb_agent_status(&st);

	if (strmatch(name, "listening"))
		return yang_data_new_bool(args->xpath, st.listening);
	if (strmatch(name, "listen-error"))
		return st.listen_error ? yang_data_new_string(args->xpath, st.listen_error) : NULL;
	if (strmatch(name, "connected"))
		return yang_data_new_bool(args->xpath, !!st.session);
	if (strmatch(name, "synced"))
		return yang_data_new_bool(args->xpath, nlb->synced);
	if (strmatch(name, "dataplane"))
		return yang_data_new_string(args->xpath, nlb_dataplane_str(nlb->dataplane));
	if (strmatch(name, "hold-time-left"))
		return st.holding ? yang_data_new_uint32(args->xpath, st.hold_left_s) : NULL;
	if (strmatch(name, "sessions"))
		return yang_data_new_uint64(args->xpath, st.sessions);
	if (strmatch(name, "takeovers"))
		return yang_data_new_uint64(args->xpath, st.takeovers);
	if (strmatch(name, "losses"))
		return yang_data_new_uint64(args->xpath, st.losses);
	if (strmatch(name, "refused"))
		return yang_data_new_uint64(args->xpath, st.refused);
	if (strmatch(name, "syncs"))
		return yang_data_new_uint64(args->xpath, st.syncs);
	if (strmatch(name, "last-error"))
		return st.last_error[0] ? yang_data_new_string(args->xpath, st.last_error) : NULL;

	if (!st.session)
		return NULL;
	if (strmatch(name, "instance"))
		return yang_data_new_string(args->xpath, st.session->instance);
	if (strmatch(name, "node"))
		return st.session->node[0] ? yang_data_new_string(args->xpath, st.session->node)
					   : NULL;
	if (strmatch(name, "uptime"))
		return yang_data_new_uint32(args->xpath, nlb_age_s(st.session->since_us));
	return NULL;
}

struct yang_data *nlb_state_summary_get(struct nb_cb_get_elem_args *args)
{
	const char *name = leaf(args);
	struct nlb_counts counts;
	uint32_t value = 0;

	nlb_count(nlb_nb_core(), &counts);

	if (strmatch(name, "vips"))
		value = counts.vips;
	else if (strmatch(name, "backends"))
		value = counts.backends;
	else if (strmatch(name, "backends-up"))
		value = counts.backends_up;
	else
		for (size_t i = 0; i < array_size(counts.by_state); i++)
			if (strmatch(name, nlb_vip_state_str(i)))
				value = counts.by_state[i];
	return yang_data_new_uint32(args->xpath, value);
}

/*
 * VIPs
 */

const void *nlb_state_vip_get_next(struct nb_cb_get_next_args *args)
{
	struct nlb *nlb = nlb_nb_core();

	if (!args->list_entry)
		return nlb_vip_first(nlb);
	return nlb_vip_next(nlb, (struct nlb_vip *)args->list_entry);
}

int nlb_state_vip_get_keys(struct nb_cb_get_keys_args *args)
{
	const struct nlb_vip *vip = args->list_entry;

	args->keys->num = 1;
	nlb_prefix_str(&vip->feed.prefix, args->keys->key[0], sizeof(args->keys->key[0]));
	return NB_OK;
}

const void *nlb_state_vip_lookup_entry(struct nb_cb_lookup_entry_args *args)
{
	struct prefix p;

	if (nlb_prefix_parse(args->keys->key[0], &p) < 0)
		return NULL;
	return nlb_vip_find(nlb_nb_core(), &p);
}

const void *nlb_state_vip_lookup_next(struct nb_cb_lookup_entry_args *args)
{
	struct prefix p;

	if (nlb_prefix_parse(args->keys->key[0], &p) < 0)
		return NULL;
	return nlb_vip_after(nlb_nb_core(), &p);
}

struct yang_data *nlb_state_vip_get(struct nb_cb_get_elem_args *args)
{
	const struct nlb_vip *vip = args->list_entry;
	const struct nlb_attr *attr = nlb_vip_attr(vip);
	enum nlb_reason reason = nlb_vip_reason(vip, nlb_zebra_is_up());
	const char *name = leaf(args);

	if (strmatch(name, "address")) {
		char text[NLB_PREFIX_STRLEN];

		return yang_data_new_string(args->xpath,
					    nlb_prefix_str(&vip->feed.prefix, text, sizeof(text)));
	}
	if (strmatch(name, "state"))
		return yang_data_new_string(args->xpath, nlb_vip_state_str(vip->state));
	if (strmatch(name, "reason"))
		return yang_data_new_string(args->xpath, nlb_reason_name(reason));
	if (strmatch(name, "reason-text")) {
		char text[NLB_VIP_REASON_LEN];

		return reason ? yang_data_new_string(
					args->xpath,
					nlb_vip_reason_text(vip, reason, text, sizeof(text)))
			      : NULL;
	}
	if (strmatch(name, "ready"))
		return yang_data_new_bool(args->xpath, vip->feed.ready);
	if (strmatch(name, "enabled"))
		return yang_data_new_uint32(args->xpath, vip->feed.enabled);
	if (strmatch(name, "total"))
		return yang_data_new_uint32(args->xpath, vip->feed.total);
	if (strmatch(name, "tag"))
		return attr && attr->tag ? yang_data_new_uint32(args->xpath, attr->tag) : NULL;
	if (strmatch(name, "metric"))
		return attr ? yang_data_new_uint32(args->xpath, attr->metric) : NULL;
	if (strmatch(name, "revision"))
		return yang_data_new_uint64(args->xpath, vip->feed.revision);
	if (strmatch(name, "id"))
		return vip->feed.id ? yang_data_new_string(args->xpath, vip->feed.id) : NULL;
	if (strmatch(name, "changes"))
		return yang_data_new_uint32(args->xpath, vip->changes);
	if (strmatch(name, "since"))
		return yang_data_new_uint32(args->xpath, nlb_age_s(vip->changed_us));
	return NULL;
}

/*
 * Ports of a VIP
 */

const void *nlb_state_port_get_next(struct nb_cb_get_next_args *args)
{
	const struct nlb_vip *vip = args->parent_list_entry;
	const struct nlb_port *port = args->list_entry;

	port = port ? port + 1 : vip->feed.ports;
	return port < vip->feed.ports + vip->feed.n_ports ? port : NULL;
}

int nlb_state_port_get_keys(struct nb_cb_get_keys_args *args)
{
	const struct nlb_port *port = args->list_entry;

	args->keys->num = 2;
	strlcpy(args->keys->key[0], nlb_protocol_str(port->protocol), sizeof(args->keys->key[0]));
	snprintf(args->keys->key[1], sizeof(args->keys->key[1]), "%u", port->port);
	return NB_OK;
}

const void *nlb_state_port_lookup_entry(struct nb_cb_lookup_entry_args *args)
{
	const struct nlb_vip *vip = args->parent_list_entry;
	uint16_t number = yang_str2uint16(args->keys->key[1]);

	for (size_t i = 0; i < vip->feed.n_ports; i++) {
		const struct nlb_port *port = &vip->feed.ports[i];

		if (port->port == number &&
		    strmatch(nlb_protocol_str(port->protocol), args->keys->key[0]))
			return port;
	}
	return NULL;
}

struct yang_data *nlb_state_port_get(struct nb_cb_get_elem_args *args)
{
	const struct nlb_port *port = args->list_entry;
	const char *name = leaf(args);

	if (strmatch(name, "protocol"))
		return yang_data_new_string(args->xpath, nlb_protocol_str(port->protocol));
	if (strmatch(name, "port"))
		return yang_data_new_uint16(args->xpath, port->port);
	if (strmatch(name, "enabled"))
		return yang_data_new_uint32(args->xpath, port->enabled);
	if (strmatch(name, "total"))
		return yang_data_new_uint32(args->xpath, port->total);
	return NULL;
}

/*
 * Backends of a port
 */

const void *nlb_state_backend_get_next(struct nb_cb_get_next_args *args)
{
	const struct nlb_port *port = args->parent_list_entry;
	const struct nlb_backend *backend = args->list_entry;

	backend = backend ? backend + 1 : port->backends;
	return backend < port->backends + port->n_backends ? backend : NULL;
}

int nlb_state_backend_get_keys(struct nb_cb_get_keys_args *args)
{
	const struct nlb_backend *backend = args->list_entry;

	args->keys->num = 1;
	ipaddr2str(&backend->address, args->keys->key[0], sizeof(args->keys->key[0]));
	return NB_OK;
}

const void *nlb_state_backend_lookup_entry(struct nb_cb_lookup_entry_args *args)
{
	const struct nlb_port *port = args->parent_list_entry;
	struct ipaddr address;

	if (str2ipaddr(args->keys->key[0], &address) < 0)
		return NULL;
	for (size_t i = 0; i < port->n_backends; i++)
		if (ipaddr_is_same(&port->backends[i].address, &address))
			return &port->backends[i];
	return NULL;
}

struct yang_data *nlb_state_backend_get(struct nb_cb_get_elem_args *args)
{
	const struct nlb_backend *backend = args->list_entry;
	const char *name = leaf(args);

	if (strmatch(name, "address"))
		return yang_data_new_ip(args->xpath, &backend->address);
	if (strmatch(name, "weight"))
		return yang_data_new_uint32(args->xpath, backend->weight);
	if (strmatch(name, "state"))
		return yang_data_new_string(args->xpath, nlb_backend_state_str(backend->state));
	if (strmatch(name, "reason"))
		return backend->reason ? yang_data_new_string(args->xpath, backend->reason) : NULL;
	return NULL;
}
