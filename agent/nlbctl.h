/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nlbctl: the operator's hand on the agent, over the local API. nlbctl.c knows
 * the commands, of which nlbctl_route.c, nlbctl_capture.c, nlbctl_maps.c and nlbctl_health.c have some with
 * options or words of their own, and nlbctl_config.c those that send a document; nlbctl_http.c speaks HTTP; nlbctl_print.c and
 * nlbctl_table.c make tables for people.
 */
#ifndef NLB_AGENT_NLBCTL_H
#define NLB_AGENT_NLBCTL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

#include "sbuf.h"

#define NLBCTL_SOCKET "/run/nlb/agent.sock"

/* Exit status: 0, 1 (the agent refused, or does not answer), 2 (usage). */
int nlbctl_run(int argc, char **argv);

struct nlbctl {
	const char *socket;
	bool json; /* answers are printed as they are */
	bool help;
	struct sbuf answer; /* of the last request */
	long status;	    /* its HTTP status */
};

/*
 * One request; body may be NULL. 0: there is an answer, of whatever status; -EIO after
 * a message to the user.
 */
int nlbctl_request(struct nlbctl *ctl, const char *method, const char *path, const char *body);

/* The answer as JSON; NULL after a message: it is none, or is an error of the agent's. */
struct json_object *nlbctl_answer(const struct nlbctl *ctl);

/* Prints the answer, by `print` or raw, or the error that it is. The exit status. */
int nlbctl_show(const struct nlbctl *ctl, void (*print)(struct json_object *o, FILE *out));

/* Commands with options; argv[0] is the command. The exit status. */
int nlbctl_route(struct nlbctl *ctl, int argc, char **argv);
int nlbctl_capture(struct nlbctl *ctl, int argc, char **argv);

/* "vip set FILE", "vip get|delete ADDR"; -1: it is another word. */
int nlbctl_vip(struct nlbctl *ctl, char **argv);
int nlbctl_batch(struct nlbctl *ctl, const char *file);

/* "maps check": 0: nothing was found; 1: and repaired; 2: not all could be, or no answer. */
int nlbctl_maps(struct nlbctl *ctl, int argc, char **argv);

/* "health [VIP [PORT]]", "health release". */
int nlbctl_health(struct nlbctl *ctl, int argc, char **argv);

/* Each prints one answer of the API as text. */
void nlbctl_print_status(struct json_object *o, FILE *out);
void nlbctl_print_vips(struct json_object *o, FILE *out);
void nlbctl_print_vip(struct json_object *o, FILE *out);
void nlbctl_print_backends(struct json_object *o, FILE *out);
void nlbctl_print_stats(struct json_object *o, FILE *out);
void nlbctl_print_route(struct json_object *o, FILE *out);
void nlbctl_print_ok(struct json_object *o, FILE *out);
void nlbctl_print_batch(struct json_object *o, FILE *out);

#endif
