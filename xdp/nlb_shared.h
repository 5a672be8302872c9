/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the XDP program and user space both know: names, keys and values of the
 * maps, flags, and the reasons for which a packet leaves the program. The only
 * header of xdp/ that others may include. Fixed-width types and raw byte
 * arrays; addresses and ports in network order; IPv4 addresses as IPv4-mapped
 * IPv6. Every struct is free of hidden padding.
 *
 * Any change of a key, a value or a meaning raises NLB_LAYOUT_VERSION: an agent
 * adopts pinned maps only of its own version.
 */
#ifndef NLB_SHARED_H
#define NLB_SHARED_H

#include <linux/types.h>

#define NLB_LAYOUT_MAGIC   0x6e6c6264u /* "nlbd" */
#define NLB_LAYOUT_VERSION 3u

/*
 * Map            type          key                   value                  written by
 * nlb_layout     array, 1      0                     struct nlb_layout      agent, once
 * nlb_config     array, mmap   0                     struct nlb_config      agent
 * nlb_vip_dir    array, mmap   bucket number         struct nlb_bucket      agent
 * nlb_vips       array, mmap   VIP number            struct nlb_vip         agent
 * nlb_svc_dir    array, mmap   bucket number         struct nlb_bucket      agent
 * nlb_services   array, mmap   service number        struct nlb_service     agent
 * nlb_rings      array, mmap   slot number / 2       struct nlb_slots       both, see below
 * nlb_backends   array, mmap   backend number        struct nlb_backend     agent
 * nlb_hops       array, mmap   hop number            struct nlb_hop         agent
 * nlb_flows      array, mmap   bucket number         struct nlb_flow_bucket both, see below
 * nlb_gone       hash          struct nlb_gone_key   __u32                  agent
 * nlb_numbers    hash          struct nlb_addr       __u32 backend number   agent
 * nlb_quic_ids   hash          struct nlb_quic_key   __u32 backend number   agent
 * nlb_fragments  LRU hash      struct nlb_frag_key   struct nlb_frag        program
 * nlb_vip_stats  percpu array  VIP number            struct nlb_counters    program
 * nlb_svc_stats  percpu array  service number        struct nlb_counters    program
 * nlb_be_stats   percpu array  backend number        struct nlb_counters    program
 * nlb_reasons    percpu array  0                     struct nlb_reasons     program
 * nlb_limits     percpu array  enum nlb_limit_of     struct nlb_limit       program
 * nlb_samples    ring buffer   -                     struct nlb_sample      program
 *
 * The way of a packet: its destination address gives a VIP (by nlb_vip_dir),
 * VIP, protocol and port a service (by nlb_svc_dir), the service a ring, the
 * flow's hash a slot in it, the slot a backend, the backend a hop. Number 0 of
 * VIPs, services, backends and hops means "none" and is never used.
 *
 * What may change under a running program, and how:
 * - Words that are stored and loaded whole, naturally aligned: an entry of a
 *   directory (64 bits), a service's ring (64), a VIP's flags (32), a slot (32),
 *   a backend's hop (32), a flow (64), the fields of nlb_config.
 * - All else of a VIP, service, backend, hop, and the slots of a ring are written only
 *   while nothing refers to them. They are reused only after a grace period
 *   since the last reference went; a backend, moreover, only when no flow has it.
 */

struct nlb_layout {
	__u32 magic;
	__u32 version;
	__u32 max_vips;
	__u32 max_services;
	__u32 max_backends;
	__u32 ring_slots;
	__u32 max_flows;
	__u32 zero;
};

#define NLB_PREFIXES_MAX 8

struct nlb_config {
	__u8 source4[4];  /* outer source of IPv4 tunnels where the hop is not known; 0: none */
	__u32 flags;	  /* NLB_CONFIG_F_... */
	__u8 source6[16]; /* of IPv6 tunnels, likewise */
	__u64 secret;	  /* seed of the hash by which flows are remembered */
	__u32 ttl;	  /* of packets that the program makes, and outer ones without a hop */
	/* Samples to nlb_samples: one of so many packets; 0: none. */
	__u32 sample_rate;
	__u64 sample_reasons; /* bit 1 << reason: which are sampled */
	__u32 sample_vip;     /* only of this VIP number; 0: of all and none */
	__u32 flow_idle;      /* a remembered flow is forgotten after this; in NLB_FLOW_TICKs */
	/*
	 * Lengths of the VIP prefixes that there are, but host routes, as of 16-byte
	 * addresses (IPv4's /24 is 120); the longest first, ends with 0.
	 */
	__u8 prefixes4[NLB_PREFIXES_MAX];
	__u8 prefixes6[NLB_PREFIXES_MAX];
	/* Numbers of buckets less one, of nlb_vip_dir, nlb_svc_dir, nlb_flows: set with the sizes. */
	__u32 vip_mask;
	__u32 svc_mask;
	__u32 flow_mask;
	__u32 zero;
};

