// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration of a VIP, a service or a backend as one document: what PUT takes,
 * "?view=config" shows, and the entity tag is made of (RFC 9110, 8.8.3). It is written in
 * canonical form, so that equal configuration has an equal tag on every node. An
 * override counts as the "admin" that is in force.
 */
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "api_int.h"
#include "model_edit.h"

static struct model_backend in_force(const struct core_backend *be)
{
	struct model_backend b = be->conf;

	if (be->has_override)
		b.admin = be->override;
	return b;
}

static void write_port(const struct core_port *p, struct jput b)
{
	_cleanup_free_ struct model_backend *backends =
		calloc(p->n_backends + 1, sizeof(*backends));

	if (!backends) {
		*b.failed = true;
		return;
	}
	for (size_t i = 0; i < p->n_backends; i++)
		backends[i] = in_force(&p->backends[i]);
	model_port_write(p->conf, backends, b);
}

void api_config_write(const struct api_request *req, struct jput b)
{
	const struct core_vip *v = req->vip;
	struct jput ports;

	if (req->backend) {
		struct model_backend be = in_force(req->backend);

		model_backend_write(&be, req->port->conf->quic_len, b);
	} else if (req->port) {
		write_port(req->port, b);
	} else {
		model_vip_write_own(&v->conf, b);
		ports = jput_array(b, "ports");
		for (size_t i = 0; i < v->n_ports; i++)
			write_port(&v->ports[i], jput_object(ports, NULL));
	}
}

struct json_object *api_config_get(const struct api_request *req)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;

	api_config_write(req, jput_begin(&doc));
	return doc.failed ? NULL : json_object_get(doc.root);
}

void api_etag_set(struct api_request *req)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;
	_cleanup_free_ char *text = NULL;
	unsigned char digest[SHA256_DIGEST_LENGTH];
	size_t len, n = 0;

	req->etag[0] = '\0';
	api_config_write(req, jput_begin(&doc));
	text = jput_text(&doc, &len);
	if (!text)
		return;
	SHA256((const unsigned char *)text, len, digest);
	req->etag[n++] = '"';
	for (size_t i = 0; i < API_ETAG_BYTES; i++, n += 2)
		snprintf(req->etag + n, 3, "%02x", digest[i]);
	memcpy(req->etag + n, "\"", 2);
}

/* Is etag in the list of a header, or is that "*"? weak: W/"x" counts as "x". */
static bool listed(const char *list, const char *etag, bool weak)
{
	size_t len = strlen(etag);

	while (*list) {
		bool is_weak;

		list += strspn(list, " \t,");
		if (*list == '*')
			return true;
		is_weak = strncmp(list, "W/", 2) == 0;
		list += is_weak ? 2 : 0;
		if (len && (weak || !is_weak) && strncmp(list, etag, len) == 0)
			return true;
		/* A tag is quoted and has no quote in it. */
		if (*list == '"')
			list++;
		list += strcspn(list, "\"");
		if (*list == '"')
			list++;
		list += strcspn(list, ",");
	}
	return false;
}

int api_precondition(struct api_request *req, bool there)
{
	const char *header = NULL;

	if (!req->if_match && !req->if_none_match)
		return 0;
	if (there)
		api_etag_set(req);
	if (req->if_match && (!there || !listed(req->if_match, req->etag, false)))
		header = "If-Match";
	else if (req->if_none_match && there && listed(req->if_none_match, req->etag, true))
		header = "If-None-Match";
	if (!header)
		return 0;
	if (there)
		api_error(req, 412, header, "the configuration is another one: its ETag is %s",
			  req->etag);
	else
		api_error(req, 412, header, "there is no such configuration");
	return -EINVAL;
}

enum api_result api_config_view(struct api_request *req)
{
	api_etag_set(req);
	if (req->if_none_match && listed(req->if_none_match, req->etag, true)) {
		req->status = 304;
		return API_DONE;
	}
	api_config_write(req, jput_begin(&req->out));
	return API_DONE;
}

bool api_wants_config(const struct api_request *req)
{
	return req->n_args && strcmp(req->args[0].value, "config") == 0;
}
