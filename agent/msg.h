/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frames that the agent's processes exchange (agent/ipc.h carries them).
 * Every struct has a size that is a multiple of eight and no hidden padding;
 * a variable tail, where there is one, follows the struct directly.
 *
 * parent -> maps    the wanted state, in batches        maps -> parent    what is proven
 * parent -> health  which conditions to probe           health -> parent  what changed
 */
#ifndef NLB_AGENT_MSG_H
#define NLB_AGENT_MSG_H

#include <stdint.h>

#include "addr.h"

#define MSG_REASON_LEN 96

enum msg_type {
	/* parent -> maps */
	MSG_MAPS_VIP_SET = 1,  /* struct msg_vip; of another plen: a new VIP, without services */
	MSG_MAPS_VIP_DEL,      /* struct msg_vip: the VIP and all its services */
	MSG_MAPS_SVC_SET,      /* struct msg_svc + n_backends * struct msg_backend */
	MSG_MAPS_SVC_DEL,      /* struct msg_svc, n_backends 0 */
	MSG_MAPS_COMMIT,       /* struct msg_batch: apply all since the last commit */
	MSG_MAPS_STATS_GET,    /* struct msg_batch: .seq comes back */
	MSG_MAPS_ASK,	       /* struct msg_ask: where would this packet go? */
	MSG_MAPS_SAMPLE_SET,   /* struct msg_sample_set: from now on, these; or none */
	MSG_MAPS_SAMPLE_TAKEN, /* struct msg_batch: .seq samples more may be sent */
	MSG_MAPS_CHECK_BEGIN, /* struct msg_batch: what follows up to CHECK is all there should be */
	MSG_MAPS_WANT_VIP,    /* struct msg_vip as last set; flags MSG_WANT_ANY: it may be there */
	MSG_MAPS_WANT_SVC,    /* struct msg_svc + backends as last set; flags likewise */
	MSG_MAPS_CHECK,	      /* struct msg_batch: check all, and repair */
	MSG_MAPS_USAGE_GET,   /* struct msg_batch: .seq comes back */
	MSG_MAPS_TUNNEL_SET,  /* struct msg_tunnel: the backend is to have a mark */
	MSG_MAPS_TUNNEL_DEL,  /* struct msg_tunnel: ... not any more */

	/* maps -> parent */
	MSG_MAPS_HAVE = 32,    /* struct msg_svc + its ring's backends: adopted, before READY */
	MSG_MAPS_READY,	       /* struct msg_dataplane: maps open, program attached */
	MSG_MAPS_SVC_RESULT,   /* struct msg_svc_result: one for each SVC_SET of a batch */
	MSG_MAPS_COMMITTED,    /* struct msg_committed: after the results of that batch */
	MSG_MAPS_DATAPLANE,    /* struct msg_dataplane: whenever it changes */
	MSG_MAPS_STATS_VIP,    /* struct msg_stats_vip, one per VIP */
	MSG_MAPS_STATS_REASON, /* struct msg_stats_reason, one per reason */
	MSG_MAPS_STATS_END,    /* struct msg_batch */
	MSG_MAPS_STATS_SVC,    /* struct msg_stats_svc, one per service */
	MSG_MAPS_STATS_BE,     /* struct msg_stats_be, one per backend */
	MSG_MAPS_STATS_EVENT,  /* struct msg_stats_reason, one per event */
	MSG_MAPS_ANSWER,       /* struct msg_answer: one for each ASK */
	MSG_MAPS_SAMPLE_STATE, /* struct msg_sample_state: one for each SAMPLE_SET */
	MSG_MAPS_SAMPLE,       /* struct msg_sample + cap_len bytes of the frame */
	MSG_MAPS_CHECKED,      /* struct msg_check: one for each CHECK, when it is done */
	MSG_MAPS_USAGE,	       /* struct msg_usage: one for each USAGE_GET */
	MSG_MAPS_TUNNEL,       /* struct msg_tunnel: one for each TUNNEL_SET */
	MSG_MAPS_TUNNEL_STATE, /* struct msg_tunnel_state: when it changes, before the first answer */

	/* parent -> health */
	MSG_HC_SET = 64, /* struct msg_hc_cond + strings; a known id keeps its state */
	MSG_HC_DEL,	 /* struct msg_hc_del */

