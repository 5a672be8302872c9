// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzz entry of the VIP list's parser. What it accepts must be within the
 * limits and sorted, and must be the same again after writing and parsing it;
 * what it refuses must have a reason.
 *
 *	clang -g -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iagent -I. \
 *		tests/fuzz/fuzz_model.c agent/model*.c agent/jget.c agent/jput.c agent/addr.c -ljson-c -lunistring
 *
 * tests/agent/test_model_fuzz.c replays the corpus, and runs without a fuzzer.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool so)
{
	if (!so)
		abort();
}

static void check_port(const struct model_port *p)
{
	must(p->ring_size > p->n_backends && p->ring_size <= MODEL_RING_MAX);
	must(p->n_backends <= MODEL_BACKENDS_MAX && p->health.n_checks <= MODEL_CHECKS_MAX);
	must(p->health.timeout_ms && p->health.timeout_ms <= p->health.interval_ms);
	must(p->health.rise && p->health.fall && p->health.at_least <= p->health.n_checks);
	must(!p->quic_len || (p->protocol == IPPROTO_UDP && p->quic_len <= NLB_QUIC_ID_MAX));
	must(p->quic_config <= 6);
	for (size_t i = 0; i < p->n_backends; i++) {
		must(p->backends[i].weight <= MODEL_WEIGHT_MAX);
		must(!i || addr_cmp(&p->backends[i - 1].addr, &p->backends[i].addr) < 0);
		for (size_t j = p->quic_len; j < NLB_QUIC_ID_MAX; j++)
			must(!p->backends[i].quic_id[j]);
	}
	for (size_t i = 0; i < p->health.n_checks; i++) {
		const struct model_check *c = &p->health.checks[i];

		must(c->method && c->path && c->host && c->body && c->sni && c->device);
		must(c->payload && c->payload_len <= MODEL_STRING_MAX && c->dscp < 64);
		must(!c->body[c->body_len] && !c->payload[c->payload_len]);
		must(strlen(c->device) < MSG_IFNAME_LEN && !strpbrk(c->device, "\r\n /"));
		must(!strpbrk(c->method, "\r\n ") && !strpbrk(c->path, "\r\n "));
		must(!strpbrk(c->host, "\r\n ") && !strpbrk(c->sni, "\r\n "));
		must(model_check_pace(&p->health, c).timeout_ms <=
		     model_check_pace(&p->health, c).interval_ms);
		must(c->n_status <= MSG_HC_STATUS_RANGES);
		must(c->port || c->type == MSG_HC_ICMP);
	}
}

static void check_model(const struct model *m)
{
	must(m->n_vips + m->n_refusals <= MODEL_VIPS_MAX);
	for (size_t i = 0; i < m->n_vips; i++) {
		const struct model_vip *v = &m->vips[i];

		must(addr_is_host(&v->addr) && memchr(v->id, 0, sizeof(v->id)));
		must(v->plen <= ADDR_PLEN_HOST && addr_is_prefix(&v->addr, v->plen));
		must(v->plen >= (addr_is_v4(&v->addr) ? 104 : 16));
		must(!i || addr_cmp(&m->vips[i - 1].addr, &v->addr) < 0);
		must(v->n_ports <= MODEL_PORTS_MAX && (v->n_ports || v->deletion));
		for (size_t j = 0; j < v->n_ports; j++)
			check_port(&v->ports[j]);
	}
	for (size_t i = 0; i < m->n_refusals; i++)
		must(m->refusals[i].reason[0] != '\0');
}

static char *written(const struct model *m, size_t *ret_len)
{
	struct jput_doc doc = JPUT_INIT;
	char *text;

	model_write(m, jput_begin(&doc));
	text = jput_text(&doc, ret_len);
	must(text);
	jput_done(&doc);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t x_len, y_len;
	char *x, *y;
	struct model *m = NULL, *n = NULL;
	char err[256];

	if (model_parse((const char *)data, size, &m, err, sizeof(err)) < 0) {
		must(err[0] != '\0');
		return 0;
	}
	check_model(m);
	x = written(m, &x_len);
	must(model_parse(x, x_len, &n, err, sizeof(err)) == 0);
	must(n->n_refusals == 0);
	check_model(n);
	y = written(n, &y_len);
	must(x_len == y_len && memcmp(x, y, x_len) == 0);
	free(x);
	free(y);
	model_free(m);
	model_free(n);
	return 0;
}
