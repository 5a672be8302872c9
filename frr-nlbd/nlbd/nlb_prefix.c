// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VIP's prefix: text and order. str2prefix() is not used on what a peer says: it takes short
 * forms of addresses, and anything for a length.
 */

#include <zebra.h>

#include "nlbd/nlb_prefix.h"

static unsigned int max_len(const struct prefix *p)
{
	return p->family == AF_INET ? IPV4_MAX_BITLEN : IPV6_MAX_BITLEN;
}

/* Up to three digits, and nothing else. */
static int parse_len(const char *str, unsigned int max, uint8_t *ret_len)
{
	unsigned long len;
	char *end;

	if (!isdigit((unsigned char)*str) || strlen(str) > 3)
		return -EINVAL;
	len = strtoul(str, &end, 10);
	if (*end || len > max)
		return -EINVAL;
	*ret_len = len;
	return 0;
}

int nlb_prefix_parse(const char *str, struct prefix *ret_prefix)
{
	const char *slash = strchr(str, '/');
	struct prefix p = {}, masked;
	char host[INET6_ADDRSTRLEN];
	struct ipaddr address;

	if (strlcpy(host, str, sizeof(host)) >= sizeof(host) && !slash)
		return -EINVAL;
	if (slash) {
		if ((size_t)(slash - str) >= sizeof(host))
			return -EINVAL;
		host[slash - str] = '\0';
	}
	if (str2ipaddr(host, &address) < 0)
		return -EINVAL;

	p.family = ipaddr_family(&address);
	if (IS_IPADDR_V4(&address))
		p.u.prefix4 = address.ipaddr_v4;
	else
		p.u.prefix6 = address.ipaddr_v6;
	p.prefixlen = max_len(&p);
	if (slash) {
		uint8_t len;

		if (parse_len(slash + 1, max_len(&p), &len) < 0)
			return -EINVAL;
		p.prefixlen = len;
	}

	prefix_copy(&masked, &p);
	apply_mask(&masked);
	if (!prefix_same(&masked, &p))
		return -EINVAL;
	*ret_prefix = p;
	return 0;
}

const char *nlb_prefix_str(const struct prefix *p, char *buf, size_t len)
{
	if (nlb_prefix_is_host(p))
		return inet_ntop(p->family, &p->u.prefix, buf, len);
	return prefix2str(p, buf, len);
}

int nlb_prefix_cmp(const struct prefix *a, const struct prefix *b)
{
	struct ipaddr address_a = nlb_prefix_address(a), address_b = nlb_prefix_address(b);
	int cmp = ipaddr_cmp(&address_a, &address_b);

	return cmp ? cmp : numcmp(a->prefixlen, b->prefixlen);
}

bool nlb_prefix_is_host(const struct prefix *p)
{
	return p->prefixlen == max_len(p);
}

struct ipaddr nlb_prefix_address(const struct prefix *p)
{
	struct ipaddr address = {};

	if (p->family == AF_INET) {
		SET_IPADDR_V4(&address);
		address.ipaddr_v4 = p->u.prefix4;
	} else {
		SET_IPADDR_V6(&address);
		address.ipaddr_v6 = p->u.prefix6;
	}
	return address;
}
