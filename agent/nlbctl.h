/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nlbctl: the operator's hand on the agent, over the local API. nlbctl.c knows
 * the commands and speaks HTTP; nlbctl_print.c makes tables for people.
 */
#ifndef NLB_AGENT_NLBCTL_H
#define NLB_AGENT_NLBCTL_H

#include <json-c/json.h>
#include <stdio.h>

#define NLBCTL_SOCKET "/run/nlb/agent.sock"

/* Exit status: 0, 1 (the agent refused, or does not answer), 2 (usage). */
int nlbctl_run(int argc, char **argv);

/* Each prints one answer of the API as text. */
void nlbctl_print_status(struct json_object *o, FILE *out);
void nlbctl_print_vips(struct json_object *o, FILE *out);
void nlbctl_print_vip(struct json_object *o, FILE *out);
void nlbctl_print_backends(struct json_object *o, FILE *out);
void nlbctl_print_stats(struct json_object *o, FILE *out);
void nlbctl_print_health(struct json_object *o, FILE *out);
void nlbctl_print_ok(struct json_object *o, FILE *out);

#endif
