// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pure headers of xdp/ as plain C: checksums against the textbook's,
 * outer headers field by field, the hash against fixed values (all nodes of all
 * versions must agree on it) and for its spread, the parsers against a page
 * behind which no byte may be read.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "pkt.h"
#include "util.h"
#include "xdp/csum.h"
#include "xdp/decap.h"
#include "xdp/encap.h"
#include "xdp/hash.h"
#include "xdp/parse.h"

static void fill_random(void *data, size_t len)
{
	uint8_t *b = data;

	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)(rand() >> 7);
}

static void test_checksum(void **state _unused_)
{
	struct iphdr ip;

	srand(1);
	for (int i = 0; i < 20000; i++) {
		fill_random(&ip, sizeof(ip));
		/* Sums at the edge: mostly ones, mostly zeros. */
		if (i % 3 == 0)
			memset(&ip, 0xff, 8 + rand() % 12);
		if (i % 5 == 0)
			memset(&ip, 0, 8 + rand() % 12);
		ip.check = 0;
		assert_int_equal(nlb_csum_ip4(&ip), pkt_fold(pkt_sum(&ip, sizeof(ip), 0)));
	}
}

static void test_hop(void **state _unused_)
{
	struct iphdr ip;
	struct ipv6hdr ip6 = {.hop_limit = 2};

	srand(2);
	for (int i = 0; i < 20000; i++) {
		uint8_t ttl;

		fill_random(&ip, sizeof(ip));
		ip.ttl = (uint8_t)(2 + rand() % 254);
		/* Every now and then a header whose checksum comes out as 0 or nearly so. */
		ip.check = 0;
		if (i % 2) {
			ip.id = 0;
			ip.id = pkt_fold(pkt_sum(&ip, sizeof(ip), 0));
			ip.id = htons((uint16_t)(ntohs(ip.id) + i % 5));
		}
		ip.check = pkt_fold(pkt_sum(&ip, sizeof(ip), 0));
		ttl = ip.ttl;
		nlb_encap_hop4(&ip);
		assert_int_equal(ip.ttl, ttl - 1);
		/* A right header adds up to all ones. */
		assert_int_equal(pkt_fold(pkt_sum(&ip, sizeof(ip), 0)), 0);
	}
	nlb_encap_hop6(&ip6);
	assert_int_equal(ip6.hop_limit, 1);
}

static void test_outer4(void **state _unused_)
{
	struct nlb_encap e = {
		.inner_len = 1234, .hash = 0x12345678, .inner_v4 = 1, .dsfield = 0xb9};
	struct nlb_hop hop = {.ttl = 64, .source = {[12] = 10, 1, 2, 3}};
	_Alignas(4) struct iphdr ip;

	memset(&ip, 0x5a, sizeof(ip));
	nlb_encap_ip4(&ip, &e, &hop, inet_addr("10.4.5.6"));
	assert_int_equal(ip.version, 4);
	assert_int_equal(ip.ihl, 5);
	assert_int_equal(ip.tos, 0xb9);
	assert_int_equal(ntohs(ip.tot_len), 1254);
	assert_int_equal(ip.id, 0);
	assert_int_equal(ntohs(ip.frag_off), 0x4000);
	assert_int_equal(ip.ttl, 64);
	assert_int_equal(ip.protocol, IPPROTO_IPIP);
	assert_int_equal(ntohl(ip.saddr), 0x0a010203);
	assert_int_equal(ntohl(ip.daddr), 0x0a040506);
	assert_int_equal(pkt_fold(pkt_sum(&ip, sizeof(ip), 0)), 0);
	e.inner_v4 = 0;
	hop.source[15] = 0;
	hop.source_mask = htonl(0xff);
	nlb_encap_ip4(&ip, &e, &hop, inet_addr("10.4.5.6"));
	assert_int_equal(ip.protocol, IPPROTO_IPV6);
	assert_int_equal(ntohl(ip.saddr), 0x0a010278);
	assert_int_equal(pkt_fold(pkt_sum(&ip, sizeof(ip), 0)), 0);
}

static void test_outer6(void **state _unused_)
{
	struct nlb_encap e = {
		.inner_len = 1234, .hash = 0x1234abcd, .inner_v4 = 1, .dsfield = 0xb9};
	struct nlb_hop hop = {.ttl = 63};
	_Alignas(4) uint8_t dst[16];
	struct ipv6hdr ip;

	fill_random(hop.source, 16);
	fill_random(dst, 16);
	memset(&ip, 0x5a, sizeof(ip));
	nlb_encap_ip6(&ip, &e, &hop, dst);
	assert_memory_equal(&ip, "\x6b\x94\xab\xcd\x04\xd2\x04\x3f", 8);
	assert_memory_equal(&ip.saddr, hop.source, 16);
	assert_memory_equal(&ip.daddr, dst, 16);
	e.inner_v4 = 0;
	memset(hop.source + 12, 0, 4);
	hop.source_mask = htonl(0xffff);
	nlb_encap_ip6(&ip, &e, &hop, dst);
	assert_int_equal(ip.nexthdr, IPPROTO_IPV6);
	assert_memory_equal(&ip.saddr, hop.source, 12);
	assert_memory_equal(ip.saddr.s6_addr + 12, "\0\0\xab\xcd", 4);
}

