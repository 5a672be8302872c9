// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the parent wants against what the maps child has: differing, missing and unwanted things,
 * those that are on their way, and those about which nothing is known. With the child itself.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "maps_fs.h"
#include "maps_found.h"
#include "maps_host.h"
#include "util.h"
#include "xdp/nlb_shared.h"

#define VIP	  "192.0.2.1"
#define VIP2	  "192.0.2.2"
#define RING	  13
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct maps_host host;

static int setup(void **state _unused_)
{
	static bool possible = true, begun;

	if (!begun)
		possible = maps_host_init(&host);
	begun = true;
	if (!possible) {
		print_message("needs root, namespaces and bpffs\n");
		return 0;
	}
	maps_host_start(&host);
	maps_host_vip(&host, VIP);
	maps_host_svc(&host, VIP, 80, RING, LIST("10.0.0.11", "10.0.0.12"));
	maps_host_svc(&host, VIP, 443, RING, LIST("10.0.0.13"));
	maps_host_commit(&host);
	return 0;
}

static int teardown(void **state _unused_)
{
	char dir[MAPS_FS_PATH_LEN];

	if (host.child)
		maps_host_stop(&host);
	maps_fs_layout_dir(&host.cfg, dir);
	maps_fs_remove_dir(dir);
	host.cfg.n_interfaces = 0;
	maps_fs_remove_links(&host.cfg);
	host.cfg.n_interfaces = 1;
	return 0;
}

#define NEEDS_ROOT()                                                                               \
	do {                                                                                       \
		if (!host.child)                                                                   \
			skip();                                                                    \
	} while (0)

static void send_batch(uint16_t type)
{
	struct msg_batch batch = {.seq = ++host.seq};

	assert_int_equal(ipc_send(host.child, type, &batch, sizeof(batch)), 0);
}

static void want_vip(const char *vip, uint32_t flags)
{
	struct msg_vip msg = {.flags = flags};

	assert_int_equal(addr_parse(vip, &msg.vip), 0);
	assert_int_equal(ipc_send(host.child, MSG_MAPS_WANT_VIP, &msg, sizeof(msg)), 0);
}

/* backend NULL: whatever it has. */
static void want_svc(const char *vip, uint16_t port, const char *const *backends)
{
	struct {
		struct msg_svc svc;
		struct msg_backend backends[8];
	} msg = {.svc = {.port = port, .protocol = IPPROTO_TCP, .ring_size = RING}};
	uint32_t n = 0;

	assert_int_equal(addr_parse(vip, &msg.svc.vip), 0);
	for (; backends && backends[n]; n++) {
		msg.backends[n].weight = 1;
		assert_int_equal(addr_parse(backends[n], &msg.backends[n].addr), 0);
	}
	msg.svc.n_backends = n;
	msg.svc.generation = ++host.generation;
	if (!backends)
		msg.svc.flags = MSG_WANT_ANY;
	assert_int_equal(ipc_send(host.child, MSG_MAPS_WANT_SVC, &msg,
				  sizeof(msg.svc) + n * sizeof(msg.backends[0])),
			 0);
}

static void want_all(void)
{
	want_vip(VIP, 0);
	want_svc(VIP, 80, LIST("10.0.0.12", "10.0.0.11"));
	want_svc(VIP, 443, LIST("10.0.0.13"));
}

/* Ends the naming; so much of what was wanted was not there. */
static void check(uint64_t found)
{
	host.checked = false;
	host.n_results = 0;
	send_batch(MSG_MAPS_CHECK);
	maps_host_wait(&host, &host.checked);
	assert_int_equal(host.check.seq, host.seq);
	assert_int_equal(host.check.kinds[MSG_CHECK_WANTED].found, found);
	assert_int_equal(maps_found_sum(&host.check).found, found);
	assert_int_equal(maps_found_sum(&host.check).failed, 0);
}

