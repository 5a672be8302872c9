// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A storm of changes through the table, and two readers in processes of their own: one walks
 * the rings through the pinned maps (ring_walk.h), one sends packets through the program. Each
 * service has a few sets of backends, mostly disjoint, between which it is switched, so that a
 * half-switched ring is told from a whole one. There is room for so few rings and numbers that
 * all are used again and again.
 *
 * A reader in user space is in no RCU section. maps_grace_wait() is wrapped, so that the reader
 * knows when a grace period was waited for while it walked: what it saw then does not count.
 *
 * NLB_STORM_MS: for how long (3000). NLB_SEED: which storm.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "maps_ask.h"
#include "maps_fs.h"
#include "maps_stage.h"
#include "reason.h"
#include "ring_walk.h"
#include "rnd.h"
#include "table_fixture.h"
#include "util.h"

#define SETS	   4u
#define MEMBERS	   6u
#define STORM_MS   3000u
#define FLOWS	   64u
#define AGE_S	   2000u
#define WRONG_TEXT 256

/* A service, and what it is switched between; "N", "N:WEIGHT" and "6N" as in table_fixture.h. */
struct spec {
	const char *vip;
	uint16_t port;
	uint32_t size;
	const char *sets[SETS]; /* "": no backend; NULL: no such set */
	bool goes;		/* it is removed now and then */
};

static const struct spec specs[] = {
	/* Two of the same sets, so that they share rings. */
	{"192.0.2.1", 80, 251, {"11 12 13", "14 15 16"}, false},
	{"192.0.2.2", 80, 251, {"11 12 13", "14 15 16"}, false},
	/* Sets that have backends in common, with weights and draining ones: second rings. */
	{"192.0.2.1", 443, 127, {"11 12 13", "11 12 17", "11:0 12 17", "12:3 13"}, false},
	/* A long one, in which half a switch takes long; one more set than there is room for. */
	{"192.0.2.3", 80, 8191, {"11 13 15 17", "12 14 16 18", "19"}, false},
	/* One that is emptied, and one that comes and goes. */
	{"192.0.2.3", 443, 241, {"18 19", "", "16 17"}, false},
	{"192.0.2.4", 80, 61, {"19", "15"}, true},
};

#define SERVICES ARRAY_SIZE(specs)

struct svc {
	struct addr vip;
	struct ring_want want;
	bool may_be_empty;
};

/* What the readers found; memory shared with them. */
struct seen {
	uint64_t grace; /* waits begun by the table */
	uint32_t stop;
	uint64_t same[SERVICES][SETS], recent;
	uint64_t changed, aged, gone, empty; /* no verdict; not to be counted; there was none */
	uint64_t packets[SERVICES][SETS], unserved;
	uint64_t wrong;
	char text[WRONG_TEXT]; /* of the first wrong one */
};

static struct table_fx fx;
static struct svc services[SERVICES];
static struct seen *seen;

int __real_maps_grace_wait(struct maps_grace *g);
int __wrap_maps_grace_wait(struct maps_grace *g);

/* Before, so that no place is used again while the reader does not know. */
int __wrap_maps_grace_wait(struct maps_grace *g)
{
	if (seen)
		__atomic_add_fetch(&seen->grace, 1, __ATOMIC_SEQ_CST);
	return __real_maps_grace_wait(g);
}

/* ---- the services ---- */

static size_t parse_set(const char *text, struct maglev_backend *b)
{
	size_t n = 0;

	while (*text) {
		char addr[32], *end;
		long number = strtol(text, &end, 10);

		assert_true(n < MEMBERS);
		snprintf(addr, sizeof(addr), "10.0.0.%ld", number);
		b[n] = (struct maglev_backend){table_fx_addr(addr), 1};
		if (*end == ':')
			b[n].weight = (uint32_t)strtoul(end + 1, &end, 10);
		text = end + strspn(end, " ");
		n++;
	}
	return n;
}

