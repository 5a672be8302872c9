/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing JSON, all that the agent says in it: to nlbd, to the scheduler, on
 * the local API and on disk. A document is built with json-c and then made
 * text. Errors are sticky: once there is no memory every call does nothing,
 * and the writer asks once, when it wants the text.
 */
#ifndef NLB_AGENT_JPUT_H
#define NLB_AGENT_JPUT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "util.h"

struct jput_doc {
	struct json_object *root;
	bool failed;
};

/* A place in a document: one of its objects or arrays. Passed by value. */
struct jput {
	struct json_object *at;
	bool *failed; /* the document's, which must stay where it is */
};

#define JPUT_INIT ((struct jput_doc){0})

/* Begins a new document, an object; what d held before is freed. */
struct jput jput_begin(struct jput_doc *d);
void jput_done(struct jput_doc *d);
#define _cleanup_jput_ _cleanup_(jput_done)

/* d becomes the document that src is now; neither is written to any more. */
void jput_share(struct jput_doc *d, const struct jput_doc *src);

/* The document as one line with its newline, for the caller to free; NULL: no memory. */
char *jput_text(const struct jput_doc *d, size_t *ret_len);

/*
 * Each adds one value: to an object under key, which is copied and not there
 * yet; to an array, with key NULL, at its end.
 */
struct jput jput_object(struct jput b, const char *key);
struct jput jput_array(struct jput b, const char *key);
void jput_u64(struct jput b, const char *key, uint64_t value);
void jput_bool(struct jput b, const char *key, bool value);
void jput_addr(struct jput b, const char *key, const struct addr *a);
void jput_prefix(struct jput b, const char *key, const struct addr *a, uint8_t plen);

/* Bytes that are not UTF-8 become U+FFFD. */
void jput_str(struct jput b, const char *key, const char *text);

#endif
