/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core's run-time state. For core*.c, and for those that read it to show
 * it (api*.c); nobody else changes it.
 */
#ifndef NLB_AGENT_CORE_INT_H
#define NLB_AGENT_CORE_INT_H

#include "core.h"
#include "hash.h"
#include "hc_reason.h"
#include "util.h"

/* The longest core_backend_reason(): "https/65535: " and a reason. nlbd takes 255 bytes. */
#define CORE_REASON_LEN	      (16 + HC_REASON_LEN)
#define CORE_MS		      1000000ull
#define CORE_HEALTH_SLACK_MS  2000u   /* a first verdict comes this long after interval + timeout */
#define CORE_WITHDRAW_MS      10000u  /* nlbd's answer to "gone" */
#define CORE_WITHDRAW_LOST_MS 120000u /* ... when there is no nlbd to ask */
#define CORE_MAPS_SLACK_MS    5000u   /* results of the first batch after an adoption */
#define CORE_LOG_BACKENDS     100u    /* in a second, each in a line */
#define CORE_GATHER_MS	      2u      /* from one batch to the next, at the most ... */
#define CORE_GATHER_TIMES     4u      /* ... and this often the time that it took */
#define CORE_BATCHES	      32u     /* as many are remembered */
#define CORE_DIGEST_MS	      1000u   /* until a digest is told that changes nothing else */
#define CORE_RETRY_MIN_MS     1000u   /* a service that could not be written */
#define CORE_RETRY_MAX_MS     30000u

/*
 * A VIP's way. WANTED: it is in the accepted model. When it leaves the model:
 * WITHDRAWING until nlbd has confirmed that the route is gone; HOLD_DOWN while
 * the last packets arrive; DELETING until the maps child has emptied its maps;
 * DELETED until the scheduler knows. A VIP that returns is WANTED at once, from
 * every one of these.
 */
enum core_phase {
	CORE_WANTED,
	CORE_WITHDRAWING,
	CORE_HOLD_DOWN,
	CORE_DELETING,
	CORE_DELETED,
};

/* Who says that there is this VIP, or, when it leaves, who last did. */
enum core_owner {
	CORE_OWNER_NONE, /* it was found in the maps, and is in no list yet */
	CORE_OWNER_SCHEDULER,
	CORE_OWNER_LOCAL, /* this node's local API */
};

enum core_be_state {
	CORE_BE_UNKNOWN, /* before the first verdict */
	CORE_BE_UP,	 /* the only one that gets new flows */
	CORE_BE_DOWN,
	CORE_BE_DRAIN,	  /* weight 0, or drained by scheduler or operator: keeps its flows */
	CORE_BE_DISABLED, /* admin down */
};

/* The last probe that failed; at_ns is when it was the first to fail so. 0: none. */
struct core_failure {
	uint64_t at_ns;
	uint32_t detail;
	uint8_t reason;
};

/* One condition of the health child, shared by all that ask the same. */
struct core_cond {
	UT_hash_handle by_id, by_frame;
	struct msg_hc_cond *msg; /* the frame as sent, with its strings */
	size_t len;		 /* ... of all of it */
	uint64_t digest;	 /* of what by_frame has as its key */
	uint64_t id;
	uint8_t state;	/* enum msg_hc_state: the verdict that counts */
	uint8_t reason; /* ... and detail: of the last probe */
	bool probed;	/* there was one, now or before the restart */
	bool failing;	/* so did the last one (core_mass.c: for whom that counts) */
	bool held;	/* the health child says DOWN, and state is UP all the same */
	bool fell;	/* state went from UP to DOWN */
	uint32_t detail;
	uint32_t latency_us; /* of the last probe with an answer */
	uint64_t since_ns;   /* state */
	uint64_t failing_ns; /* failing, since */
	struct core_failure failure;
	struct core_use *uses; /* freed with the last of them */
	bool sent;	       /* the health child has it */
	/* core_tunnel.c: through the tunnel to this backend; NULL: not through the tunnel. */
	struct core_tunnel *tunnel;
	struct core_cond *tunnel_next, **tunnel_link;
};

