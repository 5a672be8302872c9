// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The maps child as its parent sees it: batches, results, restart after
 * kill -9, change of layout, loss of the interface, limits.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "maps_fs.h"
#include "maps_host.h"
#include "util.h"
#include "xdp/nlb_shared.h"
#include "xdp_net.h"

#define VIP4	  "192.0.2.1"
#define VIP6	  "2001:db8::1"
#define NONE	  ((const char *const[]){NULL})
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct maps_host host;

static const struct msg_svc_result *result(const char *vip, uint16_t port)
{
	const struct msg_svc_result *res = maps_host_result(&host, vip, port);

	assert_non_null(res);
	return res;
}

static void assert_proven(const char *vip, uint16_t port)
{
	if (result(vip, port)->state != MSG_SVC_PROVEN)
		fail_msg("%s port %u: %s", vip, port, result(vip, port)->reason);
}

/* The program that a link runs, and the interface it is on. */
static struct bpf_link_info link_info(const char *ifname)
{
	struct bpf_link_info info = {};
	char path[MAPS_FS_PATH_LEN];
	uint32_t len = sizeof(info);
	int fd;

	maps_fs_link_path(&host.cfg, ifname, path);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return info;
}

static uint32_t map_id(const char *name)
{
	struct bpf_map_info info = {};
	char path[MAPS_FS_PATH_LEN], dir[MAPS_FS_PATH_LEN];
	uint32_t len = sizeof(info);
	int fd;

	maps_fs_layout_dir(&host.cfg, dir);
	snprintf(path, sizeof(path), "%.500s/%s", dir, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return info.id;
}

static bool is_up(void)
{
	return host.dataplane.up;
}

static bool is_down(void)
{
	return !host.dataplane.up;
}

static bool was_told(void)
{
	return host.n_dataplane > 0;
}

static bool is_closed(void)
{
	return host.closed;
}

static void wait_until(bool (*holds)(void))
{
	uint64_t until = util_now_ns() + 10000000000ull;

	while (!holds()) {
		assert_true(util_now_ns() < until);
		assert_int_equal(loop_once(host.loop, 100), 0);
	}
}

/* Two services in the maps, proven; how most tests begin. */
static void fill(void)
{
	maps_host_vip(&host, VIP4);
	maps_host_vip(&host, VIP6);
	maps_host_svc(&host, VIP4, 80, 13, LIST("10.0.0.11", "10.0.0.12"));
	maps_host_svc(&host, VIP6, 80, 13, LIST("fd00::11", "10.0.0.11"));
	maps_host_commit(&host);
	assert_proven(VIP4, 80);
	assert_proven(VIP6, 80);
}

/* A node without a past. */
static int setup(void **state)
{
	static bool possible = true, begun;

	(void)state;
	if (!begun)
		possible = maps_host_init(&host);
	begun = true;
	if (!possible) {
		print_message("needs root, namespaces and bpffs\n");
		return 0;
	}
	maps_host_start(&host);
	return 0;
}

static int teardown(void **state)
{
	char dir[MAPS_FS_PATH_LEN];

	(void)state;
	if (host.child)
		maps_host_stop(&host);
	maps_fs_layout_dir(&host.cfg, dir);
	maps_fs_remove_dir(dir);
	host.cfg.n_interfaces = 0;
	maps_fs_remove_links(&host.cfg);
	host.cfg.n_interfaces = 1;
	host.cfg.max_services = 32;
	return 0;
}

#define NEEDS_ROOT()                                                                               \
	do {                                                                                       \
		if (!host.child)                                                                   \
			skip();                                                                    \
	} while (0)

static void test_start(void **state)
{
	(void)state;
	NEEDS_ROOT();
	assert_true(host.ready);
	assert_int_equal(host.n_have, 0);
	assert_int_equal(host.dataplane.up, 1);
	assert_int_equal(host.dataplane.native, 1);
	assert_int_not_equal(link_info("lb0").xdp.ifindex, 0);
}

static void test_batch(void **state)
{
	uint64_t digest;

	(void)state;
	NEEDS_ROOT();
	fill();
	assert_int_equal(host.n_results, 2);
	assert_int_equal(result(VIP4, 80)->n_backends, 2);
	assert_int_not_equal(result(VIP4, 80)->digest, result(VIP6, 80)->digest);
	digest = result(VIP4, 80)->digest;

	/* The same in another order, with what is gone set in between: one swap, same ring. */
	maps_host_svc(&host, VIP4, 80, 13, NONE);
	maps_host_svc(&host, VIP4, 80, 13, LIST("10.0.0.12", "10.0.0.11"));
	maps_host_commit(&host);
	assert_int_equal(host.n_results, 1);
	assert_proven(VIP4, 80);
	assert_int_equal(result(VIP4, 80)->digest, digest);
	assert_int_equal(result(VIP4, 80)->generation, host.generation);

	maps_host_svc(&host, VIP4, 80, 13, NONE);
	maps_host_commit(&host);
	assert_int_equal(result(VIP4, 80)->state, MSG_SVC_WRITTEN);
	assert_string_equal(result(VIP4, 80)->reason, "no enabled backend");
	assert_int_equal(result(VIP4, 80)->n_backends, 0);
	assert_int_equal(result(VIP4, 80)->digest, 0);

	maps_host_svc(&host, VIP4, 80, 13, LIST("10.0.0.13"));
	maps_host_svc(&host, VIP4, 443, 17, LIST("fd00::13"));
	maps_host_commit(&host);
	assert_proven(VIP4, 80);
	assert_proven(VIP4, 443);

	/* An empty batch is one too. */
	maps_host_commit(&host);
	assert_int_equal(host.n_results, 0);
}

static void test_removal(void **state)
{
	(void)state;
	NEEDS_ROOT();
	fill();
	maps_host_svc_del(&host, VIP4, 80);
	maps_host_vip_del(&host, VIP6);
	maps_host_commit(&host);
	assert_int_equal(host.n_results, 0);
	maps_host_stats(&host);
	assert_int_equal(host.n_vip_stats, 1);

	/* Removing what is not there is no error; a VIP may come back in the same batch. */
	maps_host_vip_del(&host, VIP6);
	maps_host_svc_del(&host, VIP4, 80);
	maps_host_svc(&host, VIP4, 81, 13, LIST("10.0.0.11"));
	maps_host_vip_del(&host, VIP4);
	maps_host_vip(&host, VIP4);
	maps_host_svc(&host, VIP4, 82, 13, LIST("10.0.0.11"));
	maps_host_commit(&host);
	assert_int_equal(host.n_results, 1);
	assert_proven(VIP4, 82);

	/* A service needs its VIP. */
	maps_host_svc(&host, VIP6, 80, 13, LIST("10.0.0.11"));
	maps_host_commit(&host);
	assert_int_equal(result(VIP6, 80)->state, MSG_SVC_FAILED);
	assert_string_equal(result(VIP6, 80)->reason, "the VIP is not set");
}

static void test_kill_and_adopt(void **state)
{
	struct bpf_link_info before, after;
	uint32_t rings;
	uint64_t digest;

	(void)state;
	NEEDS_ROOT();
	fill();
	digest = result(VIP4, 80)->digest;
	rings = map_id("nlb_rings");
	before = link_info("lb0");
	maps_host_kill(&host);
	assert_int_equal(link_info("lb0").prog_id, before.prog_id);

	maps_host_start(&host);
	assert_int_equal(host.n_have, 2);
	for (size_t i = 0; i < host.n_have; i++) {
		assert_int_equal(host.have[i].port, 80);
		assert_int_equal(host.have[i].ring_size, 13);
		assert_int_equal(host.have[i].n_backends, 2);
	}
	after = link_info("lb0");
	assert_int_equal(after.id, before.id);
	assert_int_not_equal(after.prog_id, before.prog_id);
	assert_int_equal(map_id("nlb_rings"), rings);

	/* Nothing is reported that the parent has not asked for. */
	maps_host_linger(&host, 100);
	assert_int_equal(host.n_results, 0);
	fill();
	assert_int_equal(result(VIP4, 80)->digest, digest);
}

static void test_counters_survive(void **state)
{
	(void)state;
	NEEDS_ROOT();
	fill();
	/* Something comes in by lb0 that is not for a VIP: neighbour discovery. */
	xdp_net_try("ping -q -c 1 -W 1 ff02::1%%lb1");
	maps_host_stats(&host);
	assert_int_equal(host.n_vip_stats, 2);
	/* The proofs left no trace. */
	assert_int_equal(host.vip_stats[0].packets + host.vip_stats[1].packets, 0);
	assert_int_equal(host.reasons[NLB_R_TX], 0);
	assert_true(host.reasons[NLB_R_NOT_VIP] > 0);
	maps_host_kill(&host);
	maps_host_start(&host);
	maps_host_stats(&host);
	assert_true(host.reasons[NLB_R_NOT_VIP] > 0);
}

/* Other sizes: new maps, filled before traffic goes over to them. */
static void test_other_layout(void **state)
{
	char old_dir[MAPS_FS_PATH_LEN];
	struct bpf_link_info before;
	struct stat st;

	(void)state;
	NEEDS_ROOT();
	fill();
	before = link_info("lb0");
	maps_fs_layout_dir(&host.cfg, old_dir);
	maps_host_kill(&host);
	host.cfg.max_services = 64;
	maps_host_start(&host);
	assert_true(host.ready);
	assert_int_equal(host.n_have, 0);
	assert_int_equal(host.dataplane.up, 1);
	assert_int_equal(link_info("lb0").prog_id, before.prog_id);
	assert_int_equal(stat(old_dir, &st), 0);

	fill();
	assert_int_equal(link_info("lb0").id, before.id);
	assert_int_not_equal(link_info("lb0").prog_id, before.prog_id);
	assert_int_equal(stat(old_dir, &st), -1);
	assert_int_equal(errno, ENOENT);
}

static void test_half_made_directory(void **state)
{
	char dir[MAPS_FS_PATH_LEN], path[MAPS_FS_PATH_LEN + 16];

	(void)state;
	NEEDS_ROOT();
	fill();
	maps_host_stop(&host);
	maps_fs_layout_dir(&host.cfg, dir);
	snprintf(path, sizeof(path), "%s/nlb_layout", dir);
	assert_int_equal(unlink(path), 0);
	maps_host_start(&host);
	assert_true(host.ready);
	assert_int_equal(host.n_have, 0);
	fill();
}

static void test_interface_goes(void **state)
{
	struct bpf_link_info info;

	(void)state;
	NEEDS_ROOT();
	fill();
	xdp_net_run("ip link set lb0 down");
	host.n_dataplane = 0;
	wait_until(is_down);
	assert_string_equal(host.dataplane.reason, "lb0: down or without carrier");
	maps_host_wait_state(&host, VIP4, 80, MSG_SVC_WRITTEN);
	xdp_net_run("ip link set lb0 up");
	wait_until(is_up);

	xdp_net_run("ip link del lb0");
	wait_until(is_down);
	assert_string_equal(host.dataplane.reason, "lb0: no such interface");

	/* One of the same name comes: attached, up, and proven once there is a neighbour. */
	xdp_net_run("ip link add lb0 type veth peer name lb1");
	xdp_net_run("ip link set lb1 up");
	xdp_net_run("ip link set lb0 up");
	wait_until(is_up);
	info = link_info("lb0");
	assert_int_not_equal(info.xdp.ifindex, 0);
	xdp_net_sysctl("ipv4/conf/lb0/forwarding", "1");
	xdp_net_sysctl("ipv6/conf/lb0/forwarding", "1");
	xdp_net_run("ip addr add 10.0.0.1/24 dev lb0");
	xdp_net_run("ip addr add fd00::1/64 dev lb0 nodad");
	for (int i = 1; i <= 9; i++) {
		xdp_net_run("ip neigh replace 10.0.0.1%d lladdr 02:00:00:00:00:1%d dev lb0 "
			    "nud permanent",
			    i, i);
		xdp_net_run("ip neigh replace fd00::1%d lladdr 02:00:00:00:00:1%d dev lb0 "
			    "nud permanent",
			    i, i);
	}
	maps_host_wait_state(&host, VIP4, 80, MSG_SVC_PROVEN);
}

/* Somebody takes the program off: it is put back. */
static void test_detached(void **state)
{
	char path[MAPS_FS_PATH_LEN];
	int fd;

	(void)state;
	NEEDS_ROOT();
	fill();
	maps_fs_link_path(&host.cfg, "lb0", path);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	host.n_dataplane = 0;
	assert_int_equal(bpf_link_detach(fd), 0);
	close(fd);
	wait_until(was_told);
	assert_int_equal(host.dataplane.up, 1);
	assert_int_not_equal(link_info("lb0").xdp.ifindex, 0);
}

/* A neighbour that nobody knows yet: found by the child itself. */
static void test_neighbour_resolved(void **state)
{
	(void)state;
	NEEDS_ROOT();
	maps_host_vip(&host, VIP4);
	maps_host_svc(&host, VIP4, 80, 13, LIST("10.0.0.77"));
	maps_host_commit(&host);
	assert_int_equal(result(VIP4, 80)->state, MSG_SVC_WRITTEN);
	assert_string_equal(result(VIP4, 80)->reason, "lb0: packet dropped: no_neighbour");
	/* The address turns up on the other side of the cable. */
	xdp_net_run("ip netns add far");
	xdp_net_run("ip link set lb1 netns far");
	xdp_net_run("ip -n far link set lb1 up");
	xdp_net_run("ip -n far addr add 10.0.0.77/24 dev lb1");
	maps_host_wait_state(&host, VIP4, 80, MSG_SVC_PROVEN);
	xdp_net_run("ip -n far link set lb1 netns %d", (int)getpid());
	xdp_net_run("ip link set lb1 up");
	xdp_net_run("ip netns del far");
}

static void test_limits(void **state)
{
	char text[64];

	(void)state;
	NEEDS_ROOT();
	fill();
	/* Rings: 512 slots in all. The one that does not fit leaves the old one be. */
	maps_host_svc(&host, VIP4, 80, 521, LIST("10.0.0.11"));
	maps_host_commit(&host);
	assert_int_equal(result(VIP4, 80)->state, MSG_SVC_FAILED);
	assert_non_null(strstr(result(VIP4, 80)->reason, "ring-slots (512) used up"));
	assert_int_equal(result(VIP4, 80)->n_backends, 2);

	/* A ring of a size that is none. */
	maps_host_svc(&host, VIP4, 80, 12, LIST("10.0.0.11"));
	maps_host_commit(&host);
	assert_int_equal(result(VIP4, 80)->state, MSG_SVC_FAILED);

	/* Retired rings are used again, time after time. */
	for (int i = 0; i < 40; i++) {
		maps_host_svc(&host, VIP4, 80, 101, i % 2 ? LIST("10.0.0.11") : LIST("10.0.0.12"));
		maps_host_commit(&host);
		assert_proven(VIP4, 80);
	}

	/* Backends: 16. */
	for (int i = 0; i < 20; i++) {
		const char *const list[] = {text, NULL};

		snprintf(text, sizeof(text), "10.0.1.%d", i + 1);
		maps_host_svc(&host, VIP4, (uint16_t)(1000 + i), 2, list);
	}
	maps_host_commit(&host);
	assert_int_not_equal(result(VIP4, 1000)->state, MSG_SVC_FAILED);
	assert_int_equal(result(VIP4, 1019)->state, MSG_SVC_FAILED);
	assert_string_equal(result(VIP4, 1019)->reason, "max-backends (16) reached");

	/* Services: 32 in all. */
	for (int i = 0; i < 31; i++)
		maps_host_svc(&host, VIP6, (uint16_t)(2000 + i), 2, LIST("10.0.0.11"));
	maps_host_commit(&host);
	assert_int_equal(result(VIP6, 2030)->state, MSG_SVC_FAILED);
	assert_string_equal(result(VIP6, 2030)->reason, "max-services (32) reached");
	assert_proven(VIP6, 2000);

	/* VIPs: 16. */
	for (int i = 0; i < 15; i++) {
		snprintf(text, sizeof(text), "192.0.2.%d", 100 + i);
		maps_host_vip(&host, text);
	}
	maps_host_svc(&host, "192.0.2.114", 80, 2, LIST("10.0.0.11"));
	maps_host_commit(&host);
	assert_int_equal(result("192.0.2.114", 80)->state, MSG_SVC_FAILED);
	assert_string_equal(result("192.0.2.114", 80)->reason, "max-vips (16) reached");

	/* All of it is given back. */
	maps_host_vip_del(&host, VIP4);
	maps_host_vip_del(&host, VIP6);
	maps_host_commit(&host);
	fill();
}

static void test_interface_missing_at_start(void **state)
{
	(void)state;
	NEEDS_ROOT();
	maps_host_stop(&host);
	snprintf(host.cfg.interfaces[0], IF_NAMESIZE, "nosuch0");
	maps_host_start(&host);
	assert_true(host.ready);
	assert_int_equal(host.dataplane.up, 0);
	assert_string_equal(host.dataplane.reason, "nosuch0: no such interface");
	maps_host_vip(&host, VIP4);
	maps_host_svc(&host, VIP4, 80, 13, LIST("10.0.0.11"));
	maps_host_commit(&host);
	assert_int_equal(result(VIP4, 80)->state, MSG_SVC_WRITTEN);
	assert_string_equal(result(VIP4, 80)->reason, "the program is not attached");
	snprintf(host.cfg.interfaces[0], IF_NAMESIZE, "lb0");
}

static void test_two_agents(void **state)
{
	struct maps_host second = {.cfg = host.cfg};

	(void)state;
	NEEDS_ROOT();
	/* The second one waits, and gives up after a time. */
	maps_host_start_nowait(&second);
	maps_host_linger(&second, 300);
	assert_false(second.ready);
	maps_host_kill(&host);
	maps_host_wait(&second, &second.ready);
	assert_int_equal(maps_host_stop(&second), 0);
}

static void test_garbage_ends_it(void **state)
{
	(void)state;
	NEEDS_ROOT();
	assert_int_equal(ipc_send(host.child, MSG_MAPS_SVC_SET, "x", 1), 0);
	wait_until(is_closed);
	assert_int_equal(maps_host_stop(&host), 1);
}

/* As in production: the child becomes a user that is nobody in particular. */
static void test_other_user(void **state)
{
	(void)state;
	NEEDS_ROOT();
	fill();
	maps_host_kill(&host);
	snprintf(host.cfg.user, sizeof(host.cfg.user), "nobody");
	maps_host_start(&host);
	assert_true(host.ready);
	assert_int_equal(host.n_have, 2);
	/* Attaching anew and new maps need the directory to be the user's. */
	assert_int_equal(maps_host_stop(&host), 0);
	host.cfg.max_services = 64;
	maps_host_start(&host);
	assert_true(host.ready);
	fill();
	assert_int_equal(maps_host_stop(&host), 0);
	host.cfg.user[0] = '\0';
	maps_host_start(&host);
	assert_int_equal(host.n_have, 2);
	assert_int_equal(maps_host_stop(&host), 0);
}

static void test_end_leaves_all(void **state)
{
	struct bpf_link_info before;

	(void)state;
	NEEDS_ROOT();
	fill();
	before = link_info("lb0");
	assert_int_equal(maps_host_stop(&host), 0);
	assert_int_equal(link_info("lb0").prog_id, before.prog_id);
	assert_int_equal(link_info("lb0").xdp.ifindex, before.xdp.ifindex);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_start),
		TEST(test_batch),
		TEST(test_removal),
		TEST(test_kill_and_adopt),
		TEST(test_counters_survive),
		TEST(test_other_layout),
		TEST(test_half_made_directory),
		TEST(test_detached),
		TEST(test_neighbour_resolved),
		TEST(test_limits),
		TEST(test_interface_missing_at_start),
		TEST(test_two_agents),
		TEST(test_garbage_ends_it),
		TEST(test_other_user),
		TEST(test_end_leaves_all),
		/* Last, since it makes the interface anew. */
		TEST(test_interface_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
