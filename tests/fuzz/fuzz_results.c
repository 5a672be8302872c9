// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzz entry of the parser of results files. What it accepts must have printable
 * reasons and be the same again after it was written as lines; what it refuses
 * must have a reason.
 *
 * tests/agent/test_results_fuzz.c replays the corpus, and runs without a fuzzer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "results_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool so)
{
	if (!so)
		abort();
}

static size_t write_line(const struct core_result *r, char *buf, size_t len)
{
	char vip[ADDR_STRLEN], backend[ADDR_STRLEN];
	int n = snprintf(buf, len, "%s %s %u %s %s %s\n", addr_str(&r->key.vip, vip),
			 model_protocol_str(r->key.protocol), r->key.port,
			 addr_str(&r->key.backend, backend), r->down ? "down" : "up", r->reason);

	must(n > 0 && (size_t)n < len);
	return (size_t)n;
}

static void check_reason(const struct core_result *r)
{
	const char *end = memchr(r->reason, '\0', sizeof(r->reason));

	must(end);
	for (const char *p = r->reason; p < end; p++)
		must((unsigned char)*p >= 0x20 && *p != 0x7f && *p != '"');
}

/* Two lists from one text: the same, but for blanks at the ends of a reason. */
static void check_again(const struct results_list *l)
{
	size_t room = l->n * 256 + 1, len = 0;
	struct results_list again = {};
	char *text = malloc(room), err[160];

	must(text);
	text[0] = '\0';
	for (size_t i = 0; i < l->n; i++)
		len += write_line(&l->r[i], text + len, room - len);
	must(results_file_parse(&again, text, len, err, sizeof(err)) == 0);
	must(again.n == l->n);
	for (size_t i = 0; i < l->n; i++)
		must(memcmp(&again.r[i].key, &l->r[i].key, sizeof(l->r[i].key)) == 0 &&
		     again.r[i].down == l->r[i].down);
	results_list_done(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct results_list l = {};
	char *text = malloc(size + 1), err[160];

	must(text);
	memcpy(text, data, size);
	text[size] = '\0';
	if (results_file_parse(&l, text, size, err, sizeof(err)) < 0) {
		must(err[0] != '\0');
	} else {
		for (size_t i = 0; i < l.n; i++)
			check_reason(&l.r[i]);
		check_again(&l);
	}
	results_list_done(&l);
	free(text);
	return 0;
}
