/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TCP connections that the kinds above ICMP begin with, and what an errno
 * means for a verdict.
 *
 * A connection is ended by connect(AF_UNSPEC), which sends a RST and leaves the
 * socket as good as new (tcp_disconnect() in the kernel): no FIN handshake, no
 * TIME_WAIT, and the next probe needs neither socket() nor epoll_ctl(). A check
 * that wants something special of its socket (a source, a device, a DSCP, a
 * mark) gets one of its own. So does a UDP check: what is still in the queue of a UDP
 * socket would be taken for the next target's answer.
 */
#ifndef NLB_AGENT_HC_SOCK_H
#define NLB_AGENT_HC_SOCK_H

#include "hc_check.h"
#include "hc_kind.h"
#include "loop.h"

struct hc_socks;

struct hc_sock {
	struct loop_io io; /* io.fd is the socket */
	struct hc_probe *probe;
	void (*ready)(struct hc_probe *p, uint32_t events);
	struct hc_sock *next; /* of the idle ones */
	bool v6;
	bool narrow; /* hc_sock_again() has left it with fewer events */
	bool own;    /* made for one probe, not to be used again */
};

/* limit: sockets there may be at the same time (at least one), idle ones too. 0 or -ENOMEM. */
int hc_socks_new(struct loop *l, unsigned int limit, struct hc_socks **ret);

/* After the last probe. NULL is legal. */
void hc_socks_free(struct hc_socks *ss);

/* Closes the idle ones that were not needed since the call before. */
void hc_socks_trim(struct hc_socks *ss);

/* Sockets there are, with the idle ones. */
unsigned int hc_socks_n(const struct hc_socks *ss);

/*
 * Starts a connection to where the probe goes; a UDP socket has it at once. ready is called on each change
 * of the socket's state (edge-triggered): with EPOLLOUT once connected, with
 * EPOLLIN when something arrived. Returns 0 with *ret, connected or not yet, or
 * -errno from this node's own stack.
 */
int hc_sock_open(struct hc_socks *ss, struct hc_probe *p,
		 void (*ready)(struct hc_probe *p, uint32_t events), struct hc_sock **ret);

/* Does the check ask for a source, a device, a DSCP or a mark? */
bool hc_sock_has_options(const struct hc_probe *p);

/*
 * Gives a socket, before it is connected, what the check asks for: source, device,
 * DSCP and mark. Returns 0 or -errno.
 */
int hc_sock_options(int fd, const struct hc_probe *p);

/*
 * Calls ready() when there is something to read (EPOLLIN), or room to write
 * (EPOLLOUT), new or not: for one who has not taken all there was.
 */
void hc_sock_again(struct hc_socks *ss, struct hc_sock *s, uint32_t event);

/* Ends the connection with a RST. NULL is legal. */
void hc_sock_put(struct hc_socks *ss, struct hc_sock *s);

/*
 * 0 once connected, -EINPROGRESS while under way, or -errno from the network.
 * events: as given to ready(), or 0 to ask the socket.
 */
int hc_sock_connected(const struct hc_socks *ss, const struct hc_sock *s, uint32_t events);

/*
 * The reason for an errno (> 0). `sync`: it came from socket(), connect() or
 * sendto() itself, where EACCES and the like are our own firewall's; else it
 * came in from the network.
 */
enum msg_hc_reason hc_sock_reason(int err, bool sync);

/* hc_done() with that reason and, where it has one, its detail. */
void hc_sock_failed(struct hc_probe *p, int err, bool sync);

#endif