static void init_service(struct svc *s, const struct spec *spec)
{
	struct maglev_backend b[SETS][MEMBERS];
	struct ring_set sets[SETS];
	size_t n = 0;

	*s = (struct svc){.vip = table_fx_addr(spec->vip), .may_be_empty = spec->goes};
	for (; n < SETS && spec->sets[n]; n++) {
		sets[n] = (struct ring_set){b[n], parse_set(spec->sets[n], b[n])};
		s->may_be_empty |= !sets[n].n;
	}
	assert_int_equal(ring_want_init(&s->want, spec->size, sets, n), 0);
}

static int setup(void **state _unused_)
{
	table_fx_setup(&fx);
	if (!fx.possible)
		return 0;
	table_fx_teardown(&fx);
	/* Room for two long rings, and little besides: the next one takes the place of one before. */
	fx.host.cfg.ring_slots = 23000;
	fx.host.cfg.max_backends = 9;
	fx.host.cfg.max_services = SERVICES + 1;
	fx.host.cfg.max_vips = 5;
	table_fx_open(&fx);
	for (size_t i = 0; i < SERVICES; i++)
		init_service(&services[i], &specs[i]);
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(seen, MAP_FAILED);
	return 0;
}

static int teardown(void **state _unused_)
{
	if (!fx.possible)
		return 0;
	munmap(seen, sizeof(*seen));
	seen = NULL;
	for (size_t i = 0; i < SERVICES; i++)
		ring_want_done(&services[i].want);
	return table_fx_teardown(&fx);
}

/* ---- the storm ---- */

/* Which of its sets each service has; SETS: it is not there. */
struct storm {
	size_t current[SERVICES], before[SERVICES];
	uint32_t batches, refused;
};

/* There may be no place that is long enough, for all the short ones: what was there goes on. */
static void on_report(const struct msg_svc *msg, struct maps_svc *svc, int err, const char *reason,
		      void *user)
{
	struct storm *storm = user;
	size_t i = 0;

	if (err >= 0)
		return;
	if (err != -ENOSPC)
		fail_msg("refused: %s", reason);
	while (addr_cmp(&services[i].vip, &msg->vip) != 0 || specs[i].port != msg->port)
		i++;
	storm->current[i] = svc ? storm->before[i] : SETS;
	storm->refused++;
}

static void stage_vip(struct maps_stage *stage, const struct addr *vip, uint16_t type)
{
	struct msg_vip msg = {.vip = *vip};

	assert_int_equal(maps_stage_add(stage, type, &msg, sizeof(msg)), 0);
}

/* The members in any order. */
static void stage_set(struct maps_stage *stage, size_t i, size_t set, struct rnd *rnd)
{
	const struct ring_set *from = &services[i].want.set[set];
	struct {
		struct msg_svc svc;
		struct msg_backend b[MEMBERS];
	} msg = {.svc = {.vip = services[i].vip,
			 .port = specs[i].port,
			 .protocol = IPPROTO_TCP,
			 .ring_size = specs[i].size,
			 .n_backends = (uint32_t)from->n}};
	size_t first = from->n ? rnd_below(rnd, (uint32_t)from->n) : 0;

	for (size_t k = 0; k < from->n; k++) {
		const struct maglev_backend *b = &from->b[(first + k) % from->n];

		msg.b[k] = (struct msg_backend){.addr = b->addr, .weight = b->weight};
	}
	assert_int_equal(maps_stage_add(stage, MSG_MAPS_SVC_SET, &msg,
					sizeof(msg.svc) + from->n * sizeof(msg.b[0])),
			 0);
}