/* One backend's interest in one condition. */
struct core_use {
	struct core_use *next, **link; /* among the users of cond */
	struct core_cond *cond;
	struct core_backend *be;
};

struct core_backend {
	struct model_backend conf;
	struct core_port *port;
	struct core_use *uses;	    /* conf.health.n_checks of the port */
	struct core_target *target; /* what conf.addr counts in */
	bool has_override;
	enum model_admin override;
	bool result_down; /* so says the results directory */
	/* core_mass.c: as it counts in target. */
	bool in_mass, is_failing, is_new_failure;
	uint8_t health; /* enum msg_hc_state: the policy over the conditions */
	enum core_be_state state;
	bool draining; /* state is DRAIN, and nothing says that it is down: keeps its flows */
	/* As last sent to the maps child. */
	bool listed;
	uint32_t ring_weight; /* 0: listed as draining, or not at all */
	bool in_ring;	      /* the live one, as far as the maps child has said */
	uint8_t ring_quic_id[NLB_QUIC_ID_MAX];
	uint32_t mark; /* core->mark: seen in this request */
};

/* What of a service, besides its backends, the maps child is told. */
struct core_svc_conf {
	uint32_t ring_size;
	uint32_t flags; /* NLB_SVC_F_... */
	uint8_t quic_config, quic_len;
	uint8_t zero[2];
};

/* What of a port survives a new configuration. */
struct core_port_run {
	bool first_done;   /* the first health round */
	uint64_t first_by; /* ... is waited for until then */
	bool adopted;	   /* its ring was found in pinned maps */
	bool sent;	   /* SVC_SET was sent at least once */
	bool waiting;	   /* for the result of the last one */
	bool proven;	   /* the live ring, with at least one backend in it */
	bool failed;	   /* the last SVC_SET; reason says why */
	bool broken;	   /* a live ring through which no packet came */
	struct core_svc_conf sent_conf;
	uint32_t live; /* backends in the live ring that get new flows */
	uint64_t generation;
	uint64_t digest;   /* of what the maps have; 0: no backend (maps_digest.h) */
	uint64_t retry_at; /* 0: none */
	uint32_t retry_ms;
	char reason[MSG_REASON_LEN];
};

struct core_port {
	struct core_vip *vip;
	const struct model_port *conf; /* in vip->conf */
	size_t n_backends;
	struct core_backend *backends; /* as conf->backends */
	struct core_port_run run;
	bool dirty;	   /* look at the backends again */
	bool ring_dirty;   /* the service is to be sent, whatever was sent last ... */
	bool ring_differs; /* ... or because it is not what was sent, as of the last look */
	uint32_t n_enabled;
	uint32_t n_draining;
	uint32_t mark; /* core->mark: seen in this request */
};

struct core_vip {
	UT_hash_handle hh; /* by conf.addr */
	struct core *core;
	struct model_vip conf;
	struct core_port *ports; /* as conf.ports */
	size_t n_ports;
	enum core_phase phase;
	enum core_owner owner;
	uint64_t seen;	 /* serial of the last model that named it */
	bool in_model;	 /* it still does (with "deletion" too) */
	bool adopted;	 /* found in pinned maps */
	bool configured; /* conf is the scheduler's; else only what the maps hold */
	bool in_maps;	 /* VIP_SET was sent, with these: */
	uint32_t maps_flags;
	uint8_t maps_plen;
	bool set_again;	  /* a service could not be written: perhaps the VIP was not */
	bool reported;	  /* its deletion was told to the scheduler */
	uint64_t del_seq; /* batch of its VIP_DEL */
	uint64_t due_ns;  /* 0: nothing is waited for */
	struct core_vip *timed_next, **timed_link;
	struct core_vip *dirty_next;
	bool dirty;
	struct core_vip *ring_next;
	bool want_ring;
	bool told_dirty;   /* nlbd does not know the newest */
	bool digest_dirty; /* ... digest of a service, which can wait */
	bool ready;
	uint32_t n_enabled, n_total;
	char why[MSG_REASON_LEN]; /* not ready: why not */
	enum core_route route;
	char route_reason[MSG_REASON_LEN];
	const struct model_refusal *refusal; /* the newest configuration was refused */
	uint32_t mark, mark_at;		     /* core->mark: its place in a list of this request */
};