/* Echo requests to VIPs are left to the kernel instead of answered. */
#define NLB_CONFIG_F_NO_ECHO (1u << 0)

/* ICMP that the program itself makes: so many a second and CPU, and so many at once. */
#define NLB_ICMP_RATE	     1000u
#define NLB_ICMP_BURST	     100u
#define NLB_ICMP_INTERVAL_NS (1000000000ull / NLB_ICMP_RATE)
#define NLB_ICMP_BURST_NS    ((NLB_ICMP_BURST - 1) * NLB_ICMP_INTERVAL_NS)

enum nlb_limit_of { NLB_LIMIT_ECHO, NLB_LIMIT_ERROR, NLB_LIMIT_COUNT };

struct nlb_limit {
	__u64 due; /* CLOCK_MONOTONIC in ns; at most the burst ahead of now */
};

struct nlb_addr {
	__u8 b[16];
};

/*
 * Directories. A key has a 64-bit hash, and by it two buckets: number (hash & mask)
 * and number (hash >> 16 & mask), the mask being the number of buckets
 * less one, a power of two less one. An entry holds nlb_dir_tag() of the hash
 * and the number of a VIP or service, whose key is then compared. An entry is
 * in one of its two buckets, or for a moment, when it is moved, in both.
 */
#define NLB_BUCKET_ENTRIES 4

struct nlb_bucket {
	__u64 entry[NLB_BUCKET_ENTRIES]; /* tag << 32 | number; 0: free */
};

/* Step and end of the hashes of directories: multiply and fold. */
static inline __attribute__((always_inline)) __u64 nlb_dir_step(__u64 h, __u64 word)
{
	h = (h ^ word) * 0x9fb21c651e98df25ull;
	return h ^ (h >> 32);
}

/* Never 0, so that a free entry matches none. */
static inline __attribute__((always_inline)) __u32 nlb_dir_tag(__u64 hash)
{
	return (__u32)(hash >> 32) | 1;
}

/* The words are the address's two halves as numbers, in host order. plen: 128 of a host's. */
static inline __attribute__((always_inline)) __u64 nlb_dir_vip(__u64 high, __u64 low, __u32 plen)
{
	return nlb_dir_step(nlb_dir_step(0x2545f4914f6cdd1dull ^ plen, high), low);
}

/* What a service's key is: VIP number, protocol, port in host order (0: all ports). */
static inline __attribute__((always_inline)) __u64 nlb_svc_key(__u32 vip, __u8 protocol, __u16 port)
{
	return (__u64)vip << 32 | (__u32)protocol << 16 | port;
}

static inline __attribute__((always_inline)) __u64 nlb_dir_svc(__u64 key)
{
	return nlb_dir_step(0xd6e8feb86659fd93ull, key);
}

/* What to do with a packet to the VIP for which there is no service. */
#define NLB_VIP_F_PASS_UNKNOWN (1u << 0) /* pass it to the kernel instead of dropping it */
/* The VIP has a service for all other ports of the protocol. */
#define NLB_VIP_F_ALL_TCP (1u << 1)
#define NLB_VIP_F_ALL_UDP (1u << 2)

struct nlb_vip {
	__u8 addr[16]; /* of a prefix: its first address */
	__u32 flags;   /* may change */
	__u8 plen;     /* 128: one address; of a 16-byte address */
	__u8 zero[11];
};

/*
 * A ring is `size` consecutive slots from `base` on, base being even. Which
 * ring a service has changes by one store of this word. If any slot is
 * NLB_SLOT_RECENT, a second ring of as many slots follows at base + size, size being
 * rounded up to even: the backends before. size 0: the service has no ring.
 */
struct nlb_ring {
	__u32 base;
	__u32 size;
} __attribute__((aligned(8)));

/* The client's address alone picks the backend, for all its ports. */
#define NLB_SVC_F_AFFINITY (1u << 0)
/* UDP packets are QUIC's: the server id in the connection id picks the backend. */
#define NLB_SVC_F_QUIC (1u << 1)

