// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlbctl's commands that send a document: local VIPs, and changes of the backends of
 * many services. A document comes from a file or from standard input.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "jget.h"
#include "nlbctl.h"

#define DOCUMENT_MAX (16u << 20)

static void fclosep(FILE **f)
{
	if (*f && *f != stdin)
		fclose(*f);
}

/* 0, or -errno after a message. */
static int read_document(const char *path, struct sbuf *ret)
{
	_cleanup_(fclosep) FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char part[65536];
	size_t n;
	int r = 0;

	while (f && (n = fread(part, 1, sizeof(part), f)) > 0 && ret->len <= DOCUMENT_MAX)
		sbuf_add(ret, part, n);
	if (!f || ferror(f))
		r = errno ? -errno : -EIO;
	else if (ret->len > DOCUMENT_MAX)
		r = -EFBIG;
	else if (!sbuf_ok(ret))
		r = -ENOMEM;
	if (r < 0)
		fprintf(stderr, "nlbctl: %s: %s\n", path, strerror(-r));
	return r;
}

/* "/v1/vips/ADDR"; the length of a prefix is left out. -EINVAL after a message. */
static int vip_path(const char *text, const char *more, struct sbuf *ret)
{
	char buf[ADDR_STRLEN];
	struct addr a;
	uint8_t plen;

	if (addr_prefix_parse(text, &a, &plen) < 0) {
		fprintf(stderr, "nlbctl: %s is no address\n", text);
		return -EINVAL;
	}
	sbuf_printf(ret, "/v1/vips/%s%s", addr_str(&a, buf), more);
	return sbuf_ok(ret) ? 0 : -ENOMEM;
}

/* The VIP that the document is about. 0, or -EINVAL after a message. */
static int path_of(const char *file, const struct sbuf *doc, struct sbuf *ret)
{
	_cleanup_json_ struct json_object *o = NULL;
	const char *address = NULL;
	char why[192] = "";
	struct jerr err = {.text = why, .len = sizeof(why)};

	if (jget_parse(doc->data ? doc->data : "", doc->len, &o, &err) == 0 &&
	    !json_object_is_type(o, json_type_object))
		jget_fail(&err, "a VIP must be an object");
	if (!why[0] && jget_str(o, "address", ADDR_STRLEN, &address, &err) == 0 && !address)
		jget_fail(&err, "address is missing");
	if (!why[0])
		return vip_path(address, "", ret);
	fprintf(stderr, "nlbctl: %s: %s\n", file, why);
	return -EINVAL;
}

static int vip_set(struct nlbctl *ctl, const char *file)
{
	_cleanup_sbuf_ struct sbuf doc = SBUF_INIT, path = SBUF_INIT;

	if (read_document(file, &doc) < 0 || path_of(file, &doc, &path) < 0 ||
	    nlbctl_request(ctl, "PUT", path.data, doc.data) < 0)
		return 1;
	return nlbctl_show(ctl, nlbctl_print_ok);
}

static void print_json(struct json_object *o, FILE *out)
{
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_NOSLASHESCAPE));
}

int nlbctl_vip(struct nlbctl *ctl, char **argv)
{
	_cleanup_sbuf_ struct sbuf path = SBUF_INIT;
	bool get = strcmp(argv[0], "get") == 0;

	if (strcmp(argv[0], "set") == 0)
		return vip_set(ctl, argv[1]);
	if (!get && strcmp(argv[0], "delete") != 0)
		return -1;
	if (vip_path(argv[1], get ? "?view=config" : "", &path) < 0)
		return 2;
	if (nlbctl_request(ctl, get ? "GET" : "DELETE", path.data, NULL) < 0)
		return 1;
	return nlbctl_show(ctl, get ? print_json : nlbctl_print_ok);
}

int nlbctl_batch(struct nlbctl *ctl, const char *file)
{
	_cleanup_sbuf_ struct sbuf doc = SBUF_INIT;

	if (read_document(file, &doc) < 0 ||
	    nlbctl_request(ctl, "POST", "/v1/backends", doc.data ? doc.data : "") < 0)
		return 1;
	return nlbctl_show(ctl, nlbctl_print_batch);
}
