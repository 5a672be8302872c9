// SPDX-License-Identifier: GPL-2.0-or-later
/* The node of the maps child's tests; see maps_host.h. */
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>
#include <sanitizer/lsan_interface.h>

#include "log.h"
#include "maps_fs.h"
#include "maps_host.h"
#include "proc.h"
#include "util.h"
#include "xdp_net.h"

#define WAIT_S 10

static struct addr addr_of(const char *text)
{
	struct addr a = {};

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

bool maps_host_init(struct maps_host *h)
{
	const char *dir = xdp_net_enter();

	*h = (struct maps_host){};
	if (!dir)
		return false;
	xdp_net_run("ip link add lb0 type veth peer name lb1");
	xdp_net_run("ip link set lb0 up");
	xdp_net_run("ip link set lb1 up");
	xdp_net_run("ip addr add 10.0.0.1/24 dev lb0");
	xdp_net_run("ip addr add fd00::1/64 dev lb0 nodad");
	xdp_net_sysctl("ipv4/conf/lb0/forwarding", "1");
	xdp_net_sysctl("ipv6/conf/lb0/forwarding", "1");
	for (int i = 1; i <= 9; i++) {
		xdp_net_run("ip neigh add 10.0.0.1%d lladdr 02:00:00:00:00:1%d dev lb0 "
			    "nud permanent",
			    i, i);
		xdp_net_run("ip neigh add fd00::1%d lladdr 02:00:00:00:00:1%d dev lb0 "
			    "nud permanent",
			    i, i);
	}
	h->cfg = (struct config){
		.n_interfaces = 1,
		.interfaces = {"lb0"},
		.max_vips = 16,
		.max_services = 32,
		.max_backends = 16,
		.ring_slots = 512,
		.max_flows = 4096,
		.flow_idle_s = 900,
		.log_level = LOG_ERR,
		.tunnel_mark = 0x4e400000,
		.tunnel_table = 1252,
		.tunnel_priority = 100,
	};
	snprintf(h->cfg.bpf_dir, sizeof(h->cfg.bpf_dir), "%s/nlb", dir);
	log_set_level(LOG_CRIT);
	return true;
}

static void keep_result(struct maps_host *h, const struct msg_svc_result *res)
{
	for (size_t i = 0; i < h->n_results; i++) {
		if (addr_cmp(&h->results[i].vip, &res->vip) == 0 &&
		    h->results[i].port == res->port && h->results[i].protocol == res->protocol) {
			h->results[i] = *res;
			return;
		}
	}
	assert_true(h->n_results < MAPS_HOST_RESULTS);
	h->results[h->n_results++] = *res;
}

static void on_frame(struct ipc *ch, uint16_t type, const void *data, size_t len)
{
	struct maps_host *h = ipc_user(ch);

	switch (type) {
	case MSG_MAPS_HAVE:
		assert_false(h->ready);
		assert_true(h->n_have < MAPS_HOST_RESULTS);
		assert_true(len >= sizeof(struct msg_svc));
		memcpy(&h->have[h->n_have], data, sizeof(struct msg_svc));
		assert_int_equal(len, sizeof(struct msg_svc) + h->have[h->n_have].n_backends *
								       sizeof(struct msg_backend));
		h->n_have++;
		break;
	case MSG_MAPS_READY:
		h->ready = true;
		/* fall through */
	case MSG_MAPS_DATAPLANE:
		assert_int_equal(len, sizeof(struct msg_dataplane));
		memcpy(&h->dataplane, data, len);
		h->n_dataplane++;
		break;
	case MSG_MAPS_SVC_RESULT:
		assert_int_equal(len, sizeof(struct msg_svc_result));
		keep_result(h, data);
		break;
	case MSG_MAPS_COMMITTED:
		assert_int_equal(len, sizeof(h->done));
		memcpy(&h->done, data, len);
		assert_int_equal(h->done.seq, h->seq);
		h->committed = true;
		break;
	case MSG_MAPS_STATS_VIP:
		assert_int_equal(len, sizeof(struct msg_stats_vip));
		assert_true(h->n_vip_stats < MAPS_HOST_RESULTS);
		memcpy(&h->vip_stats[h->n_vip_stats++], data, len);
		break;
	case MSG_MAPS_STATS_REASON:
		assert_int_equal(len, sizeof(struct msg_stats_reason));
		assert_true(h->n_reasons < ARRAY_SIZE(h->reasons));
		h->reasons[h->n_reasons++] = ((const struct msg_stats_reason *)data)->packets;
		break;
	case MSG_MAPS_STATS_SVC:
		assert_int_equal(len, sizeof(struct msg_stats_svc));
		assert_true(h->n_svc_stats < MAPS_HOST_RESULTS);
		memcpy(&h->svc_stats[h->n_svc_stats++], data, len);
		break;
	case MSG_MAPS_STATS_BE:
		assert_int_equal(len, sizeof(struct msg_stats_be));
		assert_true(h->n_be_stats < MAPS_HOST_RESULTS);
		memcpy(&h->be_stats[h->n_be_stats++], data, len);
		break;
	case MSG_MAPS_STATS_EVENT:
		assert_int_equal(len, sizeof(struct msg_stats_reason));
		assert_true(h->n_events < ARRAY_SIZE(h->events));
		memcpy(&h->events[h->n_events++], data, len);
		break;
	case MSG_MAPS_ANSWER:
		assert_int_equal(len, sizeof(h->answer));
		memcpy(&h->answer, data, len);
		h->answered = true;
		break;
	case MSG_MAPS_SAMPLE_STATE:
		assert_int_equal(len, sizeof(h->sample_state));
		memcpy(&h->sample_state, data, len);
		h->sampling = true;
		break;
	case MSG_MAPS_SAMPLE:
		memcpy(&h->sample, data, sizeof(h->sample));
		assert_int_equal(len, sizeof(h->sample) + h->sample.cap_len);
		h->n_samples++;
		break;
	case MSG_MAPS_CHECKED:
		assert_int_equal(len, sizeof(h->check));
		memcpy(&h->check, data, len);
		h->checked = true;
		break;
	case MSG_MAPS_USAGE:
		assert_int_equal(len, sizeof(h->usage));
		memcpy(&h->usage, data, len);
		h->used = true;
		break;
	case MSG_MAPS_TUNNEL:
		assert_int_equal(len, sizeof(h->tunnel));
		memcpy(&h->tunnel, data, len);
		h->tunneled = true;
		break;
	case MSG_MAPS_TUNNEL_STATE:
		assert_int_equal(len, sizeof(h->tunnel_state));
		memcpy(&h->tunnel_state, data, len);
		h->n_tunnel_states++;
		break;
	case MSG_MAPS_STATS_END:
		h->stats_end = true;
		break;
	default:
		fail_msg("frame of type %u", type);
	}
}

static void on_closed(struct ipc *ch, int err)
{
	struct maps_host *h = ipc_user(ch);

	assert_int_equal(err, 0);
	h->closed = true;
}

static const struct ipc_ops ops = {.frame = on_frame, .closed = on_closed};

void maps_host_start_nowait(struct maps_host *h)
{
	int fds[2];

	assert_int_equal(ipc_pair(fds), 0);
	h->ready = h->closed = false;
	h->n_have = h->n_results = h->n_dataplane = 0;
	h->pid = fork();
	assert_true(h->pid >= 0);
	if (h->pid == 0) {
		int status;

		close(fds[0]);
		status = maps_main(&h->cfg, fds[1]);
		/* Without the exit handlers, which are the test's, but for this one. */
		_exit(__lsan_do_recoverable_leak_check() ? 99 : status);
	}
	close(fds[1]);
	assert_int_equal(loop_new(&h->loop), 0);
	assert_int_equal(ipc_new(h->loop, fds[0], &ops, h, &h->child), 0);
}

void maps_host_start(struct maps_host *h)
{
	uint64_t until = util_now_ns() + WAIT_S * 1000000000ull;

	maps_host_start_nowait(h);
	while (!h->ready && !h->closed) {
		assert_true(util_now_ns() < until);
		assert_int_equal(loop_once(h->loop, 100), 0);
	}
}

static int end(struct maps_host *h)
{
	int status;

	ipc_free(h->child);
	h->child = NULL;
	assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
	loop_free(h->loop);
	h->loop = NULL;
	return status;
}

void maps_host_kill(struct maps_host *h)
{
	assert_int_equal(kill(h->pid, SIGKILL), 0);
	end(h);
}

int maps_host_stop(struct maps_host *h)
{
	int status = end(h);

	return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

void maps_host_vip(struct maps_host *h, const char *vip)
{
	struct msg_vip msg = {.vip = addr_of(vip)};

	assert_int_equal(ipc_send(h->child, MSG_MAPS_VIP_SET, &msg, sizeof(msg)), 0);
}

void maps_host_vip_del(struct maps_host *h, const char *vip)
{
	struct msg_vip msg = {.vip = addr_of(vip)};

	assert_int_equal(ipc_send(h->child, MSG_MAPS_VIP_DEL, &msg, sizeof(msg)), 0);
}

void maps_host_svc(struct maps_host *h, const char *vip, uint16_t port, uint32_t ring_size,
		   const char *const *backends)
{
	struct {
		struct msg_svc svc;
		struct msg_backend backends[64];
	} msg = {
		.svc = {.vip = addr_of(vip),
			.port = port,
			.protocol = IPPROTO_TCP,
			.ring_size = ring_size,
			.generation = ++h->generation},
	};
	uint32_t n = 0;

	for (; backends[n]; n++)
		msg.backends[n] = (struct msg_backend){.addr = addr_of(backends[n]), .weight = 1};
	msg.svc.n_backends = n;
	assert_int_equal(ipc_send(h->child, MSG_MAPS_SVC_SET, &msg,
				  sizeof(msg.svc) + n * sizeof(msg.backends[0])),
			 0);
}

void maps_host_svc_del(struct maps_host *h, const char *vip, uint16_t port)
{
	struct msg_svc msg = {.vip = addr_of(vip), .port = port, .protocol = IPPROTO_TCP};

	assert_int_equal(ipc_send(h->child, MSG_MAPS_SVC_DEL, &msg, sizeof(msg)), 0);
}

int maps_host_map_fd(const struct maps_host *h, const char *name)
{
	char path[MAPS_FS_PATH_LEN], dir[MAPS_FS_PATH_LEN];
	int fd;

	maps_fs_layout_dir(&h->cfg, dir);
	snprintf(path, sizeof(path), "%.500s/%s", dir, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

void maps_host_wait(struct maps_host *h, const bool *flag)
{
	uint64_t until = util_now_ns() + WAIT_S * 1000000000ull;

	while (!*flag) {
		assert_true(util_now_ns() < until);
		assert_false(h->closed);
		assert_int_equal(loop_once(h->loop, 100), 0);
	}
}

void maps_host_linger(struct maps_host *h, unsigned int ms)
{
	uint64_t until = util_now_ns() + ms * 1000000ull;

	while (util_now_ns() < until)
		assert_int_equal(loop_once(h->loop, 20), 0);
}

void maps_host_commit(struct maps_host *h)
{
	struct msg_batch batch = {.seq = ++h->seq};

	h->committed = false;
	h->n_results = 0;
	assert_int_equal(ipc_send(h->child, MSG_MAPS_COMMIT, &batch, sizeof(batch)), 0);
	maps_host_wait(h, &h->committed);
}

void maps_host_stats(struct maps_host *h)
{
	struct msg_batch batch = {.seq = ++h->seq};

	h->stats_end = false;
	h->n_vip_stats = h->n_svc_stats = h->n_be_stats = h->n_reasons = h->n_events = 0;
	assert_int_equal(ipc_send(h->child, MSG_MAPS_STATS_GET, &batch, sizeof(batch)), 0);
	maps_host_wait(h, &h->stats_end);
}

void maps_host_ask(struct maps_host *h, struct msg_ask ask)
{
	ask.seq = ++h->seq;
	h->answered = false;
	assert_int_equal(ipc_send(h->child, MSG_MAPS_ASK, &ask, sizeof(ask)), 0);
	maps_host_wait(h, &h->answered);
	assert_int_equal(h->answer.seq, ask.seq);
}

uint32_t maps_host_tunnel(struct maps_host *h, const char *backend)
{
	struct msg_tunnel msg = {.seq = ++h->seq, .backend = addr_of(backend)};

	h->tunneled = false;
	assert_int_equal(ipc_send(h->child, MSG_MAPS_TUNNEL_SET, &msg, sizeof(msg)), 0);
	maps_host_wait(h, &h->tunneled);
	assert_int_equal(h->tunnel.seq, msg.seq);
	assert_memory_equal(&h->tunnel.backend, &msg.backend, sizeof(msg.backend));
	return h->tunnel.mark;
}

void maps_host_tunnel_del(struct maps_host *h, const char *backend)
{
	struct msg_tunnel msg = {.backend = addr_of(backend)};

	assert_int_equal(ipc_send(h->child, MSG_MAPS_TUNNEL_DEL, &msg, sizeof(msg)), 0);
}

void maps_host_sample(struct maps_host *h, struct msg_sample_set set)
{
	set.seq = ++h->seq;
	h->sampling = false;
	h->n_samples = 0;
	assert_int_equal(ipc_send(h->child, MSG_MAPS_SAMPLE_SET, &set, sizeof(set)), 0);
	maps_host_wait(h, &h->sampling);
	assert_int_equal(h->sample_state.seq, set.seq);
}

const struct msg_svc_result *maps_host_result(const struct maps_host *h, const char *vip,
					      uint16_t port)
{
	struct addr a = addr_of(vip);

	for (size_t i = 0; i < h->n_results; i++)
		if (addr_cmp(&h->results[i].vip, &a) == 0 && h->results[i].port == port)
			return &h->results[i];
	return NULL;
}

void maps_host_wait_state(struct maps_host *h, const char *vip, uint16_t port,
			  enum msg_svc_state state)
{
	uint64_t until = util_now_ns() + WAIT_S * 1000000000ull;
	const struct msg_svc_result *res;

	while (!(res = maps_host_result(h, vip, port)) || res->state != state) {
		if (util_now_ns() >= until)
			fail_msg("state of %s:%u is %d: %s", vip, port, res ? res->state : -1,
				 res ? res->reason : "no result");
		assert_int_equal(loop_once(h->loop, 100), 0);
	}
}