struct nlb_service {
	struct nlb_ring ring; /* may change */
	__u64 key;	      /* nlb_svc_key() */
	__u32 vip;	      /* number */
	__u32 flags;
	__u8 quic_config; /* the three bits of the first octet that QUIC-LB calls config id */
	__u8 quic_len;	  /* octets of a server id, 1 ... NLB_QUIC_ID_MAX */
	__u8 zero[6];
};

/*
 * A slot: a backend's number, and how lately the slot changed.
 *
 * STABLE: every packet goes to the backend; no flow is looked up or remembered.
 * RECENT: a TCP flow goes where it is remembered to go. A SYN goes to the
 *   backend and is remembered; any other packet of a flow that is not
 *   remembered goes to the backend of the second ring, and is remembered.
 * LINGER: a TCP flow goes where it is remembered to go; else to the backend.
 *
 * The program sets USED in a slot of mode LINGER when a packet went elsewhere than to
 * the slot's backend; the agent takes it back. It is the only thing that the program
 * writes to a slot, and both do it by atomic operations. All that is not TCP
 * goes to the backend.
 */
#define NLB_SLOT_BACKEND 0x000fffffu
#define NLB_SLOT_MODE	 0xc0000000u
#define NLB_SLOT_STABLE	 0x00000000u
#define NLB_SLOT_RECENT	 0x40000000u
#define NLB_SLOT_LINGER	 0x80000000u
#define NLB_SLOT_USED	 0x20000000u

/* Two slots an element, since array elements are eight bytes at least. */
struct nlb_slots {
	__u32 slot[2];
};

/* Number 0 means "none" and is never used: a packet that meets it is dropped. */
#define NLB_BACKEND_NONE 0u
#define NLB_BACKEND_MAX	 NLB_SLOT_BACKEND

struct nlb_backend {
	__u8 addr[16];
	__u32 hop;   /* number; may change; 0: not known, the kernel is asked */
	__u32 flags; /* NLB_BACKEND_F_... */
	__u64 zero;
};

/* The backend's address is IPv4: the outer header is IPv4. */
#define NLB_BACKEND_F_V4 (1u << 0)

/*
 * All that goes in front of a packet but the backend's address. `eth` is the
 * Ethernet header with up to two VLAN tags and the type at its end, eth_len bytes of it.
 */
#define NLB_HOP_ETH_MAX 22

struct nlb_hop {
	__u8 eth[NLB_HOP_ETH_MAX];
	__u8 eth_len; /* 14, 18 or 22 */
	__u8 ttl;
	__u32 ifindex;
	__u32 mtu;	   /* of the outer packet; 0: no limit below 65535 */
	__u8 source[16];   /* outer; bits of source_mask are 0 */
	__u32 source_mask; /* of the source's last four bytes, network order: taken from the flow */
	__u32 zero[3];
};

/*
 * Flows that do not go where their slot leads. A flow has a 64-bit hash under
 * nlb_config.secret: the lower half names the bucket, the upper is the tag.
 * In an entry, from the top: tag (32 bits), tick of the last packet (10), class
 * (2), backend (20). A tick is 2^32 ns of CLOCK_MONOTONIC. 0: free.
 *
 * Classes: SYN: nothing but a SYN was seen; OPEN: its flow went on; OLD: seen
 * first without a SYN. A flow that is open is overwritten by no other. A new
 * SYN for which there is no room goes to the second ring's backend, as its
 * next packets will.
 */
#define NLB_FLOW_WAYS	    8
#define NLB_FLOW_TICK_SHIFT 32
#define NLB_FLOW_TICKS	    1024u /* at which ticks wrap round */
#define NLB_FLOW_SYN	    1u
#define NLB_FLOW_OPEN	    2u
#define NLB_FLOW_OLD	    3u
#define NLB_FLOW_SYN_TICKS  2u /* an unanswered SYN may be overwritten after this */

struct nlb_flow_bucket {
	__u64 flow[NLB_FLOW_WAYS];
};

#define NLB_FLOW_TICK(f)    ((__u32)((f) >> 22) & (NLB_FLOW_TICKS - 1))
#define NLB_FLOW_CLASS(f)   ((__u32)((f) >> 20) & 3u)
#define NLB_FLOW_BACKEND(f) ((__u32)(f)&NLB_SLOT_BACKEND)