	/* health -> parent */
	MSG_HC_RESULT = 96, /* n * struct msg_hc_result, n from the frame's length */
	MSG_HC_STATS,	    /* struct msg_hc_stats; once a second */
	MSG_HC_SHARD,	    /* within the health child: struct hc_shard_stats */
};

struct msg_batch {
	uint64_t seq;
};

/* What became of a batch. Times are CLOCK_MONOTONIC, in nanoseconds. */
struct msg_committed {
	uint64_t seq;
	uint64_t begun_ns;    /* all of it was read */
	uint64_t switched_ns; /* the last ring is the program's */
	uint64_t proven_ns;   /* the last service was tried */
	uint32_t services;    /* that were to be set */
	uint32_t changed;     /* ... and go by another ring or number now */
	uint32_t written;     /* rings written for that; the others were there */
	uint32_t computed;    /* runs of Maglev for these */
};

struct msg_vip {
	struct addr vip; /* of a prefix: its first address */
	uint32_t flags;	 /* NLB_VIP_F_PASS_UNKNOWN of xdp/nlb_shared.h */
	uint8_t plen;	 /* of a 16-byte address: 128 is one address; 0 means that too */
	uint8_t zero[3];
};

/* A service: VIP + protocol + port is its key. */
struct msg_svc {
	struct addr vip;
	uint16_t port;	     /* host order; 0: all ports that have no service of their own */
	uint8_t protocol;    /* IPPROTO_TCP, IPPROTO_UDP */
	uint8_t quic_config; /* NLB_SVC_F_QUIC: config id, 0 ... 6 */
	uint32_t ring_size;  /* Maglev table size, a prime (model.h) */
	uint32_t n_backends; /* listed, draining ones too; 0 empties the service: drop + count */
	uint32_t flags;	     /* NLB_SVC_F_* of xdp/nlb_shared.h */
	uint8_t quic_len;    /* NLB_SVC_F_QUIC: octets of a server id, 1 ... 8 */
	uint8_t zero[7];
	uint64_t generation; /* the parent's; comes back in the result */
};

struct msg_backend {
	struct addr addr;
	uint32_t weight;    /* 0: draining, keeps its flows and gets no new ones */
	uint8_t quic_id[8]; /* the server id, right-padded with 0; all 0: none */
	uint32_t zero;
};

enum msg_svc_state {
	MSG_SVC_FAILED,	 /* not (wholly) in the maps; reason says why */
	MSG_SVC_WRITTEN, /* in the maps and read back; the packet was not proven */
	MSG_SVC_PROVEN,	 /* and a packet made for it went out to an enabled backend */
};

struct msg_svc_result {
	struct addr vip;
	uint16_t port;
	uint8_t protocol;
	uint8_t state;	     /* enum msg_svc_state */
	uint32_t n_backends; /* with a weight, of the live ring */
	uint64_t generation;
	uint64_t digest; /* of what the maps have now (maps_digest.h), also when FAILED */
	char reason[MSG_REASON_LEN];
};

/* Of a VIP or service: whatever it is, and it need not be there. */
#define MSG_WANT_ANY UINT32_MAX

/* What a check looks at: docs/maps.md says what each is. The second argument is its name. */
#define MSG_CHECK_KINDS(X)                                                                         \
	X(WANTED, "wanted")                                                                        \
	X(CONFIG, "config")                                                                        \
	X(VIPS, "vips")                                                                            \
	X(SERVICES, "services")                                                                    \
	X(VIP_DIR, "vip_dir")                                                                      \
	X(SVC_DIR, "svc_dir")                                                                      \
	X(BACKENDS, "backends")                                                                    \
	X(HOPS, "hops")                                                                            \
	X(RINGS, "rings")                                                                          \
	X(NUMBERS, "numbers")                                                                      \
	X(GONE, "gone")                                                                            \
	X(QUIC_IDS, "quic_ids")

enum msg_check_kind {
#define MSG_CHECK_ENUM(name, text) MSG_CHECK_##name,
	MSG_CHECK_KINDS(MSG_CHECK_ENUM)
#undef MSG_CHECK_ENUM
		MSG_CHECK_COUNT
};

