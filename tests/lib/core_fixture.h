/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A core with doubles for all that it talks to. What it says is kept as text,
 * one line an event, and a double of the maps child answers when it is told to:
 *
 *	struct core_fx *fx = core_fx_new();		READY, nothing adopted, nlbd up
 *	core_fx_model(fx, "{...}");			as from the scheduler
 *	core_fx_verdict(fx, "10.0.0.1", MSG_HC_UP);	every condition of that target
 *	core_fx_settle(fx);				runs, answers batches, until quiet
 *	assert_true(core_fx_said(fx, "vip 192.0.2.1 ready enabled=1/1"));
 *	core_fx_free(fx);
 *
 * Lines: "maps vip_set A[/LEN][ pass]", "maps vip_del A",
 * "maps svc_set A tcp/80 n=2 [B,C=quic id,~D][ affinity][ quic=CONFIG/LEN]" (~D drains, n are
 * the others), "maps svc_del A tcp/80", "maps want_vip A[ any]", "maps want_svc A tcp/80 n=2[ any]",
 * "maps tunnel_set B", "maps tunnel_del B", "maps commit", "hc set B:80 tcp", "hc del",
 * "sync", "vip A[/LEN] ready|not enabled=1/2", "gone A[/LEN]", "dataplane ok|down",
 * "report", "accepted R", "verdicts", "overrides", "local".
 */
#ifndef NLB_TESTS_CORE_FIXTURE_H
#define NLB_TESTS_CORE_FIXTURE_H

#include <stdbool.h>

#include "core_int.h"

struct core_fx {
	struct config cfg;
	struct core *core;
	uint64_t now; /* ns; moves only by core_fx_pass() */
	char *said;   /* all lines since core_fx_forget() */
	size_t said_len;

	/* The double of the maps child. */
	enum msg_svc_state result; /* of services with backends; PROVEN at first */
	bool mute;		   /* it does not answer batches */
	struct msg_svc_result pending[256];
	size_t n_pending;
	uint64_t batch;
	bool has_batch;

	struct msg_tunnel tunnel; /* the last question for a mark */

	struct msg_hc_cond conds[4096]; /* what the health child has */
	size_t n_conds;
};

struct core_fx *core_fx_new(void);

/* Before READY, for adoption; core_fx_ready() follows. */
struct core_fx *core_fx_cold(void);
/* HAVE of a service whose ring has this backend; NULL: none. */
void core_fx_have(struct core_fx *fx, const char *vip, uint8_t protocol, uint16_t port,
		  const char *backend);
void core_fx_ready(struct core_fx *fx);
void core_fx_free(struct core_fx *fx);

/* Parses and hands in; returns what core_model() does. Quotes may be ' . */
int core_fx_model(struct core_fx *fx, const char *json);

/* A verdict for each condition of this target that the health child has. */
void core_fx_verdict(struct core_fx *fx, const char *target, enum msg_hc_state state);
/* ... and with how the probe ended, when that is not OK for UP and REFUSED for DOWN. */
void core_fx_result(struct core_fx *fx, const char *target, enum msg_hc_state state,
		    enum msg_hc_reason reason);
void core_fx_route(struct core_fx *fx, const char *vip, enum core_route route);
void core_fx_run(struct core_fx *fx);	 /* core_run() once */
void core_fx_answer(struct core_fx *fx); /* results and COMMITTED of the batch at hand */
void core_fx_settle(struct core_fx *fx);
void core_fx_pass(struct core_fx *fx, uint64_t ms); /* time, and then core_fx_settle() */

bool core_fx_said(const struct core_fx *fx, const char *line);
size_t core_fx_count(const struct core_fx *fx, const char *prefix);
void core_fx_forget(struct core_fx *fx);

struct core_vip *core_fx_vip(struct core_fx *fx, const char *vip);
const char *core_fx_state(struct core_fx *fx, const char *vip); /* as reported */

/* A one-port model: "tcp/80, backends ..., one tcp check", for many tests. */
#define CORE_FX_CHECK "'health':{'interval_ms':1000,'timeout_ms':500,'checks':[{'type':'tcp'}]}"
#define CORE_FX_VIP(addr, backends)                                                                \
	"{'id':'id-" addr "','address':'" addr                                                     \
	"','desired_revision':7,'ports':[{'protocol':'tcp',"                                       \
	"'port':80,'backends':[" backends "]," CORE_FX_CHECK "}]}"
#define CORE_FX_BE(addr)       "{'address':'" addr "'}"
#define CORE_FX_DOC(rev, vips) "{'revision':" rev ",'vips':[" vips "]}"

#endif
