// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Models from readable JSON; the header is the manual. Every text is parsed
 * against a guard page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "guard.h"
#include "model_fixture.h"
#include "util.h"

static char reason[256];

static int parse(const char *json, struct model **ret)
{
	size_t len = strlen(json);
	char *in = guard_copy(json, len);
	int r;

	for (size_t i = 0; i < len; i++)
		if (in[i] == '\'')
			in[i] = '"';
	r = model_parse(in, len, ret, reason, sizeof(reason));
	guard_free(in, len);
	return r;
}

struct model *model_fx(const char *json)
{
	struct model *m = NULL;

	if (parse(json, &m) < 0)
		fail_msg("refused: %s", reason);
	return m;
}

const char *model_fx_err(const char *json)
{
	struct model *m = (struct model *)reason;

	assert_int_equal(parse(json, &m), -EINVAL);
	assert_ptr_equal(m, reason);
	assert_true(reason[0] != '\0');
	return reason;
}

const char *model_fx_refusal(const char *vip)
{
	char doc[8192];
	struct model *m;

	assert_true((size_t)snprintf(doc, sizeof(doc), "{'vips':[%s]}", vip) < sizeof(doc));
	m = model_fx(doc);
	assert_int_equal(m->n_vips, 0);
	assert_int_equal(m->n_refusals, 1);
	assert_true(m->refusals[0].reason[0] != '\0');
	snprintf(reason, sizeof(reason), "%s", m->refusals[0].reason);
	model_free(m);
	return reason;
}
