/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core: holds the wanted state (model.h) against what is proven, and says
 * what to do next. It does no I/O: what comes in is a function call, what goes
 * out is a call of struct core_ops, and the time is an argument.
 *
 * Calls only take notes; core_run() acts on all of them at once, so that the
 * caller decides how much makes one batch (everything that one round of its
 * loop brought).
 */
#ifndef NLB_AGENT_CORE_H
#define NLB_AGENT_CORE_H

#include "config.h"
#include "jput.h"
#include "model.h"
#include "msg.h"

struct core;
struct core_vip;

struct core_ops {
	/* A frame (msg.h) to the maps child, and to the health child. */
	void (*maps)(void *user, uint16_t type, const void *data, size_t len);
	void (*health)(void *user, uint16_t type, const void *data, size_t len);

	/* To nlbd: send the full set (core_each_vip()); then single changes. */
	void (*sync)(void *user);
	void (*vip)(void *user, const struct core_vip *v);
	void (*gone)(void *user, const struct addr *vip, uint8_t plen);
	void (*dataplane)(void *user, bool up);

	/* What the scheduler is told has changed (core_report()). */
	void (*report)(void *user);
	/* A model has been accepted: keep it on disk. It is valid during the call. */
	void (*accepted)(void *user, const struct model *m);
	/* A verdict (core_verdicts_write()) or an override has changed. */
	void (*verdicts)(void *user);
	void (*overrides)(void *user);
	/* Local VIPs (core_local_write()) have changed. */
	void (*local)(void *user);
};

int core_new(const struct config *cfg, const struct core_ops *ops, void *user, struct core **ret);
void core_free(struct core *c);

/* Acts on what was noted: to nlbd first, then to the maps. */
void core_run(struct core *c, uint64_t now_ns);

/* The time, for the calls that follow and do not say it. */
void core_tick(struct core *c, uint64_t now_ns);

/* Something was changed that core_run() will ask to be kept on disk. */
bool core_is_unsaved(const struct core *c);

/* When core_run() is to be called at the latest; UINT64_MAX: not before something happens. */
uint64_t core_due(const struct core *c);

/* ---- the wanted state ---- */

enum core_verdict {
	CORE_ACCEPTED,
	CORE_UNCHANGED, /* the same as what runs */
	CORE_OLDER,	/* held: its revision is below the one that runs */
	CORE_REMOVES,	/* held: it would remove too many VIPs at once */
};

/*
 * Takes m over. A model that is held waits for core_accept(), or for the next
 * model, which takes its place. Nothing is accepted before the maps child is
 * ready: core_maps_ready() says so. Returns enum core_verdict or -ENOMEM.
 */
int core_model(struct core *c, struct model *m, uint64_t now_ns);
int core_accept(struct core *c, uint64_t now_ns); /* 0, or -ENOENT: nothing is held */

/* ---- from the children ---- */

void core_maps_frame(struct core *c, uint16_t type, const void *data, size_t len, uint64_t now_ns);
bool core_maps_ready(const struct core *c);
bool core_adopted(const struct core *c); /* services were found in pinned maps */
void core_health_results(struct core *c, const struct msg_hc_result *r, size_t n, uint64_t now_ns);

/* Ends the hold of verdicts after a mass failure (core_mass.c). 0, or -ENOENT: there is none. */
int core_mass_release(struct core *c, uint64_t now_ns);

/*
 * For a check of the maps (maps_check.h): names to the maps child what it was last told to
 * have, max VIPs at a time. True: that was all.
 */
void core_check_begin(struct core *c);
bool core_check_some(struct core *c, size_t max);

/* ---- from nlbd ---- */

enum core_route {
	CORE_ROUTE_UNKNOWN,
	CORE_ROUTE_INSTALLED,
	CORE_ROUTE_REJECTED,
	CORE_ROUTE_WITHDRAWN,
	CORE_ROUTE_REFUSED,
};

const char *core_route_str(enum core_route route);

/* The session is up (its hello was answered) or lost. */
void core_feed(struct core *c, bool up, uint64_t now_ns);
/* plen as in model.h; of a VIP that is another prefix by now it is not news. */
void core_route_set(struct core *c, const struct addr *vip, uint8_t plen, enum core_route route,
		    const char *reason, uint64_t now_ns);

