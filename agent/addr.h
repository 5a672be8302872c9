/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses and prefixes. One 16-byte form for both families: an IPv4 address
 * is held as IPv4-mapped IPv6 (RFC 4291, 2.5.5.2), which is also the form of
 * the keys in the BPF maps, so that an address is compared and hashed the same
 * way everywhere.
 */
#ifndef NLB_AGENT_ADDR_H
#define NLB_AGENT_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Longest text form with its NUL: "[v6]:port" and "v6/128" fit too. */
#define ADDR_STRLEN 64

struct addr {
	uint8_t b[16];
};

/*
 * Parses "192.0.2.1" or "2001:db8::1", nothing else (no port, no prefix, no
 * scope). IPv4-mapped text is taken as the IPv4 address it means.
 * Returns 0 or -EINVAL; *ret is untouched on failure.
 */
int addr_parse(const char *text, struct addr *ret);

bool addr_is_v4(const struct addr *a);
bool addr_is_unspecified(const struct addr *a);

/*
 * True for an address that can be one host's: not unspecified, loopback,
 * multicast, link-local or broadcast. A VIP and a backend must be one;
 * loopback is judged apart because tests and single-host set-ups use it.
 */
bool addr_is_host(const struct addr *a);
bool addr_is_loopback(const struct addr *a);

/* <0, 0, >0 in byte order: IPv4 sorts before most of IPv6. */
int addr_cmp(const struct addr *a, const struct addr *b);

/* Writes the canonical text (RFC 5952) into buf, and returns buf. */
const char *addr_str(const struct addr *a, char buf[static ADDR_STRLEN]);

/*
 * Prefixes. A length is one of the 16-byte form: IPv4's /28 is 124, and
 * ADDR_PLEN_HOST is one address of either family.
 */
#define ADDR_PLEN_HOST 128

/* Parses "LEN", as of a's family (IPv4: 0 to 32). 0 or -EINVAL; *ret is untouched then. */
int addr_plen_parse(const char *text, const struct addr *a, uint8_t *ret);

/* Parses "ADDR" or "ADDR/LEN"; the rest of the address may be set. 0 or -EINVAL. */
int addr_prefix_parse(const char *text, struct addr *ret, uint8_t *ret_plen);

/* Writes "ADDR/LEN", for one address "ADDR", into buf, and returns buf. */
const char *addr_prefix_str(const struct addr *a, uint8_t plen, char buf[static ADDR_STRLEN]);

/* True when both agree in the first plen bits. */
bool addr_same_prefix(const struct addr *a, const struct addr *b, uint8_t plen);

/* True when no bit of a is set beyond the first plen. */
bool addr_is_prefix(const struct addr *a, uint8_t plen);

/* Fills *ss with the address and a port in host order; returns its length. */
socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ss);

/* Returns 0, or -EAFNOSUPPORT for a family other than the two. */
int addr_from_sockaddr(const struct sockaddr_storage *ss, struct addr *ret);

#endif
