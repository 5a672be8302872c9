// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Property of the core: what the maps child was told last depends on what is true at the end
 * and on nothing else: not on the order in which VIP list, health results, results files and
 * overrides came, how they were cut into batches, or what was true in between.
 *
 * The truth is made first, at random. Then it is told in random order, with much that is not
 * true before it, and the core runs and its batches are answered at random moments. What the
 * truth amounts to is computed here from docs/agent.md ("Enabled"), by itself.
 *
 * NLB_SEED: where to begin; of a failure, it is printed.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core_fixture.h"
#include "rnd.h"

#define RUNS	 400
#define SERVICES 3u
#define POOL	 4u
#define FILES	 3u
#define NOISE	 40u
#define CHECK	 "'health':{'interval_ms':1000,'timeout_ms':500,'checks':[{'type':'tcp'}]}"

static const struct {
	const char *vip;
	uint16_t port;
} services[SERVICES] = {{"192.0.2.1", 80}, {"192.0.2.1", 81}, {"2001:db8::1", 80}};

static const char *const admins[] = {"up", "drain", "down"};

/* All that can be said about a backend of a service. */
struct fact {
	bool listed; /* by the scheduler, with: */
	uint8_t weight;
	enum model_admin admin;
	bool overridden;
	enum model_admin override;
};

struct truth {
	bool vip[2]; /* the scheduler has it */
	struct fact fact[SERVICES][POOL];
	enum msg_hc_state verdict[SERVICES][POOL];
	bool down[FILES][SERVICES][POOL]; /* so says this file */
};

static struct core_fx *fx;
static struct rnd rnd;
static uint64_t seed;
static unsigned int revision;

static bool chance(uint32_t of)
{
	return rnd_below(&rnd, of) == 0;
}

/* Each service has backends of its own, so that each has its own health. */
static void backend_of(size_t s, size_t b, char text[static ADDR_STRLEN])
{
	snprintf(text, ADDR_STRLEN, "10.0.%zu.%zu", s, b + 1);
}

static struct core_key key_of(size_t s, size_t b)
{
	struct core_key key = {.port = services[s].port, .protocol = IPPROTO_TCP};
	char text[ADDR_STRLEN];

	backend_of(s, b, text);
	assert_int_equal(addr_parse(services[s].vip, &key.vip), 0);
	assert_int_equal(addr_parse(text, &key.backend), 0);
	return key;
}

/* ---- the truth ---- */

static void make_truth(struct truth *t)
{
	*t = (struct truth){.vip = {!chance(8), true}};
	for (size_t s = 0; s < SERVICES; s++) {
		for (size_t b = 0; b < POOL; b++) {
			t->fact[s][b] = (struct fact){
				.listed = !chance(5),
				.weight = (uint8_t)rnd_below(&rnd, 4),
				.admin = chance(4) ? rnd_below(&rnd, 3) : MODEL_ADMIN_UP,
				.overridden = chance(4),
				.override = rnd_below(&rnd, 3),
			};
			t->verdict[s][b] = chance(3) ? MSG_HC_DOWN : MSG_HC_UP;
			for (size_t f = 0; f < FILES; f++)
				t->down[f][s][b] = chance(8);
		}
	}
}

/* The weight with which the backend is to be in the ring; 0: it drains; -1: it is not there. */
static int wanted(const struct truth *t, size_t s, size_t b)
{
	const struct fact *fact = &t->fact[s][b];
	enum model_admin admin = fact->overridden ? fact->override : fact->admin;
	bool down = t->verdict[s][b] == MSG_HC_DOWN;

	for (size_t f = 0; f < FILES; f++)
		down |= t->down[f][s][b];
	if (!t->vip[s / 2] || !fact->listed || admin == MODEL_ADMIN_DOWN || down)
		return -1;
	return admin == MODEL_ADMIN_DRAIN ? 0 : fact->weight;
}

/* ---- telling it ---- */

