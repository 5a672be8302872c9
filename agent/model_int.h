/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared by the files model*.c only: the steps of parsing.
 */
#ifndef NLB_AGENT_MODEL_INT_H
#define NLB_AGENT_MODEL_INT_H

#include "jget.h"
#include "model.h"
#include "model_edit.h"

#define MODEL_INTERVAL_MIN     100u
#define MODEL_INTERVAL_MAX     3600000u
#define MODEL_INTERVAL_DEFAULT 5000u
#define MODEL_TIMEOUT_MIN      10u
#define MODEL_TIMEOUT_DEFAULT  3000u
#define MODEL_RISE_DEFAULT     2u
#define MODEL_FALL_DEFAULT     3u
#define MODEL_COUNT_MAX	       100u

/* Shortest prefixes, of 16-byte addresses: IPv4's /8, IPv6's /16. */
#define MODEL_PLEN4_MIN 104
#define MODEL_PLEN6_MIN 16

/* The seventh is what QUIC-LB leaves for connection ids of no configuration. */
#define MODEL_QUIC_CONFIG_MAX 6

/*
 * Each takes one JSON object and fills a zeroed struct, or returns -EINVAL
 * (err has the reason) or -ENOMEM. What was allocated is left in the struct
 * for the _done function, on failure too.
 */
int model_health_parse(struct json_object *o, uint16_t port, struct model_health *h,
		       struct jerr *err);

void model_health_done(struct model_health *h);
/* ret is whole or is for model_health_done(). 0 or -ENOMEM. */
int model_health_copy(const struct model_health *h, struct model_health *ret);
void model_health_write(const struct model_health *h, struct jput b);
/* Probes go out by `source`: to backends of its family, or to the VIP's through the tunnel. */
int model_health_check_source(const struct model_vip *v, const struct model_port *p,
			      struct jerr *err);

/* One check of a service for port, zeroed before; left for _done on failure too. */
int model_check_parse(struct json_object *o, uint16_t port, struct model_check *c,
		      struct jerr *err);
void model_check_done(struct model_check *c);
int model_check_copy(const struct model_check *c, struct model_check *ret);
void model_check_write(const struct model_check *c, struct jput b);

int model_hex_digit(char c); /* its value, or -1 */

int model_port_copy(const struct model_port *p, struct model_port *ret);

/* Order of ports: by protocol and number. */
int model_port_cmp(const void *a, const void *b);

/* Order of checks: by type, port, all else; 0: the same probe. */
int model_check_cmp(const void *a, const void *b);
bool model_health_equal(const struct model_health *a, const struct model_health *b);

#endif
