// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Attaching. Native mode is tried first where the configuration leaves the
 * choice, and generic mode taken only when the driver cannot do native; a
 * refusal for another reason (another program is there, no permission) is
 * not worked around.
 *
 * A link whose interface is gone lives on without it (ifindex 0): it is thrown
 * away, and a new one made when an interface of that name is back.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "log.h"
#include "maps_attach.h"
#include "maps_fs.h"
#include "util.h"

static const char *state_str(enum maps_port_state s)
{
	static const char *const names[] = {
		[MAPS_PORT_GONE] = "gone",
		[MAPS_PORT_DETACHED] = "detached",
		[MAPS_PORT_IDLE] = "idle",
		[MAPS_PORT_UP] = "up",
	};

	return names[s];
}

/* The interface that a link is on; 0 when it is on none any more. */
static uint32_t link_ifindex(int fd)
{
	struct bpf_link_info info = {};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0 || info.type != BPF_LINK_TYPE_XDP)
		return 0;
	return info.xdp.ifindex;
}

static bool is_native(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	return bpf_xdp_query((int)ifindex, 0, &opts) == 0 && opts.attach_mode == XDP_ATTACHED_DRV;
}

static void drop_link(const struct maps_attach *a, struct maps_port *p)
{
	char path[MAPS_FS_PATH_LEN];

	maps_fs_link_path(a->cfg, p->name, path);
	unlink(path);
	if (p->link_fd >= 0)
		close(p->link_fd);
	p->link_fd = -1;
}

static int make_link(const struct maps_attach *a, const struct maps_port *p, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	int fd = bpf_link_create(a->prog_fd, (int)p->ifindex, BPF_XDP, &opts);

	return fd < 0 ? -errno : fd;
}

/* True when the driver, and not the circumstances, said no. */
static bool driver_cannot(int err)
{
	return err == -EOPNOTSUPP || err == -EINVAL || err == -ERANGE || err == -E2BIG ||
	       err == -ENOSPC;
}