struct msg_check_count {
	uint64_t looked;   /* things looked at */
	uint64_t found;	   /* of them were not as they should be */
	uint64_t repaired; /* of those found */
	uint64_t failed;   /* to be repaired */
};

struct msg_check {
	uint64_t seq;
	uint64_t took_ns; /* from the first thing looked at to the last */
	uint64_t busy_ns; /* of it, at work */
	struct msg_check_count kinds[MSG_CHECK_COUNT];
};

/* What of the maps' room is taken. */
#define MSG_USAGE_KINDS(X)                                                                         \
	X(VIPS, "vips")                                                                            \
	X(SERVICES, "services")                                                                    \
	X(BACKENDS, "backends")                                                                    \
	X(RING_SLOTS, "ring_slots")                                                                \
	X(FLOWS, "flows")                                                                          \
	X(HOPS, "hops")                                                                            \
	X(GONE, "gone")                                                                            \
	X(QUIC_IDS, "quic_ids")                                                                    \
	X(FRAGMENTS, "fragments")                                                                  \
	X(OTHER, "other")

enum msg_usage_kind {
#define MSG_USAGE_ENUM(name, text) MSG_USAGE_##name,
	MSG_USAGE_KINDS(MSG_USAGE_ENUM)
#undef MSG_USAGE_ENUM
		MSG_USAGE_COUNT
};

struct msg_usage_count {
	uint64_t used;
	uint64_t retired; /* nobody's any more, and not yet to be used again */
	uint64_t max;
	uint64_t bytes; /* of the maps that hold them, as the kernel has them */
};

struct msg_usage {
	uint64_t seq;
	uint64_t rss;	 /* of the maps child, in bytes; with the maps that it has mapped */
	uint64_t shared; /* of it, memory that is a map's or a file's */
	uint64_t kept;	 /* of it, rings that were computed lately (maglev_keep.h) */
	struct msg_usage_count kinds[MSG_USAGE_COUNT];
};

struct msg_dataplane {
	uint32_t up;	 /* 0: see reason. maps_attach.h says when it is up */
	uint32_t native; /* 1: on every interface */
	char reason[MSG_REASON_LEN];
};

struct msg_stats_vip {
	struct addr vip;
	uint64_t packets; /* sent on to backends */
	uint64_t bytes;
	uint64_t dropped; /* packets */
	uint64_t flows;	  /* TCP SYNs among those sent on */
	uint8_t vip_plen; /* of a 16-byte address */
	uint8_t zero[7];
};

struct msg_stats_reason {
	char name[48];
	uint64_t packets;
};

struct msg_stats_svc {
	struct addr vip;
	uint16_t port; /* host order; 0: all that have no service of their own */
	uint8_t protocol;
	uint8_t vip_plen; /* of a 16-byte address */
	uint8_t zero[4];
	uint64_t packets;
	uint64_t bytes;
	uint64_t dropped;
	uint64_t flows;
};

struct msg_stats_be {
	struct addr addr;
	uint64_t packets;
	uint64_t bytes;
	uint64_t dropped;
	uint64_t flows;
	uint64_t errors; /* ICMP errors about the tunnel to it */
};

#define MSG_IFNAME_LEN 16

/* A packet of a flow, as it would come in by an interface. */
struct msg_ask {
	uint64_t seq; /* the parent's; comes back in the answer */
	struct addr src, vip;
	uint16_t sport, dport; /* host order */
	uint8_t protocol;      /* IPPROTO_TCP, IPPROTO_UDP */
	uint8_t established;   /* TCP: an ACK instead of a SYN */
	uint16_t zero;
	char interface[MSG_IFNAME_LEN]; /* "": the first that has the program */
};

/* What the live program does with it. Addresses are unspecified when it did not get so far. */
struct msg_answer {
	uint64_t seq;
	int32_t error;	 /* -errno: it was not run; .text says why, the rest is 0 */
	uint32_t reason; /* enum nlb_reason */
	struct addr vip;
	struct addr backend;
	struct addr outer_src, outer_dst; /* when it is sent on */
	uint32_t slot;			  /* in the ring */
	uint16_t flags;			  /* NLB_ASK_F_... */
	uint16_t svc_port;		  /* host order; 0: all ports */
	uint8_t svc_protocol;		  /* 0: no service */
	uint8_t mode;			  /* of the slot */
	uint8_t vip_plen;		  /* of a 16-byte address; 0: no VIP */
	uint8_t outer_ttl;
	uint8_t mac[6]; /* of the next hop */
	uint8_t sent;	/* 1: on to a backend; outer_..., mac, vlans and egress are filled */
	uint8_t n_vlans;
	uint16_t vlans[2];	      /* outermost first; the tag's 16 bits */
	char ingress[MSG_IFNAME_LEN]; /* as if it came by */
	char egress[MSG_IFNAME_LEN];  /* "": not known */
	char text[MSG_REASON_LEN];
};