/* A batch: some services get one of their sets. */
static void change(struct maps_stage *stage, struct storm *storm, struct rnd *rnd)
{
	size_t *current = storm->current;

	memcpy(storm->before, current, sizeof(storm->before));
	for (uint32_t n = 1 + rnd_below(rnd, SERVICES); n--;) {
		size_t i = rnd_below(rnd, SERVICES);

		if (specs[i].goes && rnd_below(rnd, 3) == 0) {
			stage_vip(stage, &services[i].vip, MSG_MAPS_VIP_DEL);
			current[i] = SETS;
			continue;
		}
		if (current[i] == SETS)
			stage_vip(stage, &services[i].vip, MSG_MAPS_VIP_SET);
		current[i] = rnd_below(rnd, (uint32_t)services[i].want.n);
		stage_set(stage, i, current[i], rnd);
	}
	maps_stage_apply(stage, &fx.table, on_report, storm);
	storm->batches++;
}

static uint64_t storm_ns(void)
{
	const char *text = getenv("NLB_STORM_MS");

	return (text ? strtoull(text, NULL, 10) : STORM_MS) * 1000000ull;
}

/* ---- the readers ---- */

static void __attribute__((format(printf, 1, 2))) wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!seen->wrong++)
		vsnprintf(seen->text, sizeof(seen->text), fmt, ap);
	va_end(ap);
}

static void walk(const struct ring_walk *w, size_t i)
{
	const struct svc *s = &services[i];
	uint64_t before = __atomic_load_n(&seen->grace, __ATOMIC_SEQ_CST);
	uint32_t number = ring_walk_find(w, &s->vip, IPPROTO_TCP, specs[i].port);
	struct ring_seen got = {};
	enum ring_walk_result result =
		number ? ring_walk_match(w, number, &s->want, &got) : RING_WALK_EMPTY;

	if (result == RING_WALK_CHANGED)
		seen->changed++;
	else if (__atomic_load_n(&seen->grace, __ATOMIC_SEQ_CST) != before)
		seen->aged++;
	else if (result == RING_WALK_SAME) {
		seen->same[i][got.set]++;
		seen->recent += got.recent;
	} else if (result == RING_WALK_EMPTY && s->may_be_empty)
		seen->empty++;
	else
		wrong("%s:%u, number %u: %s at slot %u (backend %u)", specs[i].vip, specs[i].port,
		      number, ring_walk_str(result), got.slot, got.number);
}

static void walker(const char *dir)
{
	struct ring_walk w;

	if (ring_walk_open(&w, dir) < 0) {
		wrong("the pinned maps cannot be opened");
		return;
	}
	while (!__atomic_load_n(&seen->stop, __ATOMIC_RELAXED))
		for (size_t i = 0; i < SERVICES; i++)
			walk(&w, i);
	ring_walk_done(&w);
}

/* Which set's ring sends the flow there; SETS: none. A SYN goes where the first ring says. */
static size_t set_of(const struct svc *s, const struct maps_answer *ans)
{
	for (size_t k = 0; k < s->want.n; k++) {
		const struct ring_set *set = &s->want.set[k];

		if (s->want.ring[k] && ans->ask.slot < s->want.size &&
		    addr_cmp(&set->b[s->want.ring[k][ans->ask.slot]].addr, &ans->to) == 0)
			return k;
	}
	return SETS;
}

static void ask(size_t i, uint16_t sport)
{
	const struct svc *s = &services[i];
	const struct maps_flow flow = {
		.src = table_fx_addr("192.0.2.200"),
		.dst = s->vip,
		.sport = sport,
		.dport = specs[i].port,
		.protocol = IPPROTO_TCP,
	};
	struct maps_answer ans = {};
	size_t set;
	int r;

	r = maps_ask(fx.bpf.prog_fd, &flow, if_nametoindex("lb0"), &ans);
	if (r < 0) {
		wrong("%s:%u: no answer: %s", specs[i].vip, specs[i].port, strerror(-r));
		return;
	}
	if (!ans.sent) {
		if (s->may_be_empty)
			seen->unserved++;
		else
			wrong("%s:%u: dropped: %s", specs[i].vip, specs[i].port,
			      reason_str(ans.ask.reason));
		return;
	}
	set = set_of(s, &ans);
	if (set < SETS)
		seen->packets[i][set]++;
	else
		wrong("%s:%u: by slot %u to a backend of no set", specs[i].vip, specs[i].port,
		      ans.ask.slot);
}