static void assert_there(uint64_t vips, uint64_t services)
{
	host.used = false;
	send_batch(MSG_MAPS_USAGE_GET);
	maps_host_wait(&host, &host.used);
	assert_int_equal(host.usage.kinds[MSG_USAGE_VIPS].used, vips);
	assert_int_equal(host.usage.kinds[MSG_USAGE_SERVICES].used, services);
}

static void test_equal(void **state _unused_)
{
	NEEDS_ROOT();
	send_batch(MSG_MAPS_CHECK_BEGIN);
	want_all();
	check(0);
	assert_int_equal(host.check.kinds[MSG_CHECK_WANTED].looked, 3);
	assert_int_equal(host.n_results, 0);
	/* Without a word about what is wanted, nothing is unwanted. */
	check(0);
	assert_there(1, 2);
}

static void test_differs(void **state _unused_)
{
	NEEDS_ROOT();
	send_batch(MSG_MAPS_CHECK_BEGIN);
	want_vip(VIP, NLB_VIP_F_PASS_UNKNOWN);
	want_svc(VIP, 80, LIST("10.0.0.11"));
	want_svc(VIP, 443, LIST("10.0.0.13"));
	check(2);
	/* It is proven and told like any other. */
	assert_int_equal(maps_host_result(&host, VIP, 80)->state, MSG_SVC_PROVEN);
	assert_int_equal(maps_host_result(&host, VIP, 80)->n_backends, 1);
	assert_null(maps_host_result(&host, VIP, 443));
	send_batch(MSG_MAPS_CHECK_BEGIN);
	want_vip(VIP, NLB_VIP_F_PASS_UNKNOWN);
	want_svc(VIP, 80, LIST("10.0.0.11"));
	want_svc(VIP, 443, LIST("10.0.0.13"));
	check(0);
}

static void test_missing_and_unwanted(void **state _unused_)
{
	NEEDS_ROOT();
	send_batch(MSG_MAPS_CHECK_BEGIN);
	want_vip(VIP, 0);
	want_svc(VIP, 80, LIST("10.0.0.11", "10.0.0.12"));
	want_vip(VIP2, 0);
	want_svc(VIP2, 80, LIST("10.0.0.14"));
	/* VIP and service are missing, another service is unwanted. */
	check(3);
	assert_there(2, 2);
	assert_int_equal(maps_host_result(&host, VIP2, 80)->state, MSG_SVC_PROVEN);
	send_batch(MSG_MAPS_CHECK_BEGIN);
	want_vip(VIP2, 0);
	want_svc(VIP2, 80, LIST("10.0.0.14"));
	check(2);
	assert_there(1, 1);
}

static void test_unsure(void **state _unused_)
{
	NEEDS_ROOT();
	send_batch(MSG_MAPS_CHECK_BEGIN);
	want_vip(VIP, MSG_WANT_ANY);
	want_svc(VIP, 80, NULL);
	want_svc(VIP, 443, NULL);
	want_vip(VIP2, MSG_WANT_ANY);
	want_svc(VIP2, 80, NULL);
	check(0);
	assert_there(1, 2);
}

/* Batches get in between: what they bring is wanted, what they have not brought yet is left alone. */
static void test_batch_between(void **state _unused_)
{
	NEEDS_ROOT();
	send_batch(MSG_MAPS_CHECK_BEGIN);
	want_all();
	maps_host_vip(&host, VIP2);
	maps_host_svc(&host, VIP2, 80, RING, LIST("10.0.0.14"));
	maps_host_commit(&host);
	check(0);
	assert_there(2, 3);
	send_batch(MSG_MAPS_CHECK_BEGIN);
	maps_host_vip_del(&host, VIP2);
	want_all();
	check(0);
	assert_there(2, 3);
	maps_host_commit(&host);
	assert_there(1, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_equal),  TEST(test_differs),	     TEST(test_missing_and_unwanted),
		TEST(test_unsure), TEST(test_batch_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
