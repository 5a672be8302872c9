// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlbctl's commands: a table of words, how many arguments follow, which
 * request they make, and how its answer is shown.
 */
#include <curl/curl.h>
#include <getopt.h>
#include <string.h>

#include "config.h"
#include "model.h"
#include "nlbctl.h"
#include "sbuf.h"
#include "state.h"

struct command {
	const char *name, *args, *help;
	int n_args;
	const char *method;
	/* Arguments in order where {} stands. */
	const char *path;
	const char *body; /* NULL: none */
	void (*print)(struct json_object *o, FILE *out);
};

/* Places among the arguments, in every command that has them. */
#define ARG_VIP	     0
#define ARG_PORT     2

#define BACKEND_PATH "/v1/vips/{}/ports/{}/{}/backends"

static const struct command commands[] = {
	{"status", "", "the node at a glance", 0, "GET", "/v1/status", NULL, nlbctl_print_status},
	{"vips", "", "all VIPs", 0, "GET", "/v1/vips", NULL, nlbctl_print_vips},
	{"vip", "VIP", "one VIP with its services and backends", 1, "GET", "/v1/vips/{}", NULL,
	 nlbctl_print_vip},
	{"backends", "VIP PROTO PORT", "the backends of one service", 3, "GET", BACKEND_PATH, NULL,
	 nlbctl_print_backends},
	{"enable", "VIP PROTO PORT BACKEND", "set a backend's admin to up", 4, "PATCH",
	 BACKEND_PATH "/{}", "{\"admin\":\"up\"}", nlbctl_print_ok},
	{"drain", "VIP PROTO PORT BACKEND", "take it out, as one that drains", 4, "PATCH",
	 BACKEND_PATH "/{}", "{\"admin\":\"drain\"}", nlbctl_print_ok},
	{"disable", "VIP PROTO PORT BACKEND", "take it out", 4, "PATCH", BACKEND_PATH "/{}",
	 "{\"admin\":\"down\"}", nlbctl_print_ok},
	{"reset", "VIP PROTO PORT BACKEND", "back to what the scheduler says", 4, "PATCH",
	 BACKEND_PATH "/{}", "{\"admin\":null}", nlbctl_print_ok},
	{"stats", "", "packet counters", 0, "GET", "/v1/stats", NULL, nlbctl_print_stats},
	{"accept", "", "apply the VIP list that is held back", 0, "POST", "/v1/sync/accept", "{}",
	 nlbctl_print_ok},
};

static int usage(FILE *out)
{
	fputs("usage: nlbctl [-s SOCKET] [--json] COMMAND\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-8s %-22s  %s\n", commands[i].name, commands[i].args,
			commands[i].help);
	fputs("  vip      set FILE|-              configure a local VIP; get, delete ADDRESS\n"
	      "  backends FILE|-                 change backends of many services at once\n",
	      out);
	fputs("  route    SRC:PORT VIP:PORT/PROTO  where that packet would go; -h for more\n"
	      "  maps [check]                    usage of the maps; check and repair them\n"
	      "  health   [VIP [PORT]]           does the agent work (exit status 0), and its checks\n"
	      "  health   release                verdicts that are held count from now on\n"
	      "  capture                         packets that pass, to the screen or a file; -h\n",
	      out);
	fprintf(out, "  %-8s %-18s  %s\n", "check-config", "FILE...",
		"check agent.conf and VIP lists (*.json)");
	return 2;
}

/* A VIP's length and the port "any" are taken as the tables show them. */
static const char *argument(size_t i, const char *arg, char buf[static ADDR_STRLEN])
{
	struct addr a;
	uint8_t plen;

	if (i == ARG_VIP && strchr(arg, '/') && addr_prefix_parse(arg, &a, &plen) == 0)
		return addr_str(&a, buf);
	return i == ARG_PORT && strcmp(arg, "any") == 0 ? "0" : arg;
}

/* The command's path with each {} replaced; -EINVAL for an argument with a slash. */
static int make_path(const struct command *cmd, char **args, struct sbuf *path)
{
	char buf[ADDR_STRLEN];
	size_t i = 0;

	for (const char *p = cmd->path; *p;) {
		const char *arg;

		if (strncmp(p, "{}", 2) != 0) {
			sbuf_add(path, p++, 1);
			continue;
		}
		arg = argument(i, args[i], buf);
		if (!arg[0] || strpbrk(arg, "/?#% "))
			return -EINVAL;
		sbuf_puts(path, arg);
		i++;
		p += 2;
	}
	return sbuf_ok(path) ? 0 : -ENOMEM;
}

