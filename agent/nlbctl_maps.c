// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlbctl maps: how full the maps are, and what checks found; nlbctl maps check: one more,
 * with what it found as exit status.
 */
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "jget.h"
#include "nlbctl.h"
#include "util.h"

static int usage(FILE *out)
{
	fputs("usage: nlbctl maps [--json]        what of the maps' room is taken\n"
	      "       nlbctl maps check [--json]  check the maps and repair what is wrong\n"
	      "  Exit status of a check: 0: nothing was wrong; 1: it was, and is repaired;\n"
	      "  2: not all could be repaired, or the agent does not answer.\n",
	      out);
	return out == stdout ? 0 : 2;
}

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *v;

	return o && json_object_object_get_ex(o, key, &v) ? v : NULL;
}

static int64_t number(struct json_object *o, const char *key)
{
	return json_object_get_int64(get(o, key));
}

static double mib(struct json_object *o, const char *key)
{
	return (double)number(o, key) / (1 << 20);
}

static void print_report(struct json_object *o, FILE *out)
{
	fprintf(out,
		"%" PRId64 " looked at, %" PRId64 " wrong, %" PRId64 " repaired, %" PRId64
		" not, in %" PRId64 " ms\n",
		number(o, "looked"), number(o, "found"), number(o, "repaired"), number(o, "failed"),
		number(o, "took_us") / 1000);
	if (!number(o, "found") || !get(o, "kinds"))
		return;
	json_object_object_foreach (get(o, "kinds"), kind, n) {
		if (number(n, "found"))
			fprintf(out, "  %-10s %" PRId64 " wrong, %" PRId64 " repaired\n", kind,
				number(n, "found"), number(n, "repaired"));
	}
}

static void print_maps(struct json_object *o, FILE *out)
{
	struct json_object *all = get(o, "usage"), *memory = get(o, "memory");
	struct json_object *check = get(o, "check");

	fprintf(out, "%-12s %12s %12s %12s %5s %9s\n", "", "USED", "RETIRED", "MAX", "%", "MIB");
	if (all) {
		json_object_object_foreach (all, kind, n) {
			int64_t used = number(n, "used"), max = number(n, "max");

			fprintf(out, "%-12s", kind);
			if (get(n, "max"))
				fprintf(out, " %12" PRId64 " %12" PRId64 " %12" PRId64 " %5" PRId64,
					used, number(n, "retired"), max,
					max ? used * 100 / max : 0);
			else
				fprintf(out, " %12s %12s %12s %5s", "", "", "", "");
			fprintf(out, " %9.1f\n", mib(n, "bytes"));
		}
	}
	fprintf(out,
		"\nmaps %.1f MiB; maps child %.1f MiB (%.1f of it the maps'), parent %.1f MiB\n",
		mib(memory, "maps"), mib(memory, "maps_process"),
		mib(memory, "maps_process_shared"), mib(memory, "parent_process"));
	fprintf(out, "checks: %" PRId64, number(check, "runs"));
	if (get(check, "last")) {
		fprintf(out, ", the last %" PRId64 " s ago: ", number(get(check, "last"), "age_s"));
		print_report(get(check, "last"), out);
		fputs("all checks: ", out);
		print_report(get(check, "total"), out);
	} else {
		fputs("\n", out);
	}
}

static int run_check(struct nlbctl *ctl)
{
	_cleanup_json_ struct json_object *o = NULL;

	if (nlbctl_request(ctl, "POST", "/v1/maps/check", "{}") < 0)
		return 2;
	o = nlbctl_answer(ctl);
	if (!o)
		return 2;
	if (ctl->json)
		fputs(ctl->answer.data, stdout);
	else
		print_report(o, stdout);
	if (number(o, "failed"))
		return 2;
	return number(o, "found") ? 1 : 0;
}

int nlbctl_maps(struct nlbctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
		if (opt != 'j')
			return usage(opt == 'h' ? stdout : stderr);
		ctl->json = true;
	}
	if (argc - optind == 1 && strcmp(argv[optind], "check") == 0)
		return run_check(ctl);
	if (argc != optind)
		return usage(stderr);
	if (nlbctl_request(ctl, "GET", "/v1/maps", NULL) < 0)
		return 1;
	return nlbctl_show(ctl, print_maps);
}
