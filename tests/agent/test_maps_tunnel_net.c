// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rules and routes of checks through the tunnel: put back, removed, left over by another
 * agent, following the interfaces, and said to be shut where a probe would tell a lie.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "maps_tunnel.h"
#include "table_fixture.h"
#include "tunnel_fixture.h"
#include "util.h"
#include "xdp_net.h"

/* A probe that cannot get into the tunnel must fail here, and at once. */
static void test_interface_down(void **state)
{
	unsigned int n;
	uint32_t mark;

	(void)state;
	TUNNEL_FX_NEEDED();
	mark = maps_host_tunnel(&tunnel_fx_host, "10.0.0.11");
	assert_int_equal(tunnel_fx_probe_error(TUNNEL_FX_VIP4, mark), 0);
	xdp_net_run("ip route del blackhole " TUNNEL_FX_VIP4);
	xdp_net_run("ip link set lb0 down");
	assert_int_equal(tunnel_fx_probe_error(TUNNEL_FX_VIP4, mark), EINVAL);
	assert_int_equal(tunnel_fx_probe_error(TUNNEL_FX_VIP6, mark), EINVAL);
	for (n = 0; tunnel_fx_host.tunnel_state.up[0] && n < 500; n++)
		maps_host_linger(&tunnel_fx_host, 20);
	assert_memory_equal(tunnel_fx_host.tunnel_state.up, ((uint8_t[]){0, 0}), 2);
	assert_non_null(strstr(tunnel_fx_host.tunnel_state.reason[0], "is up"));
	xdp_net_run("ip link set lb0 up");
	for (n = 0; !tunnel_fx_host.tunnel_state.up[0] && n < 500; n++)
		maps_host_linger(&tunnel_fx_host, 20);
	assert_memory_equal(tunnel_fx_host.tunnel_state.up, ((uint8_t[]){1, 1}), 2);
	assert_int_equal(tunnel_fx_probe_error(TUNNEL_FX_VIP4, mark), 0);
}

/* Is a probe with the mark brought to the table? Without, the VIP is a blackhole. */
static bool led(uint32_t mark)
{
	return tunnel_fx_probe_error(TUNNEL_FX_VIP4, mark) == 0 &&
	       tunnel_fx_probe_error(TUNNEL_FX_VIP6, mark) == 0;
}

/* Has a probe of the VIP this source, and room for so much before the tunnel? */
static bool leaves_by(const char *vip, uint32_t mark, const char *source, int mtu)
{
	struct sockaddr_storage ss = {};
	socklen_t len = sizeof(ss);
	struct addr want, have;
	int fd, err, room = 0;
	bool v4;

	assert_int_equal(addr_parse(source, &want), 0);
	v4 = addr_is_v4(&want);
	fd = tunnel_fx_probe(vip, mark, &err);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(addr_from_sockaddr(&ss, &have), 0);
	len = sizeof(room);
	getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &room, &len);
	close(fd);
	return !err && addr_cmp(&want, &have) == 0 && room == mtu;
}

/* While one interface is up, there is a way, whichever it is. */
static void test_two_interfaces(void **state)
{
	uint32_t mark;

	(void)state;
	TUNNEL_FX_NEEDED();
	maps_host_stop(&tunnel_fx_host);
	xdp_net_run("ip link add lb2 type veth peer name lb3");
	xdp_net_run("ip link set lb3 up");
	xdp_net_run("ip link set lb2 mtu 1400 up");
	xdp_net_run("ip addr add 10.2.0.1/24 dev lb2");
	xdp_net_run("ip addr add fd02::1/64 dev lb2 nodad");
	xdp_net_sysctl("ipv6/conf/lb0/keep_addr_on_down", "1");
	snprintf(tunnel_fx_host.cfg.interfaces[tunnel_fx_host.cfg.n_interfaces++], IF_NAMESIZE,
		 "lb2");
	tunnel_fx_start();
	mark = maps_host_tunnel(&tunnel_fx_host, "10.0.0.11");
	assert_true(led(mark));
	for (unsigned int i = 0; i < 2; i++) {
		bool moved = false;

		xdp_net_run("ip link set lb%u down", i ? 2 : 0);
		for (unsigned int n = 0; !moved && n < 500; n++) {
			maps_host_linger(&tunnel_fx_host, 20);
			moved = leaves_by(TUNNEL_FX_VIP4, mark, i ? "10.0.0.1" : "10.2.0.1",
					  i ? 1460 : 1360) &&
				leaves_by(TUNNEL_FX_VIP6, mark, i ? "fd00::1" : "fd02::1",
					  i ? 1460 : 1360);
		}
		assert_true(moved);
		xdp_net_run("ip link set lb%u up", i ? 2 : 0);
	}
	assert_memory_equal(tunnel_fx_host.tunnel_state.up, ((uint8_t[]){1, 1}), 2);
}

