// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlbctl route: one question to the agent about one packet. The addresses are
 * checked here, so that nothing but an address gets into the request.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "addr.h"
#include "model.h"
#include "nlbctl.h"

struct endpoint {
	struct addr addr;
	unsigned int port;
};

static int usage(FILE *out)
{
	fputs("usage: nlbctl route [--established] [--interface NAME] [--json] SRC:PORT "
	      "VIP:PORT/tcp|udp\n"
	      "  An IPv6 address stands in brackets: [2001:db8::1]:443\n"
	      "  --established     TCP: a packet of a flow that is there already; else its SYN\n"
	      "  --interface NAME  as if it came in by this one; default: the first\n",
	      out);
	return out == stdout ? 0 : 2;
}

/* ADDRESS:PORT or [ADDRESS]:PORT, all of text. 0 or -EINVAL. */
static int parse_endpoint(const char *text, struct endpoint *ret)
{
	const char *colon = strrchr(text, ':');
	char addr[ADDR_STRLEN];
	size_t len;
	int used = 0;

	if (!colon || colon[1] < '0' || colon[1] > '9' ||
	    sscanf(colon + 1, "%5u%n", &ret->port, &used) != 1 || colon[1 + used] ||
	    ret->port > UINT16_MAX)
		return -EINVAL;
	len = (size_t)(colon - text);
	if (text[0] == '[' && len > 2 && text[len - 1] == ']') {
		text++;
		len -= 2;
	} else if (memchr(text, ':', len)) {
		return -EINVAL;
	}
	if (len >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, len);
	addr[len] = '\0';
	return addr_parse(addr, &ret->addr);
}

static int bad(const char *what)
{
	fprintf(stderr, "nlbctl: not %s\n", what);
	return usage(stderr);
}

static int make_path(char **args, bool established, const char *interface, struct sbuf *path)
{
	struct endpoint src, dst;
	char *slash = strrchr(args[1], '/'), a[ADDR_STRLEN], b[ADDR_STRLEN];
	uint8_t protocol;

	if (parse_endpoint(args[0], &src) < 0)
		return bad("a source ADDRESS:PORT");
	if (!slash || model_protocol_parse(slash + 1, &protocol) < 0)
		return bad("a destination that ends in /tcp or /udp");
	*slash = '\0';
	if (parse_endpoint(args[1], &dst) < 0)
		return bad("a destination ADDRESS:PORT/PROTO");
	if (interface && (!interface[0] || strpbrk(interface, "&#?%+/ ")))
		return bad("the name of an interface");
	sbuf_printf(path, "/v1/route?src=%s&sport=%u&vip=%s&dport=%u&protocol=%s",
		    addr_str(&src.addr, a), src.port, addr_str(&dst.addr, b), dst.port,
		    model_protocol_str(protocol));
	if (established)
		sbuf_puts(path, "&established=true");
	if (interface)
		sbuf_printf(path, "&interface=%s", interface);
	return 0;
}

int nlbctl_route(struct nlbctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{"established", no_argument, NULL, 'e'},
		{"interface", required_argument, NULL, 'i'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	_cleanup_sbuf_ struct sbuf path = SBUF_INIT;
	const char *interface = NULL;
	bool established = false;
	int opt, r;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "ei:jh", options, NULL)) != -1) {
		if (opt == 'e')
			established = true;
		else if (opt == 'i')
			interface = optarg;
		else if (opt == 'j')
			ctl->json = true;
		else
			return usage(opt == 'h' ? stdout : stderr);
	}
	if (argc - optind != 2)
		return usage(stderr);
	r = make_path(argv + optind, established, interface, &path);
	if (r)
		return r;
	if (!sbuf_ok(&path) || nlbctl_request(ctl, "GET", path.data, NULL) < 0)
		return 1;
	return nlbctl_show(ctl, nlbctl_print_route);
}
