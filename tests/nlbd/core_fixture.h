/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fixture for tests of nlbd's core.
 *
 * fixture_setup()/fixture_teardown() give each test a configured core of its own, with a pool
 * 192.0.2.0/24 and 2001:db8::/32, zebra connected and the data plane ok, without VIPs.
 * say_vip() is a "vip" of the agent, set() a whole sync. drain() plays nlb_zebra.c: it takes all
 * route work, writes it down as "+192.0.2.1 -192.0.2.2", and answers as a zebra that agrees.
 * reports() plays nlb_session.c: "192.0.2.1=installed 192.0.2.2=withdrawn".
 * Both return a buffer that the next call overwrites.
 */
#ifndef TESTS_NLBD_CORE_FIXTURE_H
#define TESTS_NLBD_CORE_FIXTURE_H

#include <zebra.h>

#include <setjmp.h>
#include <cmocka.h>

#include "nlbd/nlb.h"
#include "nlbd/nlb_prefix.h"

extern struct nlb core;
extern unsigned int routes_queued; /* calls of the hooks */
extern unsigned int reports_queued;

extern int fixture_setup(void **state);
extern int fixture_teardown(void **state);

extern struct ipaddr addr(const char *text);
extern struct prefix prefix(const char *text);

/* Addresses below may be prefixes. One "vip" message: enabled of 3 backends, ready or not, tag. */
extern void say_vip(const char *address, uint32_t enabled, bool ready, route_tag_t tag);
/* A whole sync of ready VIPs with 2 of 3 backends; the last argument is NULL. */
extern void set(const char *address, ...);

extern const char *drain(void);
extern const char *drain_unanswered(void);
extern const char *reports(void);

/* "state/reason" of a VIP, or "none". */
extern const char *vip_is(const char *address);

#endif /* TESTS_NLBD_CORE_FIXTURE_H */