/* The backend has left the service otherwise than by draining: no flow goes there any more. */
struct nlb_gone_key {
	__u32 service;
	__u32 backend;
};

#define NLB_QUIC_ID_MAX 8

/* A server id of QUIC-LB (draft-ietf-quic-load-balancers), right-padded with 0. */
struct nlb_quic_key {
	__u32 service;
	__u32 len;
	__u8 id[NLB_QUIC_ID_MAX];
};

/* Which datagram a fragment is of. */
struct nlb_frag_key {
	__u8 src[16];
	__u8 dst[16];
	__u32 id; /* IPv4: 16 bits of it; as on the wire */
	__u32 protocol;
};

struct nlb_frag {
	__u32 service;
	__u32 backend;
	__u32 hash; /* the flow's */
	__u32 tick; /* of the first fragment */
};

/* Bytes are those of the IP packet as it came, by its own length field. */
struct nlb_counters {
	__u64 packets; /* sent on to a backend */
	__u64 bytes;
	__u64 flows;   /* TCP SYNs among them */
	__u64 dropped; /* packets; nlb_reasons has the reasons, over all VIPs */
	__u64 errors;  /* backends only: ICMP errors about the tunnel to it */
};

/*
 * Why a packet left the program: each one is counted under exactly one. The
 * second argument is the name that user space shows; the third is the kind:
 * TX (sent on), PASS (left to the kernel), DROP, REPLY (answered by the program
 * itself), TELL (dropped, and its sender told so). docs/dataplane.md explains
 * each. New ones go to the end, so that counters outlive an upgrade.
 */
#define NLB_REASONS(X)                                                                             \
	X(TX, "tx", TX)                                                                            \
	X(TX_REDIRECT, "tx_redirect", TX)                                                          \
	X(NOT_IP, "not_ip", PASS)                                                                  \
	X(NOT_VIP, "not_vip", PASS)                                                                \
	X(MALFORMED_L3, "malformed_l3", PASS)                                                      \
	X(VIP_ICMP, "vip_icmp", PASS)                                                              \
	X(VIP_NO_SERVICE_PASS, "vip_no_service_pass", PASS)                                        \
	X(VIP_NO_SERVICE, "vip_no_service", DROP)                                                  \
	X(VIP_TRUNCATED, "vip_truncated", DROP)                                                    \
	X(VIP_FRAGMENT, "vip_fragment", DROP)                                                      \
	X(VIP_EXTENSION, "vip_extension", DROP)                                                    \
	X(VIP_PROTOCOL, "vip_protocol", DROP)                                                      \
	X(VIP_TTL, "vip_ttl", DROP)                                                                \
	X(NO_BACKEND, "no_backend", DROP)                                                          \
	X(NO_SOURCE, "no_source", DROP)                                                            \
	X(NO_ROUTE, "no_route", DROP)                                                              \
	X(NO_FORWARDING, "no_forwarding", DROP)                                                    \
	X(NO_NEIGHBOUR, "no_neighbour", DROP)                                                      \
	X(TOO_BIG, "too_big", DROP)                                                                \
	X(NO_HEADROOM, "no_headroom", DROP)                                                        \
	X(INTERNAL, "internal", DROP)                                                              \
	X(TX_ICMP, "tx_icmp", TX)                                                                  \
	X(VIP_ICMP_TRUNCATED, "vip_icmp_truncated", DROP)                                          \
	X(VIP_ICMP_QUOTE, "vip_icmp_quote", DROP)                                                  \
	X(TX_REPLY, "tx_reply", REPLY)                                                             \
	X(VIP_ICMP_LIMIT, "vip_icmp_limit", DROP)                                                  \
	X(TX_TOO_BIG, "tx_too_big", TELL)                                                          \
	X(TX_TTL, "tx_ttl", TELL)                                                                  \
	X(TUNNEL_ERROR, "tunnel_error", PASS)

enum nlb_reason {
#define NLB_REASON_ENUM(name, text, kind) NLB_R_##name,
	NLB_REASONS(NLB_REASON_ENUM)
#undef NLB_REASON_ENUM
		NLB_R_COUNT
};