static int run_command(struct nlbctl *ctl, const struct command *cmd, char **args)
{
	_cleanup_sbuf_ struct sbuf path = SBUF_INIT;

	if (make_path(cmd, args, &path) < 0) {
		fputs("nlbctl: an argument is empty or holds one of / ? # % or a blank\n", stderr);
		return 2;
	}
	if (nlbctl_request(ctl, cmd->method, path.data, cmd->body) < 0)
		return 1;
	return nlbctl_show(ctl, cmd->print);
}

/* ---- check-config ---- */

static int check_vips(const char *path)
{
	_cleanup_free_ char *data = NULL;
	struct model *m;
	char err[256];
	size_t len;
	int r;

	r = state_read(path, MODEL_DOCUMENT_MAX, &data, &len);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
		return 1;
	}
	if (model_parse(data, len, &m, err, sizeof(err)) < 0) {
		fprintf(stderr, "%s: %s\n", path, err);
		return 1;
	}
	for (size_t i = 0; i < m->n_refusals; i++)
		fprintf(stderr, "%s: VIP %s (id \"%s\"): %s\n", path, m->refusals[i].address,
			m->refusals[i].id, m->refusals[i].reason);
	r = m->n_refusals > 0;
	if (!r)
		printf("%s: ok, %zu VIPs\n", path, m->n_vips);
	model_free(m);
	return r;
}

static int check_config(char **paths, int n)
{
	struct config cfg;
	int status = 0;
	char err[1024];

	for (int i = 0; i < n; i++) {
		size_t len = strlen(paths[i]);

		if (len > 5 && strcmp(paths[i] + len - 5, ".json") == 0) {
			status |= check_vips(paths[i]);
		} else if (config_load(paths[i], &cfg, err, sizeof(err)) < 0) {
			fprintf(stderr, "%s\n", err);
			status = 1;
		} else {
			printf("%s: ok\n", paths[i]);
		}
	}
	return status;
}

/* Takes the options in front of a command, or, with all, those behind it too. 0, or -1: usage. */
static int take_options(struct nlbctl *ctl, int argc, char **argv, bool all)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int opt;

	/* 0 and not 1: argv is another one than last time. */
	optind = 0;
	while ((opt = getopt_long(argc, argv, all ? "s:jh" : "+s:jh", options, NULL)) != -1) {
		if (opt == 's')
			ctl->socket = optarg;
		else if (opt == 'j')
			ctl->json = true;
		else if (opt == 'h')
			ctl->help = true;
		else
			return -1;
	}
	return 0;
}

static int run_line(struct nlbctl *ctl, int argc, char **argv)
{
	if (strcmp(argv[0], "route") == 0)
		return nlbctl_route(ctl, argc, argv);
	if (strcmp(argv[0], "capture") == 0)
		return nlbctl_capture(ctl, argc, argv);
	if (strcmp(argv[0], "maps") == 0)
		return nlbctl_maps(ctl, argc, argv);
	if (strcmp(argv[0], "health") == 0)
		return nlbctl_health(ctl, argc, argv);
	if (take_options(ctl, argc, argv, true) < 0)
		return usage(stderr);
	if (ctl->help) {
		usage(stdout);
		return 0;
	}
	if (strcmp(argv[0], "check-config") == 0)
		return argc > optind ? check_config(argv + optind, argc - optind) : usage(stderr);
	if (strcmp(argv[0], "vip") == 0 && argc - optind == 2) {
		int status = nlbctl_vip(ctl, argv + optind);

		return status < 0 ? usage(stderr) : status;
	}
	if (strcmp(argv[0], "backends") == 0 && argc - optind == 1)
		return nlbctl_batch(ctl, argv[optind]);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, argv[0]) == 0 && commands[i].n_args == argc - optind)
			return run_command(ctl, &commands[i], argv + optind);
	return usage(stderr);
}

int nlbctl_run(int argc, char **argv)
{
	struct nlbctl ctl = {.socket = NLBCTL_SOCKET};
	int r;

	if (take_options(&ctl, argc, argv, false) < 0)
		return usage(stderr);
	if (ctl.help) {
		usage(stdout);
		return 0;
	}
	if (optind == argc)
		return usage(stderr);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	r = run_line(&ctl, argc - optind, argv + optind);
	sbuf_done(&ctl.answer);
	curl_global_cleanup();
	return r;
}
