/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replaying a fuzzer's corpus in a unit test: the seeds of tests/fuzz/corpus/
 * as they are, and whatever the test makes of each. Runs in the top of the tree.
 */
#ifndef NLB_TESTS_FUZZ_CORPUS_H
#define NLB_TESTS_FUZZ_CORPUS_H

#include <stddef.h>
#include <stdint.h>

/* One input for the fuzzer's entry, with a guard page behind its last byte. */
void fuzz_corpus_feed(int (*entry)(const uint8_t *data, size_t len), const uint8_t *data,
		      size_t len);

/*
 * Every cut of a seed for a parser of text, and a thousand mutations of one byte, half of
 * them to one that means something in JSON. data is changed.
 */
void fuzz_corpus_spoil_text(int (*entry)(const uint8_t *data, size_t len), uint8_t *data,
			    size_t len);

/* Calls torture with each seed, which it may change; there must be min_seeds at least. */
void fuzz_corpus_replay(const char *dir, unsigned int min_seeds,
			void (*torture)(uint8_t *data, size_t len));

#endif
