/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program on the interfaces: one pinned bpf link each. A link is made once;
 * a later agent finds it and swaps the program in it, so that an interface is
 * never without one.
 *
 * State of a port, from worst to best: gone (no such interface), detached (it
 * exists, but the program is not on it), idle (attached, but nothing can come
 * in: down or without carrier), up.
 */
#ifndef NLB_AGENT_MAPS_ATTACH_H
#define NLB_AGENT_MAPS_ATTACH_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "msg.h"

enum maps_port_state {
	MAPS_PORT_GONE,
	MAPS_PORT_DETACHED,
	MAPS_PORT_IDLE,
	MAPS_PORT_UP,
};

struct maps_port {
	char name[IF_NAMESIZE];
	uint32_t ifindex; /* 0: gone */
	int link_fd;	  /* -1: none */
	enum maps_port_state state;
	bool native;
	int error; /* of the last try to attach */
};

struct maps_attach {
	const struct config *cfg;
	int prog_fd;
	int sock_fd; /* to ask about interfaces */
	bool hold;   /* links found keep the program that they have */
	size_t n_ports;
	struct maps_port ports[CONFIG_INTERFACES_MAX];
};

/*
 * Takes over the pinned links and attaches where there is none. hold: what
 * the links found run goes on running until maps_attach_swap(). A port that
 * cannot be attached is not an error: see maps_attach_check(). 0 or -errno.
 */
int maps_attach_init(struct maps_attach *a, const struct config *cfg, int prog_fd, bool hold);
void maps_attach_done(struct maps_attach *a);

/* Puts this agent's program into the links that were held. 0 or -errno. */
int maps_attach_swap(struct maps_attach *a);

/*
 * Looks at every port, attaches again where the program is missing. Cheap;
 * meant to be called a few times a second and on every link event. Returns
 * true when a port's state changed.
 */
bool maps_attach_check(struct maps_attach *a);

/*
 * The data plane is up when at least one port is, and none is detached: a
 * detached port would let packets for VIPs through to the kernel.
 */
void maps_attach_summary(const struct maps_attach *a, struct msg_dataplane *ret);

#endif
