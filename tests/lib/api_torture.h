/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random requests to the local API: valid bodies of all operations, whose JSON is changed
 * here and there. After each one must hold:
 *
 *  - an error has changed nothing of any VIP's configuration, and has its words;
 *  - what PUT or PATCH took is shown by GET ...?view=config, and PUT of that changes nothing;
 *  - the core's own checks (core_fixture.h), and those of ASan and UBSan.
 */
#ifndef NLB_TESTS_API_TORTURE_H
#define NLB_TESTS_API_TORTURE_H

#include "api_fixture.h"
#include "rnd.h"

/* How many requests got which answer. */
struct api_torture {
	struct rnd rnd;
	unsigned long requests, good, refused;
	unsigned long by_method[API_METHODS]; /* good ones */
};

/* One request; fails the test when something does not hold. */
void api_torture_once(struct api_torture *t, struct api_fx *fx);

#endif