/* Answers would be thrown away: it is this node's fault, and no backend's. */
static void test_rp_filter(void **state)
{
	unsigned int n;

	(void)state;
	TUNNEL_FX_NEEDED();
	maps_host_tunnel(&tunnel_fx_host, "10.0.0.11");
	assert_int_equal(tunnel_fx_host.tunnel_state.up[0], 1);
	xdp_net_sysctl("ipv4/conf/lb0/rp_filter", "2");
	for (n = 0; tunnel_fx_host.tunnel_state.up[0] && n < 500; n++)
		maps_host_linger(&tunnel_fx_host, 20);
	assert_memory_equal(tunnel_fx_host.tunnel_state.up, ((uint8_t[]){0, 1}), 2);
	assert_string_equal(tunnel_fx_host.tunnel_state.reason[0],
			    "net.ipv4.conf.lb0.rp_filter must be 0");
	xdp_net_sysctl("ipv4/conf/lb0/rp_filter", "0");
	for (n = 0; !tunnel_fx_host.tunnel_state.up[0] && n < 500; n++)
		maps_host_linger(&tunnel_fx_host, 20);
	xdp_net_sysctl("ipv4/conf/all/rp_filter", "1");
	for (n = 0; tunnel_fx_host.tunnel_state.up[0] && n < 500; n++)
		maps_host_linger(&tunnel_fx_host, 20);
	assert_string_equal(tunnel_fx_host.tunnel_state.reason[0],
			    "net.ipv4.conf.all.rp_filter must be 0");
}

/* What others take away is put back. */
static void test_put_back(void **state)
{
	static const char *const taken[] = {
		"ip rule del priority 100",
		"ip -6 rule del priority 100",
		"ip route del default table 1252",
		"ip -6 route flush table 1252",
	};
	uint32_t mark;

	(void)state;
	TUNNEL_FX_NEEDED();
	mark = maps_host_tunnel(&tunnel_fx_host, "10.0.0.11");
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		assert_true(led(mark));
		xdp_net_run("%s", taken[i]);
		assert_false(led(mark));
		for (unsigned int n = 0; !led(mark) && n < 500; n++)
			maps_host_linger(&tunnel_fx_host, 20);
		assert_true(led(mark));
	}
	assert_int_equal(tunnel_fx_host.n_tunnel_states, 1);
}

/* Nothing is left: without a mark, at the end, and of an agent that was killed. */
static void test_removed(void **state)
{
	uint32_t mark;

	(void)state;
	TUNNEL_FX_NEEDED();
	mark = maps_host_tunnel(&tunnel_fx_host, "10.0.0.11");
	assert_true(led(mark));
	maps_host_tunnel_del(&tunnel_fx_host, "10.0.0.11");
	for (unsigned int n = 0; led(mark) && n < 500; n++)
		maps_host_linger(&tunnel_fx_host, 20);
	assert_false(led(mark));

	mark = maps_host_tunnel(&tunnel_fx_host, "10.0.0.12");
	assert_true(led(mark));
	assert_int_equal(maps_host_stop(&tunnel_fx_host), 0);
	assert_false(led(mark));

	maps_host_start(&tunnel_fx_host);
	mark = maps_host_tunnel(&tunnel_fx_host, "10.0.0.12");
	maps_host_kill(&tunnel_fx_host);
	assert_true(led(mark));
	/* Another one, which would have its own elsewhere, and leaves alone what is not ours. */
	xdp_net_run("ip rule add fwmark 0x4e400000/0xfff00000 table 99 priority 101");
	tunnel_fx_host.cfg.tunnel_table = 4711;
	tunnel_fx_host.cfg.tunnel_priority = 200;
	maps_host_start(&tunnel_fx_host);
	assert_false(led(mark));
	assert_int_not_equal(
		xdp_net_try("ip -6 route get fibmatch " TUNNEL_FX_VIP6 " mark %u", mark), 0);
	xdp_net_run("ip rule del priority 101");
	assert_int_not_equal(xdp_net_try("ip rule del priority 100"), 0);
	mark = maps_host_tunnel(&tunnel_fx_host, "10.0.0.12");
	assert_true(led(mark));
	xdp_net_run("ip rule del priority 200");
}

