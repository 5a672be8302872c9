// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Outer sources: as configured, a prefix, or the interface's.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "config.h"
#include "maps_source.h"
#include "util.h"
#include "xdp_net.h"

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void assert_addr(struct addr a, const char *text)
{
	char buf[ADDR_STRLEN];

	assert_string_equal(addr_str(&a, buf), text);
}

static struct config config_of(const char *ifname)
{
	struct config cfg;

	config_init(&cfg);
	cfg.n_interfaces = 1;
	snprintf(cfg.interfaces[0], sizeof(cfg.interfaces[0]), "%s", ifname);
	return cfg;
}

static void test_configured(void **state _unused_)
{
	struct config cfg = config_of("there-is-none");
	struct maps_sources s;

	maps_source_get(&cfg, &s);
	assert_true(addr_is_unspecified(&s.v4.addr) && addr_is_unspecified(&s.v6.addr));
	cfg.has_source4 = cfg.has_source6 = true;
	cfg.source4 = addr_of("192.0.2.1");
	cfg.source6 = addr_of("2001:db8::2");
	maps_source_get(&cfg, &s);
	assert_addr(s.v4.addr, "192.0.2.1");
	assert_addr(maps_source_one(&s.v4), "192.0.2.1");
	assert_int_equal(s.v4.mask, 0);
	assert_addr(maps_source_one(&s.v6), "2001:db8::2");
	assert_int_equal(s.v6.mask, 0);
}

static void test_prefix(void **state _unused_)
{
	static const struct {
		uint8_t plen4, plen6;
		uint32_t mask;
	} all[] = {
		{32, 128, 0}, {31, 127, 1}, {24, 120, 0xff}, {20, 116, 0xfff}, {8, 104, 0xffffff}};
	struct config cfg = config_of("there-is-none");
	struct maps_sources s;

	cfg.has_source4 = cfg.has_source6 = true;
	cfg.source4 = addr_of("10.0.0.0");
	cfg.source6 = addr_of("2001:db8::");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		cfg.source4_plen = all[i].plen4;
		cfg.source6_plen = all[i].plen6;
		maps_source_get(&cfg, &s);
		assert_int_equal(ntohl(s.v4.mask), all[i].mask);
		assert_int_equal(ntohl(s.v6.mask), all[i].mask);
		assert_addr(s.v4.addr, "10.0.0.0");
		assert_addr(maps_source_one(&s.v4), i ? "10.0.0.1" : "10.0.0.0");
		assert_addr(maps_source_one(&s.v6), i ? "2001:db8::1" : "2001:db8::");
	}
	cfg.source6_plen = 96;
	maps_source_get(&cfg, &s);
	assert_int_equal(s.v6.mask, 0xffffffff);
}

static void test_interface(void **state _unused_)
{
	struct config cfg = config_of("a0");
	struct maps_sources s;

	if (!xdp_net_enter()) {
		print_message("needs root and namespaces\n");
		skip();
	}
	xdp_net_run("ip link add a0 type veth peer name a1");
	xdp_net_run("ip link set a0 up");
	xdp_net_run("ip link set a1 up");
	xdp_net_run("ip addr add 169.254.1.1/16 dev a0");
	maps_source_get(&cfg, &s);
	/* Nobody further away can answer to a link-local address. */
	assert_true(addr_is_unspecified(&s.v4.addr) && addr_is_unspecified(&s.v6.addr));
	xdp_net_run("ip addr add 10.0.0.1/24 dev a0");
	xdp_net_run("ip addr add 10.0.0.2/24 dev a0");
	xdp_net_run("ip addr add fd00::1/64 dev a0 nodad");
	xdp_net_run("ip addr add 10.9.0.1/24 dev a1");
	maps_source_get(&cfg, &s);
	assert_addr(s.v4.addr, "10.0.0.1");
	assert_addr(s.v6.addr, "fd00::1");
	assert_int_equal(s.v4.mask | s.v6.mask, 0);
	cfg.has_source6 = true;
	cfg.source6 = addr_of("2001:db8::1");
	maps_source_get(&cfg, &s);
	assert_addr(s.v4.addr, "10.0.0.1");
	assert_addr(s.v6.addr, "2001:db8::1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_configured),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