static uint32_t hash4(uint32_t src, uint32_t dst, uint32_t both, uint8_t protocol)
{
	struct nlb_ip s = nlb_ip_v4(src), d = nlb_ip_v4(dst);

	return nlb_hash4(&s, &d, both, protocol);
}

static uint32_t hash6(const struct in6_addr *src, const struct in6_addr *dst, uint32_t both,
		      uint8_t protocol)
{
	struct nlb_ip s = nlb_ip_v6(src), d = nlb_ip_v6(dst);

	return nlb_hash6(&s, &d, both, protocol);
}

static uint32_t ports(uint16_t sport, uint16_t dport)
{
	const uint16_t both[2] = {htons(sport), htons(dport)};
	uint32_t word;

	memcpy(&word, both, 4);
	return word;
}

/* These values are part of the protocol between nodes: never change them. */
static void test_hash_for_ever(void **state _unused_)
{
	struct in6_addr a, b;

	assert_int_equal(hash4(inet_addr("198.51.100.7"), inet_addr("192.0.2.10"), ports(40000, 80),
			       IPPROTO_TCP),
			 0x19e6c20e);
	inet_pton(AF_INET6, "2001:db8:c::7", &a);
	inet_pton(AF_INET6, "2001:db8:f::10", &b);
	assert_int_equal(hash6(&a, &b, ports(40000, 53), IPPROTO_UDP), 0xe354cdb0);
}

/* Chi-squared over `size` slots: about size, with a deviation of sqrt(2 * size). */
static double spread(const uint32_t *count, uint32_t size, uint32_t n)
{
	double mean = (double)n / size, chi = 0;

	for (uint32_t i = 0; i < size; i++)
		chi += (count[i] - mean) * (count[i] - mean) / mean;
	return chi;
}

#define SLOTS 1009u
#define FLOWS 200000u

static void test_hash_spread(void **state _unused_)
{
	static uint32_t count[4][SLOTS];
	struct in6_addr a, b;
	double limit = SLOTS + 5 * 45; /* five deviations */

	inet_pton(AF_INET6, "2001:db8:c::7", &a);
	inet_pton(AF_INET6, "2001:db8:f::10", &b);
	for (uint32_t i = 0; i < FLOWS; i++) {
		uint32_t dst = inet_addr("192.0.2.10"), word = ports((uint16_t)(i % 60000), 80);

		/* One client's ports; many clients' one port; both; IPv6 by interface id. */
		count[0]
		     [nlb_hash_slot(hash4(htonl(0xc6336400 + i / 60000), dst, word, 6), SLOTS)]++;
		count[1]
		     [nlb_hash_slot(hash4(htonl(0x0a000000 + i), dst, ports(5, 80), 6), SLOTS)]++;
		count[2]
		     [nlb_hash_slot(hash4(htonl(0x0a000000 + (i << 12)), dst, word, 17), SLOTS)]++;
		a.s6_addr32[3] = htonl(i);
		count[3][nlb_hash_slot(hash6(&a, &b, ports(5, 80), 6), SLOTS)]++;
	}
	for (int k = 0; k < 4; k++)
		assert_true(spread(count[k], SLOTS, FLOWS) < limit);
}

static void test_slot_bounds(void **state _unused_)
{
	assert_int_equal(nlb_hash_slot(0, 13313), 0);
	assert_int_equal(nlb_hash_slot(UINT32_MAX, 13313), 13312);
	assert_int_equal(nlb_hash_slot(UINT32_MAX, 1), 0);
	assert_int_equal(nlb_hash_slot(UINT32_MAX, UINT32_MAX), UINT32_MAX - 1);
}

/*
 * Random bytes, cut to every length, at the end of a page that is followed by
 * none: a parser that looks behind `end` dies.
 */
static void test_parsers_stay_inside(void **state _unused_)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *map =
		mmap(NULL, page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *end = map + page;

	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(mprotect(end, page, PROT_NONE), 0);
	srand(3);
	for (int i = 0; i < 50000; i++) {
		size_t len = (size_t)(i % 25) * 4;
		uint8_t *l3 = end - len;
		struct nlb_packet pkt = {};
		struct nlb_tunnel t = {};

		fill_random(l3, len);
		if (len > 8 && i % 3) {
			static const uint8_t protocols[] = {4, 6, 17, 41, 1, 58};

			l3[0] = i % 2 ? (uint8_t)(0x40 | rand() % 16) : 0x60;
			l3[i % 2 ? 9 : 6] = protocols[rand() % 6];
			l3[2] = 0;
			l3[4] = 0;
			l3[6] &= i % 2 ? 0 : 0xff;
			l3[7] &= i % 2 ? 0 : 0xff;
		}
		nlb_parse4(l3, end, &pkt);
		nlb_parse6(l3, end, &pkt);
		nlb_decap_outer4(l3, end, &t);
		nlb_decap_outer6(l3, end, &t);
		t.inner_len = (uint32_t)len;
		nlb_decap_fix4(l3, end, &t);
		nlb_decap_fix6(l3, end, &t);
	}
	munmap(map, page * 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum),      cmocka_unit_test(test_hop),
		cmocka_unit_test(test_outer4),	      cmocka_unit_test(test_outer6),
		cmocka_unit_test(test_hash_for_ever), cmocka_unit_test(test_hash_spread),
		cmocka_unit_test(test_slot_bounds),   cmocka_unit_test(test_parsers_stay_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
