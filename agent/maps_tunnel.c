// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A mark is the configured upper bits and the backend's number, so that the program finds
 * the entries that the XDP program goes by without a map of its own. A mark holds a
 * reference to the number: no other backend gets it while the health child probes by it.
 *
 * A probe that cannot be brought to the program, or whose answer this node would throw
 * away, tells nothing about the backend. So the parent is told for each family of VIPs
 * whether the way is open, and makes no probe where it is not:
 *
 * - the program was not loaded, or rules or routes cannot be made;
 * - no interface of the data plane is up (the route needs one);
 * - IPv4: every interface of the data plane has a reverse path filter. A backend answers
 *   from the VIP's address, to which this node has a blackhole or no better route.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "log.h"
#include "maps_tunnel.h"
#include "nlb_tunnel.skel.h"
#include "util.h"

enum { V4, V6, FAMILIES };
static const uint8_t family_of[FAMILIES] = {AF_INET, AF_INET6};

/* ---- the program ---- */

void maps_tunnel_load(struct maps_tunnel *t, const struct maps_bpf *b)
{
	struct nlb_tunnel *skel = nlb_tunnel__open();
	int r;

	*t = (struct maps_tunnel){.sock_fd = -1};
	t->load_error = skel ? 0 : -errno;
	if (!skel)
		return;
	r = bpf_map__reuse_fd(skel->maps.nlb_config, b->config_fd);
	if (r == 0)
		r = bpf_map__reuse_fd(skel->maps.nlb_backends, b->backends_fd);
	if (r == 0)
		r = bpf_map__reuse_fd(skel->maps.nlb_hops, b->hops_fd);
	if (r == 0)
		r = nlb_tunnel__load(skel);
	if (r < 0) {
		nlb_tunnel__destroy(skel);
		t->load_error = r;
		return;
	}
	t->skel = skel;
}

int maps_tunnel_counts(const struct maps_tunnel *t, uint64_t ret[static NLB_T_COUNT])
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *values = NULL;

	memset(ret, 0, NLB_T_COUNT * sizeof(*ret));
	if (!t->skel)
		return 0;
	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (uint32_t i = 0; i < NLB_T_COUNT; i++) {
		if (bpf_map_lookup_elem(bpf_map__fd(t->skel->maps.nlb_tunnel_stats), &i, values) <
		    0)
			return -errno;
		for (int cpu = 0; cpu < cpus; cpu++)
			ret[i] += values[cpu];
	}
	return 0;
}

/* ---- the way ---- */

static bool is_up(const struct maps_tunnel *t, const char *name, short flags)
{
	struct ifreq req = {};

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	return ioctl(t->sock_fd, SIOCGIFFLAGS, &req) == 0 && (req.ifr_flags & flags) == flags;
}

/* The first interface with carrier, else the first that is up. False: there is none. */
static bool find_way(const struct maps_tunnel *t, struct maps_tunnel_way *ret)
{
	static const short wanted[] = {IFF_UP | IFF_RUNNING, IFF_UP};
	const struct config *cfg = t->cfg;

	for (size_t w = 0; w < ARRAY_SIZE(wanted); w++) {
		for (size_t i = 0; i < cfg->n_interfaces; i++) {
			if (!is_up(t, cfg->interfaces[i], wanted[w]))
				continue;
			*ret = (struct maps_tunnel_way){
				.prog_fd = bpf_program__fd(t->skel->progs.nlb_tunnel),
				.ifindex = if_nametoindex(cfg->interfaces[i]),
			};
			if (ret->ifindex)
				return true;
		}
	}
	return false;
}

/* Of an interface, or "all". Without /proc it is taken for the kernel's default, 0. */
static int rp_filter(const char *name)
{
	_cleanup_close_ int fd = -1;
	char path[80], c = '0';

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &c, 1) != 1)
		return 0;
	return c - '0';
}

/* The interface whose filter is told of; NULL: one at least has none. */
static const char *filtered(const struct config *cfg)
{
	if (rp_filter("all"))
		return "all";
	for (size_t i = 0; i < cfg->n_interfaces; i++)
		if (!rp_filter(cfg->interfaces[i]))
			return NULL;
	return cfg->n_interfaces ? cfg->interfaces[0] : NULL;
}

/* ---- the state ---- */

static void set_reason(struct msg_tunnel_state *s, int f, const char *fmt, ...) _printf_(3, 4);
static void set_reason(struct msg_tunnel_state *s, int f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->reason[f], sizeof(s->reason[f]), fmt, ap);
	va_end(ap);
	s->up[f] = 0;
}

static void judge_family(struct maps_tunnel *t, int f, const struct maps_tunnel_way *way,
			 struct msg_tunnel_state *s)
{
	bool anew = way->ifindex != t->way[f].ifindex;
	const char *filter = f == V4 ? filtered(t->cfg) : NULL;
	int r = maps_tunnel_net_ensure(&t->net, family_of[f], way, anew);

	if (r < 0)
		set_reason(s, f, "rule or route cannot be made: %s", strerror(-r));
	else if (filter)
		set_reason(s, f, "net.ipv4.conf.%s.rp_filter must be 0", filter);
	t->way[f] = *way;
	if (r < 0)
		t->way[f].ifindex = 0;
	/* A change of the way is our own doing. */
	if (r > 0 && !anew && t->state.up[f])
		log_warning("rule or route of checks through the tunnel was gone, put back",
			    "family=%s", f == V4 ? "IPv4" : "IPv6");
}