/* Makes a link and pins it. 0 or -errno. */
static int attach(struct maps_attach *a, struct maps_port *p)
{
	enum config_xdp_mode mode = a->cfg->xdp_mode;
	char path[MAPS_FS_PATH_LEN];
	int fd, err;

	drop_link(a, p);
	fd = make_link(a, p, mode == CONFIG_XDP_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	if (driver_cannot(fd) && mode == CONFIG_XDP_AUTO) {
		log_notice("driver does not take native XDP, attaching in generic mode",
			   "interface=%s error=\"%s\"", p->name, strerror(-fd));
		fd = make_link(a, p, XDP_FLAGS_SKB_MODE);
	}
	if (fd < 0)
		return fd;
	maps_fs_link_path(a->cfg, p->name, path);
	if (bpf_obj_pin(fd, path) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	p->link_fd = fd;
	p->native = is_native(p->ifindex);
	log_info("program attached", "interface=%s mode=%s", p->name,
		 p->native ? "native" : "generic");
	return 0;
}

/* Takes the pinned link over when it is alive and on this very interface. */
static int take_over(struct maps_attach *a, struct maps_port *p)
{
	char path[MAPS_FS_PATH_LEN];
	_cleanup_close_ int fd = -1;

	maps_fs_link_path(a->cfg, p->name, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	if (!p->ifindex || link_ifindex(fd) != p->ifindex)
		return -ENODEV;
	if (!a->hold && bpf_link_update(fd, a->prog_fd, NULL) < 0)
		return -errno;
	p->link_fd = TAKE_FD(fd);
	p->native = is_native(p->ifindex);
	log_info(a->hold ? "program found attached" : "program swapped in place",
		 "interface=%s mode=%s", p->name, p->native ? "native" : "generic");
	return 0;
}

static bool can_receive(const struct maps_attach *a, const struct maps_port *p)
{
	struct ifreq req = {};

	memcpy(req.ifr_name, p->name, sizeof(req.ifr_name));
	return ioctl(a->sock_fd, SIOCGIFFLAGS, &req) == 0 && req.ifr_flags & IFF_UP &&
	       req.ifr_flags & IFF_RUNNING;
}

static void try_attach(struct maps_attach *a, struct maps_port *p)
{
	int err = attach(a, p);

	if (err < 0 && err != p->error)
		log_err("program cannot be attached, trying again", "interface=%s error=\"%s\"",
			p->name, strerror(-err));
	p->error = err;
}

static enum maps_port_state port_check(struct maps_attach *a, struct maps_port *p)
{
	p->ifindex = if_nametoindex(p->name);
	if (!p->ifindex) {
		if (p->link_fd >= 0)
			drop_link(a, p);
		p->error = -ENODEV;
		return MAPS_PORT_GONE;
	}
	if (p->link_fd < 0 || link_ifindex(p->link_fd) != p->ifindex)
		try_attach(a, p);
	if (p->link_fd < 0)
		return MAPS_PORT_DETACHED;
	return can_receive(a, p) ? MAPS_PORT_UP : MAPS_PORT_IDLE;
}

bool maps_attach_check(struct maps_attach *a)
{
	bool changed = false;

	for (size_t i = 0; i < a->n_ports; i++) {
		struct maps_port *p = &a->ports[i];
		bool was_alive = p->link_fd >= 0 && link_ifindex(p->link_fd) == p->ifindex;
		enum maps_port_state state = port_check(a, p);

		/* Detached and attached again between two looks: that was a change too. */
		if (state == p->state && (was_alive || p->state <= MAPS_PORT_DETACHED))
			continue;
		log_notice("interface changed", "interface=%s from=%s to=%s", p->name,
			   was_alive ? state_str(p->state) : "detached", state_str(state));
		p->state = state;
		changed = true;
	}
	return changed;
}

int maps_attach_init(struct maps_attach *a, const struct config *cfg, int prog_fd, bool hold)
{
	*a = (struct maps_attach){.cfg = cfg, .prog_fd = prog_fd, .hold = hold};
	a->sock_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (a->sock_fd < 0)
		return -errno;
	a->n_ports = MIN2(cfg->n_interfaces, (size_t)CONFIG_INTERFACES_MAX);
	for (size_t i = 0; i < a->n_ports; i++) {
		struct maps_port *p = &a->ports[i];
		int err;

		snprintf(p->name, sizeof(p->name), "%s", cfg->interfaces[i]);
		p->link_fd = -1;
		p->ifindex = if_nametoindex(p->name);
		err = take_over(a, p);
		if (err < 0 && err != -ENOENT)
			log_notice("pinned link is of no use, making a new one",
				   "interface=%s error=\"%s\"", p->name, strerror(-err));
	}
	for (size_t i = 0; i < a->n_ports; i++)
		a->ports[i].state = port_check(a, &a->ports[i]);
	return 0;
}

int maps_attach_swap(struct maps_attach *a)
{
	int r = 0;

	a->hold = false;
	for (size_t i = 0; i < a->n_ports; i++) {
		struct maps_port *p = &a->ports[i];

		if (p->link_fd < 0 || bpf_link_update(p->link_fd, a->prog_fd, NULL) == 0)
			continue;
		r = -errno;
		log_err("program cannot be swapped", "interface=%s error=\"%s\"", p->name,
			strerror(errno));
	}
	return r;
}

void maps_attach_summary(const struct maps_attach *a, struct msg_dataplane *ret)
{
	const struct maps_port *worst = NULL;
	bool some_up = false;

	*ret = (struct msg_dataplane){.up = 1, .native = 1};
	for (size_t i = 0; i < a->n_ports; i++) {
		const struct maps_port *p = &a->ports[i];

		some_up |= p->state == MAPS_PORT_UP;
		if (p->link_fd >= 0 && !p->native)
			ret->native = 0;
		if (p->state == MAPS_PORT_DETACHED || !worst ||
		    (worst->state != MAPS_PORT_DETACHED && p->state < worst->state))
			worst = p;
	}
	if (some_up && worst->state != MAPS_PORT_DETACHED)
		return;
	ret->up = 0;
	ret->native = 0;
	if (!worst)
		snprintf(ret->reason, sizeof(ret->reason), "no interface is configured");
	else if (worst->state == MAPS_PORT_DETACHED)
		snprintf(ret->reason, sizeof(ret->reason), "%s: not attached: %s", worst->name,
			 strerror(-worst->error));
	else
		snprintf(ret->reason, sizeof(ret->reason), "%s: %s", worst->name,
			 worst->state == MAPS_PORT_GONE ? "no such interface"
							: "down or without carrier");
}

void maps_attach_done(struct maps_attach *a)
{
	for (size_t i = 0; i < a->n_ports; i++)
		if (a->ports[i].link_fd >= 0)
			close(a->ports[i].link_fd);
	if (a->sock_fd > 0)
		close(a->sock_fd);
	*a = (struct maps_attach){};
}