/* Counted besides, in the upper half of nlb_reasons: what befell a packet on its way. */
#define NLB_EVENTS(X)                                                                              \
	X(FIB, "fib_lookup")	      /* the hop was not known, the kernel was asked */            \
	X(FLOW_NEW, "flow_new")	      /* a SYN was remembered */                                   \
	X(FLOW_OLD, "flow_old")	      /* a flow from before the change was remembered */           \
	X(FLOW_HIT, "flow_hit")	      /* went where it is remembered to go */                      \
	X(FLOW_FULL, "flow_full")     /* there was no room to remember */                          \
	X(FLOW_GONE, "flow_gone")     /* its backend is gone: it moved */                          \
	X(FRAGMENT, "fragment")	      /* followed its datagram's first fragment */                 \
	X(QUIC, "quic_id")	      /* went where its connection id says */                      \
	X(SAMPLE_LOST, "sample_lost") /* nlb_samples was full */

enum nlb_event {
#define NLB_EVENT_ENUM(name, text) NLB_E_##name,
	NLB_EVENTS(NLB_EVENT_ENUM)
#undef NLB_EVENT_ENUM
		NLB_E_COUNT
};

#define NLB_REASON_SLOTS 64
#define NLB_EVENT_BASE	 40 /* slot of the first event */

struct nlb_reasons {
	__u64 packets[NLB_REASON_SLOTS];
};

/*
 * A packet as it left the program, from its Ethernet header on, and why. What
 * is kept of it follows the struct: NLB_SAMPLE_MAX bytes, of which cap_len count.
 */
#define NLB_SAMPLE_MAX 256

struct nlb_sample {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 ifindex; /* by which it came in */
	__u32 vip;     /* number; 0: none */
	__u32 backend; /* number; 0: none */
	__u32 len;     /* of the frame */
	__u16 reason;  /* enum nlb_reason */
	__u16 cap_len;
	__u32 zero;
	__u8 data[NLB_SAMPLE_MAX];
};

/*
 * A question to the live program: a packet given to BPF_PROG_TEST_RUN with
 * this struct as its XDP metadata is treated as any other, but counted
 * nowhere, remembered nowhere, and the answer is written here. No packet off a
 * wire has metadata: the area is empty unless another program on this host
 * fills it.
 */
#define NLB_ASK_MAGIC 0x6e6c622061736b3full /* "nlb ask?" */

struct nlb_ask {
	__u64 magic;
	__u8 reason; /* enum nlb_reason */
	__u8 mode;   /* of the slot: NLB_SLOT_MODE >> 30 */
	__u16 flags; /* NLB_ASK_F_... */
	__u32 vip;   /* numbers, and 0 when the packet did not get so far */
	__u32 service;
	__u32 slot; /* in the ring; when there is a backend */
	__u32 backend;
	__u32 hop;
};

#define NLB_ASK_F_FLOW (1u << 0) /* remembered: the backend is not the slot's */
#define NLB_ASK_F_OLD  (1u << 1) /* not remembered: the second ring's backend */
#define NLB_ASK_F_FIB  (1u << 2) /* the kernel's routes were asked for the hop */
#define NLB_ASK_F_QUIC (1u << 3) /* by its connection id */
#define NLB_ASK_F_FRAG (1u << 4) /* by its datagram's first fragment */

/*
 * Health checks through the tunnel (nlb_tunnel.bpf.c). A probe's socket is connected to the
 * VIP and has a mark: the upper bits say that it is one, the lower ones are the number of the
 * backend. The program counts each packet once, in the map nlb_tunnel_stats of its own.
 */
#define NLB_TUNNEL_MASK	   0xfff00000u
#define NLB_TUNNEL_BACKEND NLB_SLOT_BACKEND

#define NLB_TUNNEL_RESULTS(X)                                                                      \
	X(SENT, "tunnel_check")		 /* by the backend's hop */                                \
	X(ROUTED, "tunnel_check_routed") /* the hop is not known: by the kernel's routes */        \
	X(NO_BACKEND, "tunnel_check_no_backend") /* dropped: the mark names none */                \
	X(NO_SOURCE, "tunnel_check_no_source")	 /* dropped: the node has no outer source */       \
	X(TOO_BIG, "tunnel_check_too_big")	 /* dropped: longer than the way takes */          \
	X(FAILED, "tunnel_check_failed")	 /* dropped: no IP, or no room for the headers */

enum nlb_tunnel_result {
#define NLB_TUNNEL_ENUM(name, text) NLB_T_##name,
	NLB_TUNNEL_RESULTS(NLB_TUNNEL_ENUM)
#undef NLB_TUNNEL_ENUM
		NLB_T_COUNT
};

#endif
