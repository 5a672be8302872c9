// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bytes of both formats, on a little-endian machine, and what tcpdump
 * makes of them where there is one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "pcap.h"
#include "temp_dir.h"
#include "util.h"

/* 192.0.2.7:1000 > 192.0.2.10:80 UDP without payload. */
static const uint8_t frame[] = {
	2, 0,  0,  0, 0, 1,   2, 0, 0, 0,   0, 2, 8,  0,    0x45, 0, 0,	 28, 0, 0, 0,
	0, 64, 17, 0, 0, 192, 0, 2, 7, 192, 0, 2, 10, 0x03, 0xe8, 0, 80, 0,  8, 0, 0,
};

/* 2026-11-23 00:00:00.000000001 UTC */
#define TIME_NS 1795392000000000001ull

static const struct pcap_packet packet = {
	.time_ns = TIME_NS,
	.data = frame,
	.cap_len = sizeof(frame),
	.len = 1500,
	.interface = "eth0",
	.comment = "why",
};

static void check(const struct sbuf *b, const char *want, size_t len)
{
	assert_true(sbuf_ok(b));
	assert_int_equal(b->len, len);
	assert_memory_equal(b->data, want, len);
}

static void test_classic(void **state)
{
	static const char want[] =
		"\x4d\x3c\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00"
		"\x00\x00\x04\x00\x01\x00\x00\x00"
		"\x00\x82\x03\x6b\x01\x00\x00\x00\x03\x00\x00\x00\xdc\x05\x00\x00"
		"\x02\x00\x00";
	_cleanup_sbuf_ struct sbuf b = SBUF_INIT;
	struct pcap_packet pkt = packet;
	struct pcap p;

	(void)state;
	pkt.cap_len = 3;
	pcap_begin(&p, &b, false);
	pcap_write(&p, &pkt);
	check(&b, want, sizeof(want) - 1);
}

static void test_ng(void **state)
{
	static const char head[] =
		"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00"
		"\xff\xff\xff\xff\xff\xff\xff\xff\x1c\x00\x00\x00";
	static const char interface[] = "\x01\x00\x00\x00\x28\x00\x00\x00\x01\x00\x00\x00"
					"\x00\x00\x04\x00"
					"\x02\x00\x04\x00"
					"eth0"
					"\x09\x00\x01\x00\x09\x00\x00\x00"
					"\x00\x00\x00\x00\x28\x00\x00\x00";
	static const char block[] =
		"\x06\x00\x00\x00\x30\x00\x00\x00\x00\x00\x00\x00"
		"\x9d\x8c\xea\x18\x01\x00\xd8\x23\x03\x00\x00\x00\xdc\x05\x00\x00"
		"\x02\x00\x00\x00"
		"\x01\x00\x03\x00why\x00\x00\x00\x00\x00\x30\x00\x00\x00";
	_cleanup_sbuf_ struct sbuf b = SBUF_INIT;
	struct pcap_packet pkt = packet;
	struct pcap p;
	uint64_t ts = TIME_NS;
	char want[sizeof(block)];

	(void)state;
	pkt.cap_len = 3;
	pcap_begin(&p, &b, true);
	check(&b, head, sizeof(head) - 1);
	sbuf_reset(&b);
	pcap_write(&p, &pkt);
	/* The time, as two words with the upper one first. */
	memcpy(want, block, sizeof(block));
	for (int i = 0; i < 4; i++) {
		want[12 + i] = (char)(ts >> (32 + 8 * i));
		want[16 + i] = (char)(ts >> (8 * i));
	}
	assert_int_equal(b.len, sizeof(interface) - 1 + sizeof(block) - 1);
	assert_memory_equal(b.data, interface, sizeof(interface) - 1);
	assert_memory_equal(b.data + sizeof(interface) - 1, want, sizeof(block) - 1);
	/* An interface is announced once. */
	sbuf_reset(&b);
	pcap_write(&p, &pkt);
	check(&b, want, sizeof(block) - 1);
}

/* More interfaces than there can be: nothing is written past the table. */
static void test_many_interfaces(void **state)
{
	_cleanup_sbuf_ struct sbuf b = SBUF_INIT;
	struct pcap_packet pkt = packet;
	char name[64];
	struct pcap p;

	(void)state;
	pkt.interface = name;
	pcap_begin(&p, &b, true);
	for (int i = 0; i < 2 * PCAP_INTERFACES_MAX; i++) {
		snprintf(name, sizeof(name), "%d-interface-with-a-long-name", i);
		pcap_write(&p, &pkt);
	}
	assert_int_equal(p.n_names, PCAP_INTERFACES_MAX);
	assert_true(sbuf_ok(&b));
	assert_int_equal(b.len % 4, 0);
}

/* The file is read by tcpdump, which knows both. */
static void test_tcpdump(void **state)
{
	char *dir, command[512], line[256] = "";
	struct pcap_packet pkt = packet;

	(void)state;
	if (access("/usr/bin/tcpdump", X_OK) < 0 && access("/usr/sbin/tcpdump", X_OK) < 0) {
		print_message("no tcpdump\n");
		skip();
	}
	dir = temp_dir_new();
	for (int ng = 0; ng < 2; ng++) {
		_cleanup_sbuf_ struct sbuf b = SBUF_INIT;
		struct pcap p;
		FILE *f;

		pkt.len = pkt.cap_len;
		pcap_begin(&p, &b, ng);
		pcap_write(&p, &pkt);
		f = fopen(temp_dir_path(dir, "x.pcap"), "we");
		assert_non_null(f);
		assert_int_equal(fwrite(b.data, 1, b.len, f), b.len);
		fclose(f);
		snprintf(command, sizeof(command),
			 "TZ=UTC tcpdump -tttt -nn --nano -r %s 2>/dev/null",
			 temp_dir_path(dir, "x.pcap"));
		f = popen(command, "re");
		assert_non_null(f);
		assert_non_null(fgets(line, sizeof(line), f));
		assert_int_equal(pclose(f), 0);
		assert_string_equal(line, "2026-11-23 00:00:00.000000001 IP 192.0.2.7.1000 > "
					  "192.0.2.10.80: UDP, length 0\n");
	}
	temp_dir_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classic),
		cmocka_unit_test(test_ng),
		cmocka_unit_test(test_many_interfaces),
		cmocka_unit_test(test_tcpdump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