static void sender(void)
{
	for (uint16_t f = 0; !__atomic_load_n(&seen->stop, __ATOMIC_RELAXED); f++)
		for (size_t i = 0; i < SERVICES; i++)
			ask(i, f % FLOWS);
}

static pid_t start(void (*reader)(const char *dir), const char *dir)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	/* A test that fails must not leave it behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (reader)
		reader(dir);
	else
		sender();
	_exit(0);
}

/* ---- the test ---- */

/* Both readers looked at all that there was to see. */
static void assert_seen(void)
{
	uint64_t walks = seen->changed + seen->aged, same = 0;

	for (size_t i = 0; i < SERVICES; i++) {
		for (size_t k = 0; k < services[i].want.n; k++) {
			if (!services[i].want.set[k].n)
				continue;
			same += seen->same[i][k];
			if (!seen->same[i][k] || !seen->packets[i][k])
				fail_msg("%s:%u was never seen with %s", specs[i].vip,
					 specs[i].port, specs[i].sets[k]);
		}
	}
	print_message("%llu walks, and %llu that do not count; %llu slots with a second backend; "
		      "%llu grace periods\n",
		      (unsigned long long)same, (unsigned long long)walks,
		      (unsigned long long)seen->recent, (unsigned long long)seen->grace);
	assert_true(seen->recent > 0 && seen->empty > 0 && seen->unserved > 0);
	assert_true(seen->grace > 0 && same > walks / 10);
}

static void test_readers_never_see_half(void **state _unused_)
{
	struct storm storm = {};
	const size_t *current = storm.current;
	struct rnd rnd = {rnd_seed()};
	struct maps_stage stage = {};
	char dir[MAPS_FS_PATH_LEN];
	struct ring_walk w;
	pid_t readers[2];
	uint64_t until;
	int status;

	TABLE_FX_NEEDED(&fx);
	maps_fs_layout_dir(&fx.host.cfg, dir);
	for (size_t i = 0; i < SERVICES; i++) {
		stage_vip(&stage, &services[i].vip, MSG_MAPS_VIP_SET);
		stage_set(&stage, i, 0, &rnd);
	}
	maps_stage_apply(&stage, &fx.table, on_report, &storm);
	readers[0] = start(walker, dir);
	readers[1] = start(NULL, NULL);
	until = util_now_ns() + storm_ns();
	for (uint32_t n = 0; util_now_ns() < until; n++) {
		change(&stage, &storm, &rnd);
		/* Slots change their modes in place. */
		if (n % 64 == 0)
			table_fx_age(&fx, AGE_S * (1 + n / 64));
	}
	__atomic_store_n(&seen->stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(waitpid(readers[i], &status, 0), readers[i]);
		assert_int_equal(status, 0);
	}
	if (seen->wrong)
		fail_msg("%llu wrong, the first: %s", (unsigned long long)seen->wrong, seen->text);
	assert_seen();
	assert_true(storm.refused < storm.batches / 10);
	/* Now that it is calm: what was asked for last. */
	assert_int_equal(ring_walk_open(&w, dir), 0);
	for (size_t i = 0; i < SERVICES; i++) {
		uint32_t number = ring_walk_find(&w, &services[i].vip, IPPROTO_TCP, specs[i].port);
		bool some = current[i] < SETS && services[i].want.set[current[i]].n;
		struct ring_seen got;

		assert_int_equal(number != 0, current[i] < SETS);
		if (!number)
			continue;
		assert_int_equal(ring_walk_match(&w, number, &services[i].want, &got),
				 some ? RING_WALK_SAME : RING_WALK_EMPTY);
		if (some)
			assert_int_equal(got.set, current[i]);
	}
	ring_walk_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_readers_never_see_half, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