/* An address that is a backend somewhere; the maps have each once. */
struct core_target {
	UT_hash_handle hh;
	struct addr addr;
	uint32_t users;
	/* core_mass.c: backends with checks, those that fail, and ... that were up before. */
	uint32_t n_checked, n_failing, n_new;
	bool is_failing; /* all of them */
	bool listed;	 /* in mass.failing, in the order of: */
	uint64_t onset_ns, window_ns;
	struct core_target *prev, *next;
};

/* Failures of many at once (core_mass.c). */
struct core_mass {
	uint32_t n_checked; /* targets with checks */
	uint32_t n_failing; /* of these */
	uint32_t n_new;	    /* of these, in the list: */
	struct core_target *failing;
	uint64_t n_onsets;	  /* ever listed */
	uint64_t n_seen, seen_ns; /* n_onsets at the last look at the list, and when */
	uint32_t n_held;	  /* conditions */
	uint64_t n_events;
	uint64_t begun_ns; /* 0: there is no event */
	uint64_t event_ns; /* when it happened, as far as is known */
	uint64_t calm_ns;  /* since when enough answer again; 0: they do not */
	uint64_t until_ns; /* it is not held longer */
	uint64_t due_ns;   /* core_mass_run() has to look; UINT64_MAX: no need */
	bool holding, withdrawn;
};

/*
 * Lines of many that change together: of 20,000, the lines took longer than all the rest. So
 * each has one while there are not too many in a second, and all others one together.
 */
struct core_log {
	uint32_t n, n_logged; /* in this batch */
	uint32_t in_second;
	uint64_t since;
};

/* A batch on its way. Times are CLOCK_MONOTONIC. */
struct core_batch {
	uint64_t first_ns, last_ns; /* the first and the last change that are in it */
	uint64_t sent_ns, took_ns;
	struct msg_committed done; /* .seq is 0 until it is */
};

struct core {
	const struct config *cfg;
	const struct core_ops *ops;
	void *user;
	uint64_t now;

	struct core_vip *vips;
	struct core_cond *conds_by_id, *conds_by_frame;
	struct core_override *overrides;
	struct core_target *targets; /* addresses of backends, each once */
	struct core_tunnel *tunnels; /* ... of those that are checked through the tunnel */
	struct msg_tunnel_state tunnel_state;
	uint64_t next_tunnel; /* number of the next question for a mark */
	struct core_stored *verdicts;
	struct core_source *sources; /* what is said from outside, by file and ... */
	struct core_about *abouts;   /* ... by backend */
	size_t n_results;
	struct core_serving *serving; /* backends of the adopted rings, until the first model */
	uint64_t next_id, next_generation, next_seq, serial;

	struct model *model; /* accepted; NULL before the first */
	struct model *held;  /* waits for core_accept() */
	enum core_verdict held_why;
	uint32_t held_removes, held_of;

	bool maps_ready, dataplane_up, dataplane_native;
	char dataplane_reason[MSG_REASON_LEN];
	bool any_adopted;
	bool in_flight;				 /* a batch is with the maps child */
	struct core_batch next;			 /* times of what is not sent yet */
	struct core_batch batches[CORE_BATCHES]; /* the last ones, by seq */
	uint64_t n_batched, n_batched_changed;	 /* in all batches */
	bool need_commit;			 /* frames were sent since the last commit */
	uint64_t seq;				 /* of the batch in flight */