struct msg_sample_set {
	uint64_t seq;	  /* comes back in the state */
	uint64_t reasons; /* bit 1 << enum nlb_reason: which */
	struct addr vip;  /* only of this one; unspecified: of all and none */
	uint32_t rate;	  /* one of so many packets; 0: none, the capture is over */
	uint32_t zero;
};

struct msg_sample_state {
	uint64_t seq;
	uint64_t lost; /* since the capture began: there was no room in the ring buffer */
	int32_t error; /* -errno: nothing is sampled; -ENOENT: no such VIP */
	uint32_t zero;
};

/*
 * So many samples may be on their way or unread before the maps child stops
 * reading its ring buffer: it begins each capture with these, and TAKEN gives more.
 */
#define MSG_SAMPLE_WINDOW 4096u

struct msg_sample {
	uint64_t time_ns;    /* CLOCK_MONOTONIC */
	struct addr vip;     /* unspecified: none */
	struct addr backend; /* likewise */
	uint32_t ifindex;    /* by which it came in */
	uint32_t len;	     /* of the frame */
	uint16_t reason;     /* enum nlb_reason */
	uint16_t cap_len;    /* of what follows */
	uint8_t vip_plen;    /* of a 16-byte address */
	uint8_t zero[3];
};

/* Health checks through the tunnel: a mark (SO_MARK) is how a probe names its backend. */
struct msg_tunnel {
	uint64_t seq; /* comes back in the answer */
	struct addr backend;
	uint32_t mark; /* of the answer; 0: see error */
	int32_t error; /* of the answer: -errno, there is no mark; -ENOSPC: max-backends */
};

/* Whether probes with a mark get into the tunnel; by the VIP's family: IPv4, IPv6. */
struct msg_tunnel_state {
	uint8_t up[2];
	uint8_t zero[6];
	char reason[2][MSG_REASON_LEN]; /* why not */
};

enum msg_hc_type {
	MSG_HC_ICMP,
	MSG_HC_TCP,
	MSG_HC_HTTP,
	MSG_HC_HTTPS,
	MSG_HC_UDP,
	MSG_HC_GRPC,
	MSG_HC_TYPES
};

enum msg_hc_state {
	MSG_HC_UNKNOWN, /* at start, before the first verdict */
	MSG_HC_UP,
	MSG_HC_DOWN,
};

#define MSG_HC_STATUS_RANGES 8

/* Accepted status codes, both ends included. */
struct msg_status_range {
	uint16_t from, to;
};

/* How a check is made; bits of msg_hc_cond.flags. */
enum msg_hc_flag {
	MSG_HC_F_VERIFY = 1 << 0,      /* HTTPS: check the certificate */
	MSG_HC_F_CLIENT_CERT = 1 << 1, /* HTTPS: show ours if asked */
	MSG_HC_F_RESUME = 1 << 2,      /* HTTPS: resume the session of the probe before */
	MSG_HC_F_HALF_OPEN = 1 << 3,   /* TCP: answer the SYN-ACK with a RST */
};

/*
 * One condition: a target, a way to probe it, and how often. Seven strings
 * follow, each with its NUL, in this order: method, path (gRPC: the service),
 * host, body (UDP: the wanted answer), sni, device, payload. body and payload
 * are bytes and may hold NULs.
 */