/* A mark keeps its backend's number; an address more than there are numbers gets none. */
static void test_numbers(void **state)
{
	uint32_t first;
	char text[ADDR_STRLEN];

	(void)state;
	TUNNEL_FX_NEEDED();
	first = maps_host_tunnel(&tunnel_fx_host, "10.0.0.11");
	assert_int_equal(maps_host_tunnel(&tunnel_fx_host, "10.0.0.11"), first);
	for (unsigned int i = 1; i < tunnel_fx_host.cfg.max_backends; i++) {
		snprintf(text, sizeof(text), "10.9.0.%u", i);
		assert_int_not_equal(maps_host_tunnel(&tunnel_fx_host, text), 0);
	}
	assert_int_equal(maps_host_tunnel(&tunnel_fx_host, "10.9.1.1"), 0);
	assert_int_equal(tunnel_fx_host.tunnel.error, -ENOSPC);
	maps_host_tunnel_del(&tunnel_fx_host, "10.9.0.1");
	assert_int_not_equal(maps_host_tunnel(&tunnel_fx_host, "10.9.1.1"), 0);
	maps_host_tunnel_del(&tunnel_fx_host, "10.9.9.9");
	assert_int_equal(maps_host_tunnel(&tunnel_fx_host, "10.0.0.11"), first);
}

/* ---- a kernel that does not take the program ---- */

static struct table_fx table;
static struct msg_tunnel answered;
static struct msg_tunnel_state said;

static void note(void *user, uint16_t type, const void *data, size_t len)
{
	(void)user;
	if (type == MSG_MAPS_TUNNEL) {
		assert_int_equal(len, sizeof(answered));
		memcpy(&answered, data, len);
		return;
	}
	assert_int_equal(type, MSG_MAPS_TUNNEL_STATE);
	assert_int_equal(len, sizeof(said));
	memcpy(&said, data, len);
}

static int table_setup(void **state)
{
	(void)state;
	return table_fx_setup(&table);
}

static int table_teardown(void **state)
{
	(void)state;
	return table_fx_teardown(&table);
}

static void test_no_program(void **state)
{
	struct maps_tunnel t = {.sock_fd = -1, .load_error = -EOPNOTSUPP};
	struct msg_tunnel ask = {.backend = table_fx_addr("10.0.0.1")};
	uint64_t counts[NLB_T_COUNT];

	(void)state;
	TABLE_FX_NEEDED(&table);
	assert_int_equal(maps_tunnel_init(&t, &table.host.cfg, &table.table.backends, note, NULL),
			 0);
	assert_int_equal(maps_tunnel_frame(&t, MSG_MAPS_TUNNEL_SET, &ask, sizeof(ask) - 1),
			 -EPROTO);
	assert_int_equal(maps_tunnel_frame(&t, MSG_MAPS_COMMIT, &ask, sizeof(ask)), -ENOENT);
	assert_int_equal(maps_tunnel_frame(&t, MSG_MAPS_TUNNEL_SET, &ask, sizeof(ask)), 0);
	assert_int_not_equal(answered.mark, 0);
	assert_memory_equal(said.up, ((uint8_t[]){0, 0}), 2);
	for (int f = 0; f < 2; f++)
		assert_string_equal(
			said.reason[f],
			"the kernel does not take the program: Operation not supported");
	assert_int_equal(maps_tunnel_counts(&t, counts), 0);
	assert_int_not_equal(xdp_net_try("ip rule del priority 100"), 0);
	maps_tunnel_done(&t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tunnel_fx_setup, tunnel_fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_interface_down),
		TEST(test_two_interfaces),
		TEST(test_rp_filter),
		cmocka_unit_test_setup_teardown(test_no_program, table_setup, table_teardown),
		TEST(test_put_back),
		TEST(test_removed),
		TEST(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
