/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that ends where the page ends: behind it lies a page that may not be
 * touched, so a parser that reads one byte too far dies at once, with or
 * without a sanitizer.
 *
 *	uint8_t *in = guard_copy("abc", 3);
 *	... parse(in, 3) ...
 *	guard_free(in, 3);
 */
#ifndef NLB_TESTS_GUARD_H
#define NLB_TESTS_GUARD_H

#include <stddef.h>

/* A copy of len bytes that ends at the guard page. Never NULL: it aborts instead. */
void *guard_copy(const void *data, size_t len);
void guard_free(void *p, size_t len);

#endif
