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
#define NLB_LAYOUT_VERSION 2u

/*
 * Map           type          key                  value                written by
 * nlb_layout    array, 1      0                    struct nlb_layout    agent, once
 * nlb_config    array, 1      0                    struct nlb_config    agent
 * nlb_vips      hash          struct nlb_vip_key   struct nlb_vip       agent
 * nlb_services  hash          struct nlb_svc_key   struct nlb_service   agent
 * nlb_ring_of   array, mmap   service number       struct nlb_ring      agent
 * nlb_rings     array, mmap   slot number / 2      struct nlb_slots     agent
 * nlb_backends  array, mmap   backend number       struct nlb_backend   agent
 * nlb_vip_stats percpu array  VIP number           struct nlb_counters  program
 * nlb_be_stats  percpu array  backend number       struct nlb_counters  program
 * nlb_reasons   percpu array  0                    struct nlb_reasons   program
 * nlb_limits    percpu array  enum nlb_limit_of    struct nlb_limit     program
 *
 * The way of a packet: nlb_services gives the service's number, nlb_ring_of
 * where its ring lies, the packet's hash a slot in it, the slot a backend.
 *
 * What may change under a running program, and how:
 * - Elements of the two hash maps keep their value for as long as they exist
 *   (a VIP's flags excepted), because the kernel reuses the memory of a removed
 *   or replaced element at once. After a removal the agent waits for an RCU
 *   grace period before it inserts again.
 * - struct nlb_ring is one naturally aligned 64-bit word, stored and loaded as
 *   such. That store is the switch to a new ring.
 * - Slots and backends are written only while nothing refers to them, and
 *   are reused only after a grace period since the last reference went.
 */

struct nlb_layout {
	__u32 magic;
	__u32 version;
	__u32 max_vips;
	__u32 max_services;
	__u32 max_backends;
	__u32 ring_slots;
	__u32 zero[2];
};

struct nlb_config {
	__u8 source4[4];  /* outer source of IPv4 tunnels, an address of this node; 0: none */
	__u8 source6[16]; /* outer source of IPv6 tunnels; 0: none */
	__u32 flags;	  /* NLB_CONFIG_F_... */
	__u8 ttl;	  /* of the outer header; hop limit likewise */
	__u8 zero[7];
};

/* Echo requests to VIPs are left to the kernel instead of answered. */
#define NLB_CONFIG_F_NO_ECHO (1u << 0)

/* ICMP that the program itself makes: so many a second and CPU, and so many at once. */
#define NLB_ICMP_RATE	     1000u
#define NLB_ICMP_BURST	     100u
#define NLB_ICMP_INTERVAL_NS (1000000000ull / NLB_ICMP_RATE)
#define NLB_ICMP_BURST_NS    ((NLB_ICMP_BURST - 1) * NLB_ICMP_INTERVAL_NS)

enum nlb_limit_of { NLB_LIMIT_ECHO, NLB_LIMIT_TOO_BIG, NLB_LIMIT_COUNT };

struct nlb_limit {
	__u64 due; /* CLOCK_MONOTONIC in ns; at most the burst ahead of now */
};

struct nlb_vip_key {
	__u8 addr[16];
};

/* What to do with a packet to the VIP for which there is no service. */
#define NLB_VIP_F_PASS_UNKNOWN (1u << 0) /* pass it to the kernel instead of dropping it */

struct nlb_vip {
	__u32 index; /* into nlb_vip_stats */
	__u32 flags;
};

struct nlb_svc_key {
	__u8 vip[16];
	__u8 port[2];
	__u8 protocol;
	__u8 zero;
};

struct nlb_service {
	__u32 number; /* into nlb_ring_of */
	__u32 vip_index;
};

/*
 * A ring is `size` consecutive slots from `base` on, base being even. It is
 * never changed while a service points to it. size 0: the service is known,
 * but has no enabled backend.
 */
struct nlb_ring {
	__u32 base;
	__u32 size;
} __attribute__((aligned(8)));

/* Two slots an element, since array elements are eight bytes at least. */
struct nlb_slots {
	__u32 backend[2];
};

/* Number 0 means "none" and is never used: a packet that meets it is dropped. */
#define NLB_BACKEND_NONE 0u

struct nlb_backend {
	__u8 addr[16];
	__u32 flags;
	__u32 zero;
};

/* The backend's address is IPv4: the outer header is IPv4. */
#define NLB_BACKEND_F_V4 (1u << 0)

/* Bytes are those of the IP packet as it came, by its own length field. */
struct nlb_counters {
	__u64 packets; /* sent on to a backend */
	__u64 bytes;
	__u64 dropped; /* packets; nlb_reasons has the reasons, over all VIPs */
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
	X(TX_TOO_BIG, "tx_too_big", TELL)

enum nlb_reason {
#define NLB_REASON_ENUM(name, text, kind) NLB_R_##name,
	NLB_REASONS(NLB_REASON_ENUM)
#undef NLB_REASON_ENUM
		NLB_R_COUNT
};

#define NLB_REASON_SLOTS 64

struct nlb_reasons {
	__u64 packets[NLB_REASON_SLOTS];
};

/*
 * A question to the live program: a packet given to BPF_PROG_TEST_RUN with
 * this struct as its XDP metadata is treated as any other, but counted
 * nowhere, and the answer is written here. No packet off a wire has metadata:
 * the area is empty unless another program on this host fills it.
 */
#define NLB_ASK_MAGIC 0x6e6c622061736b3full /* "nlb ask?" */

struct nlb_ask {
	__u64 magic;
	__u32 reason;  /* enum nlb_reason */
	__u32 backend; /* number; 0 when the packet did not get so far */
};

#endif
