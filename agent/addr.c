// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses and prefixes: text, the 16-byte form, and sockaddr. No I/O and no state.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "util.h"

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool addr_is_v4(const struct addr *a)
{
	return memcmp(a->b, v4_prefix, sizeof(v4_prefix)) == 0;
}

int addr_parse(const char *text, struct addr *ret)
{
	struct addr a;

	if (inet_pton(AF_INET, text, a.b + sizeof(v4_prefix)) == 1)
		memcpy(a.b, v4_prefix, sizeof(v4_prefix));
	else if (inet_pton(AF_INET6, text, a.b) != 1)
		return -EINVAL;
	*ret = a;
	return 0;
}

bool addr_is_unspecified(const struct addr *a)
{
	static const uint8_t zero[16];

	if (addr_is_v4(a))
		return memcmp(a->b + 12, zero, 4) == 0;
	return memcmp(a->b, zero, sizeof(zero)) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	if (addr_is_v4(a))
		return a->b[12] == 127;
	return memcmp(a->b, loopback6, sizeof(loopback6)) == 0;
}

bool addr_is_host(const struct addr *a)
{
	if (addr_is_unspecified(a))
		return false;
	if (addr_is_v4(a)) {
		/* 0/8, 169.254/16, 224/4 and 240/4 name no single host. */
		if (a->b[12] == 0 || a->b[12] >= 224)
			return false;
		return !(a->b[12] == 169 && a->b[13] == 254);
	}
	if (a->b[0] == 0xff)
		return false;
	return !(a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80);
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

static char *octet_str(char *at, uint8_t octet)
{
	if (octet >= 100)
		*at++ = (char)('0' + octet / 100);
	if (octet >= 10)
		*at++ = (char)('0' + octet / 10 % 10);
	*at++ = (char)('0' + octet % 10);
	return at;
}

/* inet_ntop() does this by sprintf(), which health probes feel. */
static void v4_str(const uint8_t octets[4], char *at)
{
	for (int i = 0; i < 4; i++) {
		at = octet_str(at, octets[i]);
		*at++ = i < 3 ? '.' : '\0';
	}
}

const char *addr_str(const struct addr *a, char buf[static ADDR_STRLEN])
{
	if (addr_is_v4(a))
		v4_str(a->b + sizeof(v4_prefix), buf);
	else if (!inet_ntop(AF_INET6, a->b, buf, ADDR_STRLEN))
		buf[0] = '\0';
	return buf;
}

/* ---- prefixes ---- */

#define V4_BITS (8 * sizeof(v4_prefix))

int addr_plen_parse(const char *text, const struct addr *a, uint8_t *ret)
{
	unsigned int base = addr_is_v4(a) ? V4_BITS : 0, n;
	int used = 0;

	if (text[0] < '0' || text[0] > '9' || sscanf(text, "%3u%n", &n, &used) != 1 || text[used] ||
	    n > ADDR_PLEN_HOST - base)
		return -EINVAL;
	*ret = (uint8_t)(base + n);
	return 0;
}

int addr_prefix_parse(const char *text, struct addr *ret, uint8_t *ret_plen)
{
	const char *slash = strchrnul(text, '/');
	char copy[ADDR_STRLEN];
	uint8_t plen = ADDR_PLEN_HOST;
	struct addr a;

	if ((size_t)(slash - text) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, (size_t)(slash - text));
	copy[slash - text] = '\0';
	if (addr_parse(copy, &a) < 0 || (*slash && addr_plen_parse(slash + 1, &a, &plen) < 0))
		return -EINVAL;
	*ret = a;
	*ret_plen = plen;
	return 0;
}

const char *addr_prefix_str(const struct addr *a, uint8_t plen, char buf[static ADDR_STRLEN])
{
	size_t len;

	addr_str(a, buf);
	len = strlen(buf);
	if (plen < ADDR_PLEN_HOST)
		snprintf(buf + len, ADDR_STRLEN - len, "/%u",
			 plen - (addr_is_v4(a) ? (unsigned int)V4_BITS : 0));
	return buf;
}

bool addr_same_prefix(const struct addr *a, const struct addr *b, uint8_t plen)
{
	unsigned int whole = plen / 8, rest = plen % 8;

	if (memcmp(a->b, b->b, whole) != 0)
		return false;
	return !rest || ((a->b[whole] ^ b->b[whole]) >> (8 - rest)) == 0;
}

bool addr_is_prefix(const struct addr *a, uint8_t plen)
{
	for (unsigned int i = plen; i < ADDR_PLEN_HOST; i++)
		if (a->b[i / 8] & (0x80 >> (i % 8)))
			return false;
	return true;
}

socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (addr_is_v4(a)) {
		struct sockaddr_in *sin = (struct sockaddr_in *)ss;

		sin->sin_family = AF_INET;
		sin->sin_port = htons(port);
		memcpy(&sin->sin_addr, a->b + sizeof(v4_prefix), 4);
		return sizeof(*sin);
	}

	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ss;

	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(port);
	memcpy(&sin6->sin6_addr, a->b, sizeof(a->b));
	return sizeof(*sin6);
}

int addr_from_sockaddr(const struct sockaddr_storage *ss, struct addr *ret)
{
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *sin = (const struct sockaddr_in *)ss;

		memcpy(ret->b, v4_prefix, sizeof(v4_prefix));
		memcpy(ret->b + sizeof(v4_prefix), &sin->sin_addr, 4);
		return 0;
	}
	if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)ss;

		memcpy(ret->b, &sin6->sin6_addr, sizeof(ret->b));
		return 0;
	}
	return -EAFNOSUPPORT;
}
