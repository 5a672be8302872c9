// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlbctl's commands: a table of words, how many arguments follow, which
 * request they make, and how its answer is shown.
 */
#include <curl/curl.h>
#include <getopt.h>
#include <string.h>

#include "config.h"
#include "jget.h"
#include "model.h"
#include "nlbctl.h"
#include "sbuf.h"
#include "state.h"

#define ANSWER_MAX (256u << 20)

struct nlbctl {
	const char *socket;
	bool json;
	struct sbuf answer;
	long status;
	char error[CURL_ERROR_SIZE];
};

struct command {
	const char *name, *args, *help;
	int n_args;
	const char *method;
	/* Arguments in order where {} stands. */
	const char *path;
	const char *body; /* NULL: none */
	void (*print)(struct json_object *o, FILE *out);
};

#define BACKEND_PATH "/v1/vips/{}/ports/{}/{}/backends"

static const struct command commands[] = {
	{"status", "", "the node at a glance", 0, "GET", "/v1/status", NULL, nlbctl_print_status},
	{"vips", "", "all VIPs", 0, "GET", "/v1/vips", NULL, nlbctl_print_vips},
	{"vip", "VIP", "one VIP with its services and backends", 1, "GET", "/v1/vips/{}", NULL,
	 nlbctl_print_vip},
	{"backends", "VIP PROTO PORT", "the backends of one service", 3, "GET", BACKEND_PATH, NULL,
	 nlbctl_print_backends},
	{"enable", "VIP PROTO PORT BACKEND", "force a backend to admin up", 4, "PUT",
	 BACKEND_PATH "/{}", "{\"admin\":\"up\"}", nlbctl_print_ok},
	{"drain", "VIP PROTO PORT BACKEND", "take it out, as one that drains", 4, "PUT",
	 BACKEND_PATH "/{}", "{\"admin\":\"drain\"}", nlbctl_print_ok},
	{"disable", "VIP PROTO PORT BACKEND", "take it out", 4, "PUT", BACKEND_PATH "/{}",
	 "{\"admin\":\"down\"}", nlbctl_print_ok},
	{"reset", "VIP PROTO PORT BACKEND", "back to what the scheduler says", 4, "DELETE",
	 BACKEND_PATH "/{}", NULL, nlbctl_print_ok},
	{"stats", "", "packet counters", 0, "GET", "/v1/stats", NULL, nlbctl_print_stats},
	{"health", "", "exit status 0 when the agent works", 0, "GET", "/v1/health", NULL,
	 nlbctl_print_health},
	{"accept", "", "apply the VIP list that is held back", 0, "POST", "/v1/sync/accept", "{}",
	 nlbctl_print_ok},
};

static int usage(FILE *out)
{
	fputs("usage: nlbctl [-s SOCKET] [--json] COMMAND\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-8s %-22s  %s\n", commands[i].name, commands[i].args,
			commands[i].help);
	fprintf(out, "  %-8s %-18s  %s\n", "check-config", "FILE...",
		"check agent.conf and VIP lists (*.json)");
	return 2;
}

/* ---- HTTP ---- */

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
	struct nlbctl *ctl = user;

	if (ctl->answer.len + size * n > ANSWER_MAX)
		return 0;
	sbuf_add(&ctl->answer, data, size * n);
	return sbuf_ok(&ctl->answer) ? size * n : 0;
}

static CURLcode request(struct nlbctl *ctl, const char *method, const char *path, const char *body)
{
	_cleanup_sbuf_ struct sbuf url = SBUF_INIT;
	struct curl_slist *headers = NULL;
	CURL *e = curl_easy_init();
	CURLcode code;

	sbuf_printf(&url, "http://agent%s", path);
	headers = curl_slist_append(headers, "Content-Type: application/json");
	if (!e || !headers || !sbuf_ok(&url)) {
		curl_slist_free_all(headers);
		return CURLE_OUT_OF_MEMORY;
	}
	curl_easy_setopt(e, CURLOPT_URL, url.data);
	curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, ctl->socket);
	curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
	if (body)
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(e, CURLOPT_TIMEOUT, 15L);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, ctl->error);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, ctl);
	code = curl_easy_perform(e);
	curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &ctl->status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(e);
	return code;
}

/* The command's path with each {} replaced; -EINVAL for an argument with a slash. */
static int make_path(const struct command *cmd, char **args, struct sbuf *path)
{
	for (const char *p = cmd->path; *p;) {
		if (strncmp(p, "{}", 2) != 0) {
			sbuf_add(path, p++, 1);
			continue;
		}
		if (!(*args)[0] || strpbrk(*args, "/?#% "))
			return -EINVAL;
		sbuf_puts(path, *args++);
		p += 2;
	}
	return sbuf_ok(path) ? 0 : -ENOMEM;
}

static int show(struct nlbctl *ctl, const struct command *cmd)
{
	_cleanup_json_ struct json_object *o = NULL;
	const char *error = NULL;

	if (ctl->json) {
		fputs(ctl->answer.data ? ctl->answer.data : "", stdout);
		return ctl->status < 300 ? 0 : 1;
	}
	if (!ctl->answer.data || jget_parse(ctl->answer.data, ctl->answer.len, &o, NULL) < 0 ||
	    !o) {
		fprintf(stderr, "nlbctl: the agent's answer (status %ld) is no JSON\n",
			ctl->status);
		return 1;
	}
	if (ctl->status < 300) {
		cmd->print(o, stdout);
		return 0;
	}
	if (jget_str(o, "error", 4096, &error, NULL) == 0 && error)
		fprintf(stderr, "nlbctl: %s\n", error);
	else
		cmd->print(o, stderr);
	return 1;
}

static int run_command(struct nlbctl *ctl, const struct command *cmd, char **args)
{
	_cleanup_sbuf_ struct sbuf path = SBUF_INIT;
	CURLcode code;
	int r;

	if (make_path(cmd, args, &path) < 0) {
		fputs("nlbctl: an argument is empty or holds one of / ? # % or a blank\n", stderr);
		return 2;
	}
	code = request(ctl, cmd->method, path.data, cmd->body);
	if (code != CURLE_OK) {
		fprintf(stderr, "nlbctl: no answer from the agent at %s: %s\n", ctl->socket,
			ctl->error[0] ? ctl->error : curl_easy_strerror(code));
		r = 1;
	} else {
		r = show(ctl, cmd);
	}
	sbuf_done(&ctl->answer);
	return r;
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

int nlbctl_run(int argc, char **argv)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct nlbctl ctl = {.socket = NLBCTL_SOCKET};
	int opt, r;

	while ((opt = getopt_long(argc, argv, "s:jh", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			ctl.socket = optarg;
			break;
		case 'j':
			ctl.json = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			return usage(stderr);
		}
	}
	if (optind == argc)
		return usage(stderr);
	argv += optind + 1;
	argc -= optind + 1;
	if (strcmp(argv[-1], "check-config") == 0)
		return argc ? check_config(argv, argc) : usage(stderr);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, argv[-1]) != 0)
			continue;
		if (commands[i].n_args != argc)
			return usage(stderr);
		curl_global_init(CURL_GLOBAL_DEFAULT);
		r = run_command(&ctl, &commands[i], argv);
		curl_global_cleanup();
		return r;
	}
	return usage(stderr);
}
