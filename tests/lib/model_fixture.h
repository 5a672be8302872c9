/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON in tests is written with ' for ", which keeps it readable in C.
 *
 *	struct model *m = model_fx("{'vips':[]}");	fails the test if refused
 *	const char *why = model_fx_err("{'vips':3}");	fails if accepted
 *	why = model_fx_refusal(MODEL_FX_VIP("..."));	of the one VIP in a document
 */
#ifndef NLB_TESTS_MODEL_FIXTURE_H
#define NLB_TESTS_MODEL_FIXTURE_H

#include "model.h"

struct model *model_fx(const char *json);

/* The reasons are in static memory, until the next call. */
const char *model_fx_err(const char *json);
const char *model_fx_refusal(const char *vip);

/* One VIP with one port, whose other members are given. */
#define MODEL_FX_PORT(more)                                                                        \
	"{'address':'192.0.2.1','ports':[{'protocol':'tcp','port':80," more "}]}"

/* ... UDP with QUIC, and one backend that has more. */
#define MODEL_FX_QUIC(config, len, more)                                                           \
	"{'address':'192.0.2.1','ports':[{'protocol':'udp','port':443,'quic':{'config_id':" config \
	",'server_id_length':" len "},'backends':[{'address':'10.0.0.1'" more "}]}]}"

/* ... with one backend, and this health object. */
#define MODEL_FX_HEALTH(health)                                                                    \
	MODEL_FX_PORT("'backends':[{'address':'10.0.0.1'}],'health':" health)

/* ... with this check. */
#define MODEL_FX_CHECK(check) MODEL_FX_HEALTH("{'checks':[" check "]}")

#endif
