/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wire form of the agent's feed: newline-delimited JSON, one object a line, one key an object.
 * Pure: text in, structs out and back; no sockets, no VIP table.
 *
 * agent -> nlbd: hello, sync, vip, gone, dataplane, heartbeat, answer.
 * nlbd -> agent: hello, route, heartbeat, error, ask.
 */
#ifndef _FRR_NLB_FEED_H
#define _FRR_NLB_FEED_H

#include "ipaddr.h"
#include "prefix.h"
#include "zclient.h"

#define NLB_FEED_VERSION 1

/* Longest line accepted from the agent, without its newline. */
#define NLB_FEED_LINE_MAX (1024 * 1024)

/* Longest strings kept out of a message, in bytes without the terminator. */
#define NLB_FEED_NAME_MAX   255
#define NLB_FEED_REASON_MAX 255

/* Bytes that hold any line printed by this file, newline included. */
#define NLB_FEED_OUT_MAX 2048

/* Bytes that hold any error text of nlb_feed_parse(). */
#define NLB_FEED_ERR_MAX 160

/* Health and administrative state of one backend, as the agent sees it. */
enum nlb_backend_state {
	NLB_BACKEND_UNKNOWN = 0, /* no health verdict yet */
	NLB_BACKEND_UP,		 /* healthy, takes traffic */
	NLB_BACKEND_DOWN,	 /* failed its health checks */
	NLB_BACKEND_DRAIN,	 /* keeps its flows, takes no new ones */
	NLB_BACKEND_DISABLED,	 /* taken out by the operator */
};

struct nlb_backend {
	struct ipaddr address;
	uint32_t weight;
	enum nlb_backend_state state;
	char *reason; /* NULL: none given */
};

/* One service of a VIP. backends is sorted by address, without duplicates. */
struct nlb_port {
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t port;	  /* 0: all that have no service of their own */
	uint32_t enabled; /* backends that take traffic */
	uint32_t total;	  /* backends there are */
	char *digest;	  /* equal on nodes that do the same with its packets; NULL: not told */
	struct nlb_backend *backends;
	size_t n_backends;
};

/* All that the agent says of one VIP. ports is sorted by (protocol, port), without duplicates. */
struct nlb_feed_vip {
	struct prefix prefix;
	uint32_t enabled; /* sum over the ports */
	uint32_t total;	  /* sum over the ports */
	bool ready;	  /* data plane written, read back, proven, and first health round done */
	route_tag_t tag;  /* 0: none */
	uint64_t revision;
	char *id;     /* the scheduler's id, NULL: none */
	char *reason; /* why not ready, NULL: none given */
	struct nlb_port *ports;
	size_t n_ports;
};

enum nlb_feed_type {
	NLB_FEED_UNKNOWN = 0, /* a key of a later version: ignore and count */
	NLB_FEED_HELLO,
	NLB_FEED_SYNC,
	NLB_FEED_VIP,
	NLB_FEED_GONE,
	NLB_FEED_DATAPLANE,
	NLB_FEED_HEARTBEAT,
	NLB_FEED_ANSWER,
};

struct nlb_feed_msg {
	enum nlb_feed_type type;
	union {
		struct {
			uint32_t version;
			char instance[NLB_FEED_NAME_MAX + 1];
			char node[NLB_FEED_NAME_MAX + 1]; /* "": not given */
		} hello;
		bool sync_begin;	 /* false: end */
		struct nlb_feed_vip vip; /* owns memory: see nlb_feed_vip_done() */
		struct prefix gone;
		bool dataplane_ok;
		uint64_t heartbeat;
		struct {
			uint32_t id;
			struct json_object *body; /* owned */
		} answer;
		char unknown[32]; /* the key, cut, for the log */
	};
};

/*
 * Parse one line (len bytes, newline not included) into *ret_msg.
 * Returns 0, or -EINVAL with a sentence in errbuf that names the field; *ret_msg is then untouched.
 * On success the caller owns what it points to (release with nlb_feed_msg_done()).
 */
extern int nlb_feed_parse(const char *line, size_t len, struct nlb_feed_msg *ret_msg, char *errbuf,
			  size_t errlen);

/* Release what a parsed message owns. Safe on any type and after nlb_feed_vip_move(). */
extern void nlb_feed_msg_done(struct nlb_feed_msg *msg);

/* Release what a VIP owns and leave it empty (prefix kept). */
extern void nlb_feed_vip_done(struct nlb_feed_vip *vip);

/* Give all of *from to *to (whose old content is released); *from owns nothing afterwards. */
extern void nlb_feed_vip_move(struct nlb_feed_vip *to, struct nlb_feed_vip *from);

/*
 * What the agent is asked. A packet: where would it go? Or a VIP: how are its backends? Addresses as
 * text.
 */
struct nlb_feed_ask {
	const char *health; /* the VIP; NULL: the packet is asked for */
	const char *src, *vip;
	uint16_t sport, dport;
	const char *protocol; /* tcp or udp */
	bool established;     /* TCP: of a flow that is there already */
};

/*
 * Print one line, newline included, into buf. Return its length; buf of NLB_FEED_OUT_MAX bytes
 * always suffices (texts are cut at NLB_FEED_REASON_MAX).
 */
extern size_t nlb_feed_print_hello(char *buf, size_t len);
extern size_t nlb_feed_print_route(char *buf, size_t len, const struct prefix *prefix,
				   const char *state, const char *reason);
extern size_t nlb_feed_print_ask(char *buf, size_t len, uint32_t id,
				 const struct nlb_feed_ask *ask);
extern size_t nlb_feed_print_heartbeat(char *buf, size_t len, uint64_t seq);
extern size_t nlb_feed_print_error(char *buf, size_t len, const char *reason);

/* "tcp" or "udp". */
extern const char *nlb_protocol_str(uint8_t protocol);

/* "tcp/80", "udp/any"; returns buf. */
#define NLB_SERVICE_STRLEN sizeof("tcp/65535")
extern const char *nlb_service_str(const struct nlb_port *port, char *buf, size_t len);

extern const char *nlb_backend_state_str(enum nlb_backend_state state);

#endif /* _FRR_NLB_FEED_H */