static void tell_list(const struct truth *t)
{
	char json[8192] = "{'revision':";
	const char *sep = "";
	size_t len;

#define ADD(...)                                                                                   \
	do {                                                                                       \
		len = strlen(json);                                                                \
		snprintf(json + len, sizeof(json) - len, __VA_ARGS__);                             \
	} while (0)
	ADD("%u,'vips':[", ++revision);
	for (size_t s = 0; s < SERVICES; s++) {
		const char *comma = "";

		if (!t->vip[s / 2])
			continue;
		if (s % 2 == 0)
			ADD("%s{'address':'%s','ports':[", sep, services[s].vip);
		ADD("%s{'protocol':'tcp','port':%u," CHECK ",'backends':[", s % 2 ? "," : "",
		    services[s].port);
		for (size_t b = 0; b < POOL; b++) {
			char text[ADDR_STRLEN];

			if (!t->fact[s][b].listed)
				continue;
			backend_of(s, b, text);
			ADD("%s{'address':'%s','weight':%u,'admin':'%s'}", comma, text,
			    t->fact[s][b].weight, admins[t->fact[s][b].admin]);
			comma = ",";
		}
		ADD("]}");
		if (s % 2 || s + 1 == SERVICES)
			ADD("]}");
		sep = ",";
	}
	ADD("]}");
#undef ADD
	assert_int_equal(core_fx_model(fx, json), CORE_ACCEPTED);
}

static void tell_file(const struct truth *t, size_t f)
{
	struct core_result r[SERVICES * POOL];
	size_t n = 0;
	char name[16];

	for (size_t s = 0; s < SERVICES; s++)
		for (size_t b = 0; b < POOL; b++)
			if (t->down[f][s][b])
				r[n++] = (struct core_result){key_of(s, b), true, "said"};
	snprintf(name, sizeof(name), "file%zu", f);
	assert_int_equal(core_results_set(fx->core, name, r, n, fx->now), 0);
}

/* As far as there is such a backend. */
static void tell_override(const struct truth *t, size_t s, size_t b)
{
	struct core_key key = key_of(s, b);
	const struct fact *fact = &t->fact[s][b];
	int r = fact->overridden ? core_override_set(fx->core, &key, fact->override)
				 : core_override_clear(fx->core, &key);

	assert_true(r == 0 || r == -ENOENT);
}

/* As far as it is probed. */
static void tell_verdict(const struct truth *t, size_t s, size_t b)
{
	struct core_key key = key_of(s, b);

	for (size_t i = 0; i < fx->n_conds; i++) {
		struct msg_hc_result res = {
			.id = fx->conds[i].id,
			.state = (uint8_t)t->verdict[s][b],
			.reason = t->verdict[s][b] == MSG_HC_DOWN ? MSG_HC_REFUSED : MSG_HC_OK,
		};

		if (addr_cmp(&fx->conds[i].target, &key.backend) == 0)
			core_health_results(fx->core, &res, 1, fx->now);
	}
}

/* Batches that wait, answers that come, time that passes. */
static void meanwhile(void)
{
	switch (rnd_below(&rnd, 5)) {
	case 0:
		core_fx_run(fx);
		break;
	case 1:
		if (fx->has_batch)
			core_fx_answer(fx);
		break;
	case 2:
		fx->now += rnd_below(&rnd, 3000) * CORE_MS;
		break;
	default:
		break;
	}
}

static void say_one(const struct truth *t)
{
	size_t s = rnd_below(&rnd, SERVICES), b = rnd_below(&rnd, POOL);

	switch (rnd_below(&rnd, 6)) {
	case 0:
		tell_list(t);
		break;
	case 1:
		tell_file(t, rnd_below(&rnd, FILES));
		break;
	case 2:
		tell_override(t, s, b);
		break;
	default:
		tell_verdict(t, s, b);
	}
	meanwhile();
}

