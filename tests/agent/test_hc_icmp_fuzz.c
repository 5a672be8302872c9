// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replays the corpus of tests/fuzz/fuzz_hc_icmp.c: every cut of each seed, every value of
 * every byte, and 2,000 mutations; the entry aborts when something is wrong. The
 * seeds that are replies are taken for what they are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz_corpus.h"

#include "../fuzz/fuzz_hc_icmp.c"

#define MUTATIONS 2000

static unsigned int n_replies;

static void torture(uint8_t *data, size_t len)
{
	struct hc_icmp_echo e;

	n_replies += len && hc_icmp_parse(data[0] & 1, !(data[0] & 1) && data[0] & 2, data + 1,
					  len - 1, &e) == 0;
	for (size_t cut = 0; cut <= len; cut++)
		fuzz_corpus_feed(LLVMFuzzerTestOneInput, data, cut);
	for (size_t i = 0; i < len; i++) {
		uint8_t was = data[i];

		for (unsigned int v = 0; v < 256; v++) {
			data[i] = (uint8_t)v;
			LLVMFuzzerTestOneInput(data, len);
		}
		data[i] = was;
	}
	for (unsigned int i = 0; len && i < MUTATIONS; i++) {
		data[(size_t)rand() % len] = (uint8_t)rand();
		LLVMFuzzerTestOneInput(data, len);
	}
}

static void test_corpus(void **state)
{
	(void)state;
	fuzz_corpus_replay("tests/fuzz/corpus/hc_icmp", 8, torture);
	assert_int_equal(n_replies, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests_name("hc_icmp_fuzz", tests, NULL, NULL);
}
