/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wanted state of a node: the VIPs that the scheduler placed on it, as
 * parsed and checked. Configured data only; what is known at run time about a
 * VIP is in core.h. A model is built whole from one JSON document and is not
 * changed afterwards. VIPs, ports and backends are sorted by their natural
 * key, so that equal input in any order gives an equal model.
 */
#ifndef NLB_AGENT_MODEL_H
#define NLB_AGENT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "jput.h"
#include "msg.h"
#include "xdp/nlb_shared.h"

/* Limits on what a document may hold; past one of them it is refused. */
#define MODEL_VIPS_MAX	   16384u
#define MODEL_PORTS_MAX	   256u	 /* per VIP */
#define MODEL_BACKENDS_MAX 4096u /* per port */
#define MODEL_CHECKS_MAX   16u	 /* per port */
#define MODEL_WEIGHT_MAX   1000u
#define MODEL_STRING_MAX   1024u /* path, body; others 255 */
#define MODEL_DOCUMENT_MAX (256u << 20)

#define MODEL_RING_DEFAULT 13313u
#define MODEL_RING_MAX	   1048573u

#define MODEL_ID_LEN	   128

enum model_admin {
	MODEL_ADMIN_UP,
	MODEL_ADMIN_DRAIN,
	MODEL_ADMIN_DOWN,
};

enum model_policy {
	MODEL_POLICY_ALL, /* every check must be up */
	MODEL_POLICY_ANY, /* one that is up is enough */
	MODEL_POLICY_AT_LEAST,
};

/* What its type does not use is 0 or "". */
struct model_check {
	enum msg_hc_type type;
	uint16_t port;	   /* the service's own unless given (all ports: must be); 0 for ICMP */
	uint8_t flags;	   /* enum msg_hc_flag */
	uint8_t dscp;	   /* 0 ... 63 */
	uint32_t max_body; /* bytes that are searched for body; 0: there is no body */
	/* Its own pace; 0: the service's. */
	uint32_t interval_ms, timeout_ms;
	uint16_t rise, fall;
	struct addr source; /* unspecified: the kernel's choice */
	uint8_t n_status;
	struct msg_status_range status[MSG_HC_STATUS_RANGES];
	uint16_t body_len, payload_len;
	/*
	 * Never NULL. path is gRPC's service, body UDP's expected answer. body and payload
	 * are bytes, with a NUL behind them.
	 */
	char *method, *path, *host, *body, *sni, *device, *payload;
};

struct model_health {
	enum model_policy policy;
	uint8_t at_least;	 /* MODEL_POLICY_AT_LEAST: 1 ... n_checks; else 0 */
	bool tunnel;		 /* probes go to the VIP, wrapped for the backend */
	enum msg_hc_state start; /* what a backend is before its first results */
	uint32_t interval_ms;
	uint32_t timeout_ms;
	uint16_t rise;
	uint16_t fall;
	size_t n_checks; /* 0: a backend that is admin up is up */
	struct model_check *checks;
};

struct model_backend {
	struct addr addr;
	uint32_t weight; /* 0 ... MODEL_WEIGHT_MAX; 0 as admin drain */
	enum model_admin admin;
	uint8_t quic_id[NLB_QUIC_ID_MAX]; /* the port's quic_len octets, the rest 0; all 0: none */
};

struct model_port {
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t port;	  /* host order; 0: all that have no service of their own */
	bool affinity;	  /* the client's address alone picks the backend */
	uint8_t quic_len; /* octets of a QUIC server id; 0: not routed by connection id */
	uint8_t quic_config;
	uint32_t ring_size; /* prime */
	size_t n_backends;
	struct model_backend *backends;
	struct model_health health;
};

struct model_vip {
	char id[MODEL_ID_LEN]; /* the scheduler's; carried along, never a key */
	struct addr addr;      /* of a prefix the first; alone the key */
	uint8_t plen;	       /* ADDR_PLEN_HOST: one address */
	uint64_t desired_revision;
	uint64_t synced_revision;
	bool deletion;
	bool pass_unknown; /* packets to ports without a service are left to the kernel */
	uint32_t tag;	   /* 0: none */
	size_t n_ports;
	struct model_port *ports;
};

