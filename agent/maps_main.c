// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The maps child: owner of the data plane. It keeps no state of its own on
 * disk; what it must not forget is in the pinned maps and links, from which it
 * starts again. When the parent is gone it ends, and leaves everything in the
 * kernel as it is.
 *
 * Start: while privileged, the bpffs directory; then, with CAP_BPF,
 * CAP_NET_ADMIN and CAP_PERFMON left, maps are adopted or made and the program
 * is loaded; CAP_PERFMON goes. The parent is told what was adopted (HAVE) and
 * that we are ready.
 *
 * Maps that were adopted: the links' program is swapped for ours at once.
 * Maps that are new: links found keep the program and maps of the former
 * layout until the parent's first batch has filled the new ones; then the
 * links are swapped, and the former layout's maps removed.
 *
 * From then on: batches (maps_stage.c) into the table (maps_table.c), each
 * service proven (maps_prove.c) and reported; links looked after
 * (maps_attach.c); ways to backends kept (neigh.c, maps_hop.c); counters, answers
 * and samples on request (maps_observe.c); the way of health checks into the
 * tunnel (maps_tunnel.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "ipc.h"
#include "log.h"
#include "loop.h"
#include "maps_attach.h"
#include "maps_bpf.h"
#include "maps_check.h"
#include "maps_fs.h"
#include "maps_hop.h"
#include "maps_observe.h"
#include "maps_prove.h"
#include "maps_stage.h"
#include "maps_table.h"
#include "maps_tunnel.h"
#include "maps_usage.h"
#include "neigh.h"
#include "privs.h"
#include "proc.h"
#include "util.h"

#define ATTACH_CHECK_MS 250
#define AGE_MS		1000
#define REST_MS		60000 /* backends that were down mostly come back */

struct maps {
	const struct config *cfg;
	struct loop *loop;
	struct ipc *parent;
	struct neigh *neigh;
	struct maps_bpf bpf;
	struct maps_table table;
	struct maps_hops hops;
	struct maps_attach attach;
	struct maps_prover prover;
	struct maps_observe observe;
	struct maps_stage stage;
	struct maps_check check;
	struct maps_usage usage;
	struct maps_tunnel tunnel;
	struct loop_timer attach_timer, age_timer;
	/* During a commit: the services that are set, to be proven and reported. */
	struct maps_svc **fresh;
	size_t n_fresh;
	uint32_t n_changed; /* of these, by the batch */
	bool filled;	    /* the maps hold what the parent wants, as of some batch */
	int lock_fd;
};

static void raise_limits(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
	/* Only kernels before 5.11 count BPF memory against this. */
	lim = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	setrlimit(RLIMIT_MEMLOCK, &lim);
}

/* A parent that cannot be told is one that has hung: end, and be started anew. */
static void send_parent(struct maps *m, uint16_t type, const void *data, size_t len)
{
	int r = ipc_send(m->parent, type, data, len);

	if (r == 0)
		return;
	log_err("parent does not read, ending", "error=\"%s\"", strerror(-r));
	loop_stop(m->loop, 1);
}

static void out_send(void *user, uint16_t type, const void *data, size_t len)
{
	send_parent(user, type, data, len);
}

/* ---- results ---- */

static void key_to_msg(const struct maps_svc_key *key, struct addr *vip, uint16_t *port)
{
	memcpy(vip->b, key->vip, sizeof(vip->b));
	*port = maps_svc_port(key);
}

static void send_result(struct maps *m, const struct maps_svc *svc)
{
	struct msg_svc_result res = {
		.protocol = svc->key.protocol,
		.state = (uint8_t)svc->proof.state,
		.n_backends = (uint32_t)svc->n_enabled,
		.generation = svc->generation,
		.digest = svc->digest,
	};

	key_to_msg(&svc->key, &res.vip, &res.port);
	snprintf(res.reason, sizeof(res.reason), "%s", svc->proof.reason);
	send_parent(m, MSG_MAPS_SVC_RESULT, &res, sizeof(res));
}

static void on_proof_changed(struct maps_svc *svc, void *user)
{
	if (svc->wanted)
		send_result(user, svc);
}

static void report(const struct msg_svc *msg, struct maps_svc *svc, int err, const char *reason,
		   void *user)
{
	struct msg_svc_result res = {.vip = msg->vip,
				     .port = msg->port,
				     .protocol = msg->protocol,
				     .state = MSG_SVC_FAILED,
				     .generation = msg->generation};
	struct maps *m = user;
	char text[ADDR_STRLEN];

	if (err >= 0) {
		m->n_changed += err > 0;
		svc->generation = msg->generation;
		svc->wanted = true;
		m->fresh[m->n_fresh++] = svc;
		return;
	}
	if (svc) {
		res.n_backends = (uint32_t)svc->n_enabled;
		res.digest = svc->digest;
	}
	snprintf(res.reason, sizeof(res.reason), "%s", reason);
	log_err("service refused, what it had stays", "vip=%s protocol=%u port=%u reason=\"%s\"",
		addr_str(&msg->vip, text), msg->protocol, msg->port, reason);
	send_parent(m, MSG_MAPS_SVC_RESULT, &res, sizeof(res));
}

/* ---- batches ---- */

/* The new maps are filled: traffic may go over to them. */
static void take_over_traffic(struct maps *m)
{
	int n;

	if (m->filled)
		return;
	m->filled = true;
	if (m->attach.hold && maps_attach_swap(&m->attach) < 0)
		return;
	n = maps_fs_remove_others(m->cfg);
	if (n > 0)
		log_notice("maps of another layout removed", "n=%d", n);
}

static void commit(struct maps *m, const struct msg_batch *batch)
{
	const struct maps_rings *rings = &m->table.rings;
	uint64_t written = rings->n_made, computed = rings->n_computed;
	struct msg_committed done = {.seq = batch->seq, .begun_ns = util_now_ns()};

	m->fresh = calloc(MAX2(m->stage.n_svcs, (size_t)1), sizeof(struct maps_svc *));
	m->n_fresh = m->n_changed = 0;
	if (!m->fresh) {
		log_err("out of memory, ending", "services=%zu", m->stage.n_svcs);
		loop_stop(m->loop, 1);
		return;
	}
	done.services = (uint32_t)m->stage.n_svcs;
	maps_stage_apply(&m->stage, &m->table, report, m);
	done.switched_ns = util_now_ns();
	done.changed = m->n_changed;
	done.written = (uint32_t)(rings->n_made - written);
	done.computed = (uint32_t)(rings->n_computed - computed);
	take_over_traffic(m);
	for (size_t i = 0; i < m->n_fresh; i++) {
		maps_prove_now(&m->prover, m->fresh[i]);
		send_result(m, m->fresh[i]);
	}
	free(TAKE_PTR(m->fresh));
	done.proven_ns = util_now_ns();
	send_parent(m, MSG_MAPS_COMMITTED, &done, sizeof(done));
}

/* ---- checks ---- */

static void on_check_set(void *user, struct maps_svc *svc)
{
	struct maps *m = user;

	maps_prove_now(&m->prover, svc);
	send_result(m, svc);
}

static void on_check_done(void *user, const struct msg_check *report)
{
	send_parent(user, MSG_MAPS_CHECKED, report, sizeof(*report));
}

static const struct maps_check_ops check_ops = {.set = on_check_set, .done = on_check_done};

static int send_usage(struct maps *m, const struct msg_batch *batch, size_t len)
{
	struct msg_usage usage;

	if (len != sizeof(*batch))
		return -EPROTO;
	maps_usage_get(&m->table, &usage);
	usage.seq = batch->seq;
	send_parent(m, MSG_MAPS_USAGE, &usage, sizeof(usage));
	return 0;
}

/* ---- the parent ---- */

static void on_frame(struct ipc *ch, uint16_t type, const void *data, size_t len)
{
	struct maps *m = ipc_user(ch);
	int r = 0;

	switch (type) {
	case MSG_MAPS_COMMIT:
		if (len == sizeof(struct msg_batch))
			commit(m, data);
		else
			r = -EPROTO;
		break;
	case MSG_MAPS_USAGE_GET:
		r = send_usage(m, data, len);
		break;
	default:
		r = maps_observe_frame(&m->observe, type, data, len);
		if (r == -ENOENT)
			r = maps_tunnel_frame(&m->tunnel, type, data, len);
		if (r == -ENOENT)
			r = maps_check_frame(&m->check, type, data, len);
		if (r == -ENOENT)
			r = maps_stage_add(&m->stage, type, data, len);
		break;
	}
	if (r == 0)
		return;
	log_err("frame from the parent cannot be used, ending", "type=%u length=%zu error=\"%s\"",
		type, len, strerror(-r));
	loop_stop(m->loop, 1);
}

static void on_closed(struct ipc *ch, int err)
{
	struct maps *m = ipc_user(ch);

	if (err < 0)
		log_err("channel to the parent broke", "error=\"%s\"", strerror(-err));
	else
		log_info("parent is gone, ending; traffic goes on", "services=%zu", m->table.n_all);
	loop_stop(m->loop, err < 0 ? 1 : 0);
}

static const struct ipc_ops parent_ops = {.frame = on_frame, .closed = on_closed};

/* ---- the world outside ---- */

static void check_attach(struct maps *m)
{
	struct msg_dataplane state;

	if (!maps_attach_check(&m->attach))
		return;
	maps_attach_summary(&m->attach, &state);
	log_notice("data plane changed", "up=%u native=%u reason=\"%s\"", state.up, state.native,
		   state.reason);
	send_parent(m, MSG_MAPS_DATAPLANE, &state, sizeof(state));
	maps_prove_all(&m->prover);
}

static void on_attach_timer(struct loop_timer *t)
{
	struct maps *m = container_of(t, struct maps, attach_timer);

	check_attach(m);
	loop_timer_in(m->loop, t, ATTACH_CHECK_MS, on_attach_timer);
}

static void on_age_timer(struct loop_timer *t)
{
	struct maps *m = container_of(t, struct maps, age_timer);

	maps_table_age(&m->table, util_now_ns());
	maps_usage_watch(&m->usage, &m->table);
	maps_tunnel_check(&m->tunnel);
	loop_timer_in(m->loop, t, AGE_MS, on_age_timer);
}

static void on_neigh_changed(void *user)
{
	struct maps *m = user;

	maps_prove_all(&m->prover);
}

static void on_link(void *user)
{
	struct maps *m = user;

	check_attach(m);
	maps_tunnel_check(&m->tunnel);
}

static void on_addr(void *user)
{
	struct maps *m = user;

	maps_hops_sources(&m->hops);
	if (maps_bpf_set_sources(&m->bpf) > 0)
		maps_prove_all(&m->prover);
}

static void on_path(void *user, const struct addr *target, const struct neigh_hop_info *info)
{
	struct maps *m = user;

	maps_hops_path(&m->hops, target, info);
}

static void on_settled(void *user)
{
	struct maps *m = user;

	maps_hops_settled(&m->hops);
}

static const struct neigh_ops neigh_ops = {
	.changed = on_neigh_changed,
	.link = on_link,
	.addr = on_addr,
	.path = on_path,
	.settled = on_settled,
	.rest_ms = REST_MS,
};

/* ---- start ---- */

static int fail(const char *what, int err)
{
	log_err("data plane cannot be started", "step=\"%s\" error=\"%s\"", what, strerror(-err));
	return err;
}

static int start_privileged(struct maps *m)
{
	static const cap_value_t keep[] = {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON};
	char err[512];
	int r;

	raise_limits();
	r = maps_fs_prepare(m->cfg, err, sizeof(err));
	if (r < 0) {
		log_err("data plane cannot be started", "error=\"%s\"", err);
		return r;
	}
	r = privs_drop(m->cfg->user, keep, ARRAY_SIZE(keep));
	if (r < 0)
		return fail("drop privileges", r);
	m->lock_fd = maps_fs_lock(m->cfg);
	if (m->lock_fd < 0)
		return fail("lock bpf-dir", m->lock_fd);
	r = maps_bpf_open(m->cfg, &m->bpf, err, sizeof(err));
	if (r < 0) {
		log_err("data plane cannot be started", "error=\"%s\"", err);
		return r;
	}
	maps_tunnel_load(&m->tunnel, &m->bpf);
	r = privs_lose(CAP_PERFMON);
	return r < 0 ? fail("drop CAP_PERFMON", r) : 0;
}

static int start(struct maps *m)
{
	int r;

	r = loop_new(&m->loop);
	if (r < 0)
		return fail("loop", r);
	r = neigh_new(m->loop, &neigh_ops, m, &m->neigh);
	if (r < 0)
		return fail("rtnetlink", r);
	r = maps_hops_init(&m->hops, &m->bpf, &m->table.grace, m->neigh);
	if (r < 0)
		return fail("next hops", r);
	r = maps_table_init(&m->table, &m->bpf, &m->hops);
	if (r < 0)
		return fail("adopt the maps", r);
	maps_bpf_set_sources(&m->bpf);
	r = maps_attach_init(&m->attach, m->cfg, m->bpf.prog_fd, !m->bpf.adopted);
	if (r < 0)
		return fail("attach", r);
	maps_prove_init(&m->prover, m->loop, &m->table, &m->attach, on_proof_changed, m);
	r = maps_observe_init(&m->observe, m->loop, &m->table, &m->attach, &m->tunnel, out_send, m);
	if (r < 0)
		return fail("samples", r);
	r = maps_tunnel_init(&m->tunnel, m->cfg, &m->table.backends, out_send, m);
	if (r < 0)
		return fail("checks through the tunnel", r);
	r = maps_check_init(&m->check, m->loop, &m->table, &m->stage, &check_ops, m);
	if (r < 0)
		return fail("check", r);
	r = loop_timer_in(m->loop, &m->attach_timer, ATTACH_CHECK_MS, on_attach_timer);
	if (r == 0)
		r = loop_timer_in(m->loop, &m->age_timer, AGE_MS, on_age_timer);
	if (r < 0)
		return fail("timer", r);
	r = maps_fs_remove_links(m->cfg);
	if (r < 0)
		return fail("remove links that are not configured", r);
	if (m->bpf.adopted)
		take_over_traffic(m);
	return 0;
}

static int greet(struct maps *m)
{
	struct msg_dataplane state;

	for (size_t i = 0; i < m->table.n_all; i++) {
		const struct maps_svc *svc = m->table.all[i];
		size_t len = sizeof(struct msg_svc) + svc->n_members * sizeof(struct msg_backend);
		_cleanup_free_ struct msg_svc *have = calloc(1, len);
		struct msg_backend *backends;

		if (!have)
			return -ENOMEM;
		backends = (struct msg_backend *)(have + 1);
		have->protocol = svc->key.protocol;
		have->flags = svc->conf.flags;
		have->quic_config = svc->conf.quic_config;
		have->quic_len = svc->conf.quic_len;
		have->ring_size = maps_ring_place(svc->ring).size;
		have->n_backends = (uint32_t)svc->n_members;
		key_to_msg(&svc->key, &have->vip, &have->port);
		for (size_t k = 0; k < svc->n_members; k++) {
			const struct maps_member *member = &svc->members[k];

			backends[k].addr = member->addr;
			backends[k].weight = member->weight;
			memcpy(backends[k].quic_id, member->quic_id.b, sizeof(member->quic_id.b));
		}
		send_parent(m, MSG_MAPS_HAVE, have, len);
	}
	maps_attach_summary(&m->attach, &state);
	log_info("data plane ready", "adopted=%d services=%zu up=%u native=%u reason=\"%s\"",
		 m->bpf.adopted, m->table.n_all, state.up, state.native, state.reason);
	send_parent(m, MSG_MAPS_READY, &state, sizeof(state));
	return 0;
}

static void stop(struct maps *m)
{
	ipc_free(m->parent);
	maps_stage_clear(&m->stage);
	maps_check_done(&m->check);
	maps_observe_done(&m->observe);
	maps_tunnel_done(&m->tunnel);
	maps_prove_done(&m->prover);
	maps_attach_done(&m->attach);
	maps_table_done(&m->table);
	maps_hops_done(&m->hops);
	neigh_free(m->neigh);
	maps_bpf_done(&m->bpf);
	loop_free(m->loop);
	if (m->lock_fd >= 0)
		close(m->lock_fd);
}

int maps_main(const struct config *cfg, int fd)
{
	struct maps m = {.cfg = cfg, .lock_fd = -1};
	int r;

	log_set_proc("maps");
	r = start_privileged(&m);
	if (r == 0)
		r = start(&m);
	if (r < 0) {
		close(fd);
	} else {
		r = ipc_new(m.loop, fd, &parent_ops, &m, &m.parent);
		if (r == 0) {
			r = greet(&m);
			if (r == 0)
				r = loop_run(m.loop);
		}
	}
	stop(&m);
	return r == 0 ? 0 : 1;
}