/* What is told last is the truth: files at any time, the rest when the list is known. */
static void tell_truth(const struct truth *t)
{
	size_t n = 1 + SERVICES * POOL * 2 + FILES, order[1 + SERVICES * POOL * 2 + FILES];

	for (size_t i = 0; i < n; i++) {
		size_t k = rnd_below(&rnd, (uint32_t)i + 1);

		order[i] = order[k];
		order[k] = i;
	}
	for (size_t f = 0; f < FILES / 2; f++)
		tell_file(t, f);
	tell_list(t);
	/* The core asks for what is new only when it runs. */
	core_fx_run(fx);
	for (size_t i = 0; i < n; i++) {
		size_t what = order[i], each = SERVICES * POOL;

		if (what < each)
			tell_override(t, what / POOL, what % POOL);
		else if (what < 2 * each)
			tell_verdict(t, (what - each) / POOL, what % POOL);
		else if (what < 2 * each + FILES)
			tell_file(t, what - 2 * each);
		meanwhile();
	}
}

/* ---- what the maps child knows ---- */

/* The list of the last SVC_SET of a service, between its brackets; NULL: none, or deleted since. */
static const char *last_set(size_t s, char *list, size_t size)
{
	char set[128], del[128], gone[128];
	const char *found = NULL;

	snprintf(set, sizeof(set), "maps svc_set %s tcp/%u ", services[s].vip, services[s].port);
	snprintf(del, sizeof(del), "maps svc_del %s tcp/%u\n", services[s].vip, services[s].port);
	snprintf(gone, sizeof(gone), "maps vip_del %s\n", services[s].vip);
	for (const char *p = fx->said; *p; p = strchr(p, '\n') + 1) {
		if (strncmp(p, set, strlen(set)) == 0)
			found = strchr(p, '[') + 1;
		else if (strncmp(p, del, strlen(del)) == 0 || strncmp(p, gone, strlen(gone)) == 0)
			found = NULL;
	}
	if (!found)
		return NULL;
	snprintf(list, size, ",%.*s,", (int)strcspn(found, "]"), found);
	return list;
}

static void check_backend(const struct truth *t, size_t s, size_t b, const char *list)
{
	int weight = wanted(t, s, b);
	char addr[ADDR_STRLEN], text[ADDR_STRLEN + 4];
	struct core_key key = key_of(s, b);
	const struct core_backend *be = core_backend_by_key(fx->core, &key);
	bool up, drains;

	backend_of(s, b, addr);
	snprintf(text, sizeof(text), ",%s,", addr);
	up = list && strstr(list, text);
	snprintf(text, sizeof(text), ",~%s,", addr);
	drains = list && strstr(list, text);
	if (up != (weight > 0) || drains != (weight == 0))
		fail_msg("NLB_SEED=%llu: %s port %u: %s should have weight %d; last told %s",
			 (unsigned long long)seed, services[s].vip, services[s].port, addr, weight,
			 list ? list : "nothing");
	/* The line does not tell weights. */
	if (weight >= 0)
		assert_int_equal(be->ring_weight, weight);
}

static void check(const struct truth *t)
{
	char list[1024];

	for (size_t s = 0; s < SERVICES; s++) {
		const char *told = last_set(s, list, sizeof(list));

		for (size_t b = 0; b < POOL; b++)
			check_backend(t, s, b, told);
	}
}

/* ---- the test ---- */

static void one_run(void)
{
	struct truth truth, noise;

	fx = core_fx_new();
	make_truth(&truth);
	make_truth(&noise);
	for (uint32_t n = rnd_below(&rnd, NOISE); n--;) {
		if (chance(6))
			make_truth(&noise);
		say_one(&noise);
	}
	tell_truth(&truth);
	core_fx_settle(fx);
	/* Routes that are withdrawn, hold-downs, tries after a while. */
	for (int i = 0; i < 4; i++)
		core_fx_pass(fx, 20000);
	check(&truth);
	core_fx_free(fx);
}

static void test_order_does_not_matter(void **state _unused_)
{
	uint64_t first = rnd_seed();

	for (seed = first; seed < first + RUNS; seed++) {
		rnd = (struct rnd){seed};
		revision = 0;
		one_run();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_does_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