/* A VIP that was refused alone: the others of the document still count. */
struct model_refusal {
	char id[MODEL_ID_LEN];
	char address[ADDR_STRLEN]; /* as written, cut */
	struct addr addr;	   /* if known: it could be read */
	bool known;
	uint64_t desired_revision;
	char reason[160];
};

struct model {
	uint64_t revision;
	size_t n_vips;
	struct model_vip *vips;
	size_t n_refusals;
	struct model_refusal *refusals;
};

/*
 * Parses a scheduler's answer (docs/agent.md, "VIP list"). A document that is
 * not JSON, lacks "vips" or names an address twice is refused whole; a VIP
 * that breaks a rule is refused alone and listed in refusals. Of VIPs that are
 * prefixes of too many lengths, those with the higher addresses are. A document
 * without "revision" (as a file written by hand may be) has revision 0, which
 * is never older than another.
 * Returns 0; -EINVAL (err says what and where), -E2BIG, -ENOMEM. err is always
 * terminated; *ret is untouched on failure. model_free(NULL) is legal.
 */
int model_parse(const char *json, size_t len, struct model **ret, char *err, size_t err_len);
void model_free(struct model *m);

/* By address; NULL when there is none. */
const struct model_vip *model_find(const struct model *m, const struct addr *a);

/* True when both would be served alike (id and revisions do not count). */
bool model_vip_equal(const struct model_vip *a, const struct model_vip *b);

/* A deep copy; 0 or -ENOMEM. model_vip_done() frees what it holds. */
int model_vip_copy(const struct model_vip *v, struct model_vip *ret);
void model_vip_done(struct model_vip *v);

/*
 * Puts into m what `have` holds of those VIPs that m refused (by address, else
 * by id): what ran keeps running. Where that makes too many lengths of prefixes,
 * new ones are refused instead. 0 or -ENOMEM.
 */
int model_keep_refused(struct model *m, const struct model *have);

/* The lengths of prefixes that are in use, by family (IPv6, IPv4). */
struct model_lengths {
	bool used[2][ADDR_PLEN_HOST];
	unsigned int n[2];
};

/* True when there is room for plen, which is then taken. One address needs none. */
bool model_lengths_take(struct model_lengths *l, const struct addr *a, uint8_t plen);

/*
 * Refuses VIPs of m until its prefixes, by family, have at most NLB_PREFIXES_MAX
 * lengths together with those that are taken elsewhere (NULL: none). Those of VIPs that
 * `have` (which keeps that limit; may be NULL) holds too come first, then those of lower
 * addresses. A VIP that is refused is as in `have`, or leaves. 0 or -ENOMEM.
 */
int model_limit_prefixes(struct model *m, const struct model *have,
			 const struct model_lengths *taken);

/* The document that model_parse() makes this model from; refusals are left out. */
void model_write(const struct model *m, struct jput b);

/*
 * "tcp", "udp"; "up", "drain", "down"; "all", "any", "at_least"; "icmp", "tcp", "http",
 * "https", "udp", "grpc"; "source", "none"; "pass", "drop".
 */
const char *model_protocol_str(uint8_t protocol);
const char *model_admin_str(enum model_admin admin);
const char *model_policy_str(enum model_policy policy);
const char *model_check_str(enum msg_hc_type type);

/* How often a check is made, and what its results come to. */
struct model_pace {
	uint32_t interval_ms, timeout_ms;
	uint16_t rise, fall;
};
struct model_pace model_check_pace(const struct model_health *h, const struct model_check *c);

/* The longest interval and timeout of a service's checks; of the service when it has none. */
uint64_t model_health_round_ms(const struct model_health *h);

/* As many checks must be up for a backend to be up. */
size_t model_health_need(const struct model_health *h);

const char *model_affinity_str(bool affinity);
const char *model_unknown_str(bool pass);

/* The server id in hex, "" for none; len is the port's quic_len. Returns buf. */
#define MODEL_QUIC_ID_STRLEN (2 * NLB_QUIC_ID_MAX + 1)
const char *model_quic_id_str(const struct model_backend *b, uint8_t len,
			      char buf[static MODEL_QUIC_ID_STRLEN]);
int model_admin_parse(const char *text, enum model_admin *ret); /* 0 or -EINVAL */
int model_protocol_parse(const char *text, uint8_t *ret);

#endif