	bool feed_up, synced; /* synced: the full set was sent in this session */
	bool sync_ok;	      /* the full set can be sent without taking a route away */
	uint64_t sync_by;     /* ... or will be anyway */

	struct core_vip *timed, *dirty, *ring;
	struct core_vip *check_at; /* core_check.c: named next; NULL: all are */
	uint64_t due_ns;
	bool report_dirty, verdicts_dirty, overrides_dirty, local_dirty;
	uint32_t mark; /* for whoever walks a document and looks for doubles */
	struct core_log changed, overridden; /* backends */
	uint64_t digests_at;		     /* when digests that changed are told; 0: none did */
	uint64_t n_enabled;		     /* over all VIPs */
	struct core_mass mass;
	uint32_t n_deleting; /* VIP_DELs that are not committed */
	uint32_t n_ports;    /* of all VIPs */
};

/* core.c */
struct core_vip *core_vip_find(const struct core *c, const struct addr *a);
struct core_port *core_port_find(struct core_vip *v, uint8_t protocol, uint16_t port);
struct core_backend *core_backend_find(struct core_port *p, const struct addr *a);
void core_maps_send(struct core *c, uint16_t type, const void *data, size_t len);
void core_vip_dirty(struct core_vip *v);
void core_vip_due(struct core_vip *v, uint64_t at_ns);		 /* 0: nothing */
int core_vip_want(struct core *c, const struct model_vip *want); /* as a list's element */
void core_sync_wait(struct core *c); /* nlbd's full set waits for what the maps had */
void core_mark_next(struct core *c); /* nothing has core->mark any more */

/* core_vip.c: a VIP's run-time state made from its configuration */
int core_vip_new(struct core *c, const struct addr *a, struct core_vip **ret);
void core_vip_free(struct core_vip *v);
int core_vip_configure(struct core_vip *v, const struct model_vip *conf);
void core_vip_clear(struct core_vip *v); /* drops ports and conditions */

size_t core_targets_count(const struct core *c); /* different addresses of backends */
bool core_target_known(const struct core *c, const struct addr *a);

/* core_cond.c */
/* old: the same backend as it was configured before; NULL: it is new. */
int core_cond_get(struct core *c, const struct model_check *k, struct core_backend *be,
		  const struct core_backend *old, struct core_use *use);
void core_use_put(struct core *c, struct core_use *use);
/* The health child is to have it, with the verdict that there is, or not. Idempotent. */
void core_cond_send(struct core *c, struct core_cond *cond);
void core_cond_take_back(struct core *c, struct core_cond *cond);

/* core_health.c */
bool core_backend_judge(struct core_backend *be); /* true when its health changed */
/* What the last probe came to, or why there is none, into buf, which is returned. */
const char *core_cond_result(const struct core_cond *cond, char buf[static HC_REASON_LEN]);
bool core_backend_probed(const struct core_backend *be);
void core_backend_reason(const struct core_backend *be, char *buf, size_t len);
void core_cond_state(struct core *c, struct core_cond *cond, enum msg_hc_state state);

/* core_mass.c */
/* A backend has its conditions, or is about to give them up. */
void core_mass_join(struct core *c, struct core_backend *be, const struct core_backend *old);
void core_mass_leave(struct core *c, struct core_backend *be);
void core_mass_forget(struct core *c, struct core_cond *cond); /* it is about to be freed */
/* Its last probe ended in another way. */
void core_mass_note(struct core *c, struct core_cond *cond);
/* The health child says state: the verdict that counts. */
enum msg_hc_state core_mass_hold(struct core *c, struct core_cond *cond, enum msg_hc_state state);
void core_mass_run(struct core *c);
uint32_t core_mass_base(const struct core *c); /* targets that work, or did at the event */
const char *core_mass_policy_str(enum config_mass_policy policy);