/* ---- from the operator ---- */

struct core_key {
	struct addr vip, backend;
	uint16_t port;
	uint8_t protocol;
	uint8_t zero; /* no padding: it is the key of a table */
};

/* Overrides the scheduler's "admin" of one backend. 0, -ENOENT or -ENOMEM. */
int core_override_set(struct core *c, const struct core_key *key, enum model_admin admin);
int core_override_clear(struct core *c, const struct core_key *key);

/* ---- local VIPs: configured on this node, besides the scheduler's (core_local.c) ---- */

/* What a request with several changes has asked for so far. */
struct core_local_room {
	struct model_lengths lengths;
	size_t vips, services, backends;
	bool begun;
};

/*
 * May this be a local VIP? 0; -EEXIST (the scheduler has it), -ENOSPC (there is no room, in
 * the maps or for its prefix), with the reason in words. *room is zeroed before the first
 * VIP of a request, and handed in again with the next.
 */
int core_local_check(struct core *c, const struct model_vip *conf, struct core_local_room *room,
		     char *err, size_t err_len);

enum core_local {
	CORE_LOCAL_UNCHANGED, /* it is so already; nothing is touched */
	CORE_LOCAL_REPLACED,
	CORE_LOCAL_CREATED,
};

/*
 * Configures one local VIP, which was checked; conf is copied. Returns enum core_local, or
 * -ENOMEM, and what there was stays. A scheduler's VIP of that address that comes later is
 * refused for as long as the local one is there.
 */
int core_local_put(struct core *c, const struct model_vip *conf, uint64_t now_ns);

/* Withdraws it, or hands it over to the scheduler if that has it too. 0, or -ENOENT, -ENOMEM. */
int core_local_delete(struct core *c, const struct addr *vip, uint64_t now_ns);

/* The local VIPs from disk, at start, before the first list. Takes m over. 0 or -ENOMEM. */
int core_local_load(struct core *c, struct model *m, uint64_t now_ns);
/* All of them, into an array. */
void core_local_write(const struct core *c, struct jput b);
size_t core_local_count(const struct core *c);

/* ---- from the results directory (results.h) ---- */

#define CORE_RESULTS_MAX       262144u /* of all sources together */
#define CORE_RESULT_REASON_LEN 80

struct core_result {
	struct core_key key;
	bool down;
	char reason[CORE_RESULT_REASON_LEN]; /* "": none given */
};

/*
 * All that the source says from now on; what it said before is forgotten, and
 * with n = 0 it says nothing. Copied. 0; or -EEXIST (a backend twice), -E2BIG
 * (CORE_RESULTS_MAX), -ENOMEM, and what it said before stands.
 */
int core_results_set(struct core *c, const char *source, const struct core_result *r, size_t n,
		     uint64_t now_ns);

/* ---- restored at start, before the first model ---- */

int core_override_load(struct core *c, const struct core_key *key, enum model_admin admin);
/* digest as core_verdicts_write() gave it. */
int core_verdict_load(struct core *c, uint64_t digest, enum msg_hc_state state);
void core_verdicts_forget(struct core *c);

/* ---- what there is, as JSON (core_json.c) ---- */

void core_each_vip(struct core *c, void (*fn)(const struct core_vip *v, void *arg), void *arg);

/* Every known verdict as "digest":state, into an object; every override, into an array. */
void core_verdicts_write(struct core *c, struct jput b);
void core_overrides_write(struct core *c, struct jput b);

/* The "vip" line for nlbd; the backends may be left out when it gets too long. */
void core_feed_write(const struct core_vip *v, bool backends, struct jput b);

/*
 * A VIP's backends with their checks, as they are at now_ns, into an object. Bounded: backends and
 * checks together are at most CORE_CHECKS_MAX, so that it makes a line for nlbd; "left_out"
 * counts the rest. 0, or -ENOENT.
 */
#define CORE_CHECKS_MAX 1500u
int core_checks_write(const struct core *c, const struct addr *vip, uint64_t now_ns, struct jput b);

/* The scheduler's status document; and: it has been delivered as last written. */
void core_report_write(struct core *c, struct jput b);
void core_report_done(struct core *c);

#endif