struct msg_hc_cond {
	uint64_t id;	 /* the parent's; never used again for another condition */
	uint8_t initial; /* enum msg_hc_state: UNKNOWN, a restored verdict, or .start */
	uint8_t zero[3];
	uint32_t mark; /* through the tunnel: SO_MARK that names the target; 0: not */
	/* From here to the end of the strings: what makes it the same condition. */
	struct addr target; /* the backend */
	/* From here: what many conditions have in common. */
	struct addr dest;   /* where packets are addressed to: the VIP through the tunnel;
			     * unspecified: the target itself */
	struct addr source; /* unspecified: the kernel's choice */
	uint32_t interval_ms;
	uint32_t timeout_ms;
	uint32_t body_max; /* bytes of a body that are searched at most; 0: HC_BODY_MAX */
	uint16_t rise;
	uint16_t fall;
	uint16_t port; /* host order; 0 for ICMP */
	uint8_t type;  /* enum msg_hc_type */
	uint8_t flags; /* enum msg_hc_flag */
	uint8_t dscp;  /* 0 to 63 */
	uint8_t n_status;
	uint8_t start; /* enum msg_hc_state: what it is without a verdict; see .initial */
	uint8_t zero2;
	struct msg_status_range status[MSG_HC_STATUS_RANGES];
	uint16_t method_len; /* lengths without the NUL */
	uint16_t path_len;
	uint16_t host_len;
	uint16_t body_len;
	uint16_t sni_len;
	uint16_t device_len;
	uint16_t payload_len;
	uint16_t zero3;
};

struct msg_hc_del {
	uint64_t id;
};

/* How far a probe had come when its time was up. */
enum msg_hc_phase {
	MSG_HC_PHASE_NONE, /* nothing but the answer to wait for: ICMP */
	MSG_HC_PHASE_CONNECT,
	MSG_HC_PHASE_TLS,
	MSG_HC_PHASE_ANSWER,
};

/* Why the last probe failed; hc_reason_str() and hc_reason_format() have the words. */
enum msg_hc_reason {
	MSG_HC_OK,
	MSG_HC_TIMEOUT, /* detail: enum msg_hc_phase */
	MSG_HC_REFUSED,
	MSG_HC_UNREACHABLE, /* detail: errno */
	MSG_HC_RESET,
	MSG_HC_CLOSED,	    /* before the answer was whole */
	MSG_HC_STATUS,	    /* detail: the status code */
	MSG_HC_BODY,	    /* the wanted text is not in the body */
	MSG_HC_BAD_ANSWER,  /* not HTTP, or past a limit; detail: enum hc_http_bad */
	MSG_HC_TLS,	    /* handshake failed; detail: OpenSSL's reason code */
	MSG_HC_TLS_CERT,    /* certificate refused; detail: X509_V_ERR_* */
	MSG_HC_GRPC_STATUS, /* the call failed; detail: grpc-status */
	MSG_HC_NOT_SERVING, /* detail: the status that gRPC's health service gives */
	MSG_HC_LOCAL,	    /* this node's fault; detail: errno. Never a verdict */
	MSG_HC_REASONS
};

/*
 * Sent for the first probe of a condition, and then whenever its state, reason
 * or detail changes, or its latency by much. With MSG_HC_LOCAL the state is what it
 * was before.
 */
struct msg_hc_result {
	uint64_t id;
	uint8_t state;	/* enum msg_hc_state */
	uint8_t reason; /* enum msg_hc_reason of the last probe */
	uint16_t zero;
	uint32_t detail;
	uint32_t latency_us; /* of the last probe that got an answer */
	uint32_t zero2;
};

/* The engine's figures, over all its shards. Counters are since its start. */
struct msg_hc_stats {
	uint64_t started;
	uint64_t ended[MSG_HC_REASONS];
	uint64_t extended;  /* got more time because this process was late */
	uint64_t late;	    /* started more than 100 ms after they were due */
	uint64_t host_held; /* put off by the cap for their host */
	uint64_t icmp_sent;
	uint64_t icmp_matched;
	uint64_t icmp_late;    /* replies to a probe that was over */
	uint64_t icmp_foreign; /* not ours */
	uint64_t icmp_bad;     /* damaged */
	uint32_t conditions;
	uint32_t flying;  /* probes under way */
	uint32_t waiting; /* due, not started yet */
	uint32_t fds;	  /* descriptors that probes and kept sockets hold */
	uint32_t budget;  /* ... may hold */
	uint32_t hosts;
	uint32_t shards;
	/* How late probes started, of those of the last 10 to 20 seconds. */
	uint32_t late_p50_us;
	uint32_t late_p99_us;
	uint32_t late_max_us;
};

#endif