/* As nlbd is told. */
static inline bool core_dataplane_ok(const struct core *c)
{
	return c->dataplane_up && !c->mass.withdrawn;
}

/* core_tunnel.c: conditions whose frame has a dest; the health child has them when they can be probed. */
int core_tunnel_add(struct core *c, struct core_cond *cond);
void core_tunnel_remove(struct core *c, struct core_cond *cond);
/* A frame of the maps child's. False: it is for somebody else, or malformed. */
bool core_tunnel_frame(struct core *c, uint16_t type, const void *data, size_t len);
/* Why this node does not probe it; NULL: it does, or will. */
const char *core_tunnel_why(const struct core_cond *cond);

/* core_run.c */
bool core_log_one(const struct core *c, struct core_log *log); /* may it have a line? */
enum core_be_state core_backend_state(const struct core_backend *be);
const char *core_be_state_str(enum core_be_state state);
const char *core_phase_str(enum core_phase phase);

static inline bool core_port_unsent(const struct core_port *p)
{
	return p->ring_dirty || p->ring_differs;
}

/* core_send.c: are the maps told otherwise than it is now? */
bool core_backend_differs(const struct core_backend *be);
bool core_svc_differs(const struct core_port *p); /* apart from its backends */
bool core_vip_differs(const struct core_vip *v);
void core_send_all(struct core *c); /* VIPs of c->ring */

/* A service as the maps child was last told of it; ret has core_svc_msg_len() bytes. */
size_t core_svc_msg_len(const struct core_port *p);
void core_svc_msg(const struct core_port *p, struct msg_svc *ret);

/* core_batch.c */
void core_batch_note(struct core *c); /* something has changed, now */
void core_batch_run(struct core *c);  /* sends what there is, if it is time */
void core_batch_done(struct core *c, const struct msg_committed *done);

/* core_local.c */
bool core_vip_is_local(const struct core_vip *v);
/* Changes a local VIP's backend where it stands: 1, or 0 when it is so already. */
int core_backend_set(struct core_backend *be, uint32_t weight, enum model_admin admin);
const char *core_owner_str(enum core_owner owner);
#define CORE_LOCAL_REASON "the address is a local VIP of this node, configured over its API"

/* core_remove.c */
void core_withdraw(struct core_vip *v);
void core_revive(struct core_vip *v);
void core_vip_timeout(struct core_vip *v);
void core_remove_committed(struct core *c);

/* core_over.c */
void core_backend_touch(struct core_backend *be); /* its state is to be looked at anew */
/* Of one that is at hand: 1, 0 (it is so already) or -ENOMEM. */
int core_override_put(struct core_backend *be, enum model_admin admin);
int core_override_drop(struct core_backend *be);
struct core_backend *core_backend_by_key(const struct core *c, const struct core_key *key);
bool core_override_find(const struct core *c, const struct core_key *key, enum model_admin *ret);
void core_overrides_prune(struct core *c); /* of backends that the scheduler has no more */
size_t core_overrides_count(const struct core *c);
void core_overrides_done(struct core *c);
int core_serving_add(struct core *c, const struct addr *backend);
enum msg_hc_state core_verdict_find(const struct core *c, uint64_t digest,
				    const struct addr *target);

/* core_results.c */
bool core_results_down(const struct core *c, const struct core_key *key);
const char *core_results_reason(const struct core_backend *be); /* why it is down; "": it is not */
void core_results_write(const struct core_backend *be, struct jput b); /* "results", if any */
size_t core_results_unknown(const struct core *c); /* backends that are not configured */
void core_results_done(struct core *c);

/* core_json.c */
void core_backend_write(const struct core_backend *be, struct jput b);
void core_digest_write(const struct core_port *p, struct jput b); /* "digest" */
/* One check of a backend: state, last result, last failure. */
void core_check_write(const struct core_cond *cond, uint64_t now_ns, struct jput b);
const char *core_report_state(const struct core_vip *v, const char **ret_reason);

#endif