static void judge(struct maps_tunnel *t, struct msg_tunnel_state *s)
{
	struct maps_tunnel_way way;

	*s = (struct msg_tunnel_state){.up = {1, 1}};
	if (!t->skel) {
		for (int f = 0; f < FAMILIES; f++)
			set_reason(s, f, "the kernel does not take the program: %s",
				   strerror(-t->load_error));
		return;
	}
	if (!find_way(t, &way)) {
		for (int f = 0; f < FAMILIES; f++)
			set_reason(s, f, "no interface of the data plane is up");
		memset(t->way, 0, sizeof(t->way));
		return;
	}
	t->installed = true;
	for (int f = 0; f < FAMILIES; f++)
		judge_family(t, f, &way, s);
}

static void remove_all(struct maps_tunnel *t)
{
	int r;

	t->installed = false;
	memset(t->way, 0, sizeof(t->way));
	r = maps_tunnel_net_remove(&t->net);
	if (r < 0)
		log_warning("rules of checks through the tunnel cannot be removed", "error=\"%s\"",
			    strerror(-r));
}

void maps_tunnel_check(struct maps_tunnel *t)
{
	struct msg_tunnel_state now;

	if (!t->marks) {
		if (t->installed)
			remove_all(t);
		return;
	}
	judge(t, &now);
	if (memcmp(&now, &t->state, sizeof(now)) == 0)
		return;
	for (int f = 0; f < FAMILIES; f++) {
		const char *family = f == V4 ? "IPv4" : "IPv6";

		if (now.up[f] != t->state.up[f] || strcmp(now.reason[f], t->state.reason[f]) != 0)
			log_info("way of checks through the tunnel",
				 "vips=%s state=%s reason=\"%s\"", family,
				 now.up[f] ? "open" : "shut", now.reason[f]);
	}
	t->state = now;
	t->send(t->user, MSG_MAPS_TUNNEL_STATE, &now, sizeof(now));
}

/* ---- marks ---- */

static struct maps_tunnel_mark *find(const struct maps_tunnel *t, const struct addr *a)
{
	struct maps_tunnel_mark *m;

	HASH_FIND(hh, t->marks, a, sizeof(*a), m);
	return m;
}

static void drop(struct maps_tunnel *t, struct maps_tunnel_mark *m)
{
	HASH_DELETE(hh, t->marks, m);
	maps_backends_put(t->backends, m->number);
	free(m);
}

/* 0 or -errno; -ENOSPC: there are no numbers left. */
static int mark_new(struct maps_tunnel *t, const struct addr *a, struct maps_tunnel_mark **ret)
{
	struct maps_tunnel_mark *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	r = maps_backends_get(t->backends, a, &m->number);
	if (r < 0) {
		free(m);
		return r;
	}
	maps_backends_write(t->backends);
	m->addr = *a;
	HASH_ADD(hh, t->marks, addr, sizeof(m->addr), m);
	if (!HASH_ADDED(hh, m)) {
		maps_backends_put(t->backends, m->number);
		free(m);
		return -ENOMEM;
	}
	*ret = m;
	return 0;
}

static void set(struct maps_tunnel *t, const struct msg_tunnel *msg)
{
	const struct addr *a = &msg->backend;
	struct msg_tunnel answer = {.seq = msg->seq, .backend = *a};
	struct maps_tunnel_mark *m = find(t, a);
	bool first = !t->marks;
	char text[ADDR_STRLEN];

	if (!m)
		answer.error = mark_new(t, a, &m);
	if (m)
		answer.mark = t->cfg->tunnel_mark | m->number;
	else
		log_err("backend cannot be checked through the tunnel", "backend=%s error=\"%s\"",
			addr_str(a, text), strerror(-answer.error));
	if (first)
		maps_tunnel_check(t);
	t->send(t->user, MSG_MAPS_TUNNEL, &answer, sizeof(answer));
}

int maps_tunnel_frame(struct maps_tunnel *t, uint16_t type, const void *data, size_t len)
{
	const struct msg_tunnel *msg = data;
	struct maps_tunnel_mark *m;

	if (type != MSG_MAPS_TUNNEL_SET && type != MSG_MAPS_TUNNEL_DEL)
		return -ENOENT;
	if (len != sizeof(*msg))
		return -EPROTO;
	if (type == MSG_MAPS_TUNNEL_SET) {
		set(t, msg);
		return 0;
	}
	m = find(t, &msg->backend);
	if (m)
		drop(t, m);
	return 0;
}

/* ---- beginning and end ---- */

int maps_tunnel_init(struct maps_tunnel *t, const struct config *cfg,
		     struct maps_backends *backends,
		     void (*send)(void *user, uint16_t type, const void *data, size_t len),
		     void *user)
{
	int r;

	t->cfg = cfg;
	t->backends = backends;
	t->send = send;
	t->user = user;
	t->sock_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (t->sock_fd < 0)
		return -errno;
	r = maps_tunnel_net_open(&t->net, cfg);
	if (r < 0)
		return r;
	t->net_open = true;
	r = maps_tunnel_net_remove(&t->net);
	if (r > 0)
		log_info("rules of an earlier agent's checks removed", "n=%d", r);
	else if (r < 0)
		log_warning("rules of an earlier agent's checks cannot be removed", "error=\"%s\"",
			    strerror(-r));
	return 0;
}

void maps_tunnel_done(struct maps_tunnel *t)
{
	while (t->marks)
		drop(t, t->marks);
	if (t->installed)
		remove_all(t);
	if (t->net_open)
		maps_tunnel_net_close(&t->net);
	if (t->sock_fd > 0)
		close(t->sock_fd);
	nlb_tunnel__destroy(t->skel);
	*t = (struct maps_tunnel){.sock_fd = -1};
}
