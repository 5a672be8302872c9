/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VIP is by: an address, or a whole prefix, written "192.0.2.1" or "192.0.2.0/28". Pure.
 */
#ifndef _FRR_NLB_PREFIX_H
#define _FRR_NLB_PREFIX_H

#include "ipaddr.h"
#include "prefix.h"

/* Bytes that hold either form, and the terminator. */
#define NLB_PREFIX_STRLEN (INET6_ADDRSTRLEN + sizeof("/128") - 1)

/* Parse either form. 0, or -EINVAL: malformed, or bits are set beyond the length. */
extern int nlb_prefix_parse(const char *str, struct prefix *ret_prefix);

/* The shorter form: a length only where it is no single address. Returns buf. */
extern const char *nlb_prefix_str(const struct prefix *p, char *buf, size_t len);

/* By address, then by length. */
extern int nlb_prefix_cmp(const struct prefix *a, const struct prefix *b);

extern bool nlb_prefix_is_host(const struct prefix *p);
extern struct ipaddr nlb_prefix_address(const struct prefix *p);

#endif /* _FRR_NLB_PREFIX_H */
