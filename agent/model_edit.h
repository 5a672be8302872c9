/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parts of a model by themselves: one VIP, one service, one backend, read from JSON
 * and put into a VIP's configuration. For configuration that is changed a part
 * at a time; a scheduler's list is read whole (model.h).
 */
#ifndef NLB_AGENT_MODEL_EDIT_H
#define NLB_AGENT_MODEL_EDIT_H

#include "jget.h"
#include "model.h"

/*
 * Each reads one object ("VIP list" in docs/agent.md) by the same rules as a list; a VIP may
 * have only what is no business of a scheduler's: id, address, tag, unknown, ports.
 * 0, -EINVAL (err) or -ENOMEM. A port has to be zeroed before, and its
 * owner frees it, on failure too; a VIP is untouched on failure.
 */
int model_vip_parse(struct json_object *o, struct model_vip *ret, struct jerr *err);
int model_port_parse(struct json_object *o, const struct model_vip *v, struct model_port *p,
		     struct jerr *err);
int model_backend_parse(struct json_object *o, const struct model_vip *v,
			const struct model_port *p, struct model_backend *b, struct jerr *err);

/* "c0ffee" into b->quic_id; NULL: none. 0 or -EINVAL. */
int model_quic_id_parse(const char *text, const struct model_port *p, struct model_backend *b,
			struct jerr *err);
/* May this be a backend of v? */
int model_backend_check_addr(const struct model_vip *v, const struct addr *a, struct jerr *err);
/* What has to hold for all backends together. */
int model_port_check(const struct model_vip *v, const struct model_port *p, struct jerr *err);

void model_port_done(struct model_port *p);

/* Takes p's content over, in the place of the port of that key if there is one. 0 or -ENOMEM. */
int model_vip_set_port(struct model_vip *v, struct model_port *p);
bool model_vip_remove_port(struct model_vip *v, uint8_t protocol, uint16_t port);

struct model_backend *model_port_find(const struct model_port *p, const struct addr *a);
int model_port_set_backend(struct model_port *p, const struct model_backend *b);
bool model_port_remove_backend(struct model_port *p, const struct addr *a);

bool model_backend_equal(const struct model_backend *a, const struct model_backend *b);

/*
 * The object that the functions above read, in canonical form. With `backends` those
 * n_backends are written in the place of the port's own. A VIP without its ports.
 */
void model_vip_write_own(const struct model_vip *v, struct jput b);
void model_port_write(const struct model_port *p, const struct model_backend *backends,
		      struct jput b);
void model_backend_write(const struct model_backend *be, uint8_t quic_len, struct jput b);

#endif
