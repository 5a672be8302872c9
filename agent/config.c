// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration file. libinih splits lines; a table says for each
 * section and key what its value is and where it goes. Lines are fed to inih
 * one at a time through our own reader, which counts them, so that every
 * complaint names its line.
 */
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "log.h"
#include "util.h"
#include "xdp/nlb_shared.h"

#define CONFIG_LINE_MAX 190 /* what every build of libinih takes in one piece */

enum config_kind {
	KIND_TEXT,
	KIND_PATH, /* absolute, or empty */
	KIND_U32,
	KIND_MARK,    /* bits of NLB_TUNNEL_MASK, hexadecimal or decimal */
	KIND_SOURCE4, /* an address or a prefix */
	KIND_SOURCE6,
	KIND_INTERFACE,
	KIND_MODE,
	KIND_MASS_POLICY,
	KIND_LOG_LEVEL,
	KIND_URL,
};

struct config_key {
	const char *section, *name;
	enum config_kind kind;
	size_t offset, size; /* in struct config */
	uint32_t min, max;   /* KIND_U32 */
};

#define AT(member)                                                                                 \
	.offset = offsetof(struct config, member), .size = sizeof(((struct config *)0)->member)

static const struct config_key config_keys[] = {
	{"node", "name", KIND_TEXT, AT(node_name)},
	{"node", "state-dir", KIND_PATH, AT(state_dir)},
	{"node", "user", KIND_TEXT, AT(user)},
	{"node", "log-level", KIND_LOG_LEVEL, AT(log_level)},
	{"scheduler", "url", KIND_URL, AT(sched_url)},
	{"scheduler", "ca", KIND_PATH, AT(sched_ca)},
	{"scheduler", "cert", KIND_PATH, AT(sched_cert)},
	{"scheduler", "key", KIND_PATH, AT(sched_key)},
	{"scheduler", "wait", KIND_U32, AT(sched_wait_s), 0, 3600},
	{"scheduler", "retry-ms", KIND_U32, AT(sched_retry_ms), 10, 600000},
	{"scheduler", "max-remove-percent", KIND_U32, AT(max_remove_percent), 0, 100},
	{"scheduler", "max-remove-min", KIND_U32, AT(max_remove_min), 0, UINT32_MAX},
	{"dataplane", "interface", KIND_INTERFACE, AT(interfaces)},
	{"dataplane", "mode", KIND_MODE, AT(xdp_mode)},
	{"dataplane", "bpf-dir", KIND_PATH, AT(bpf_dir)},
	{"dataplane", "source4", KIND_SOURCE4, AT(source4)},
	{"dataplane", "source6", KIND_SOURCE6, AT(source6)},
	{"dataplane", "max-vips", KIND_U32, AT(max_vips), 1, 1u << 20},
	{"dataplane", "max-services", KIND_U32, AT(max_services), 1, 1u << 22},
	{"dataplane", "max-backends", KIND_U32, AT(max_backends), 1, NLB_BACKEND_MAX},
	{"dataplane", "ring-slots", KIND_U32, AT(ring_slots), 65536, 1u << 30},
	{"dataplane", "max-flows", KIND_U32, AT(max_flows), 4096, 64u << 20},
	{"dataplane", "flow-idle", KIND_U32, AT(flow_idle_s), 60, 3600},
	{"dataplane", "hold-down-ms", KIND_U32, AT(hold_down_ms), 0, 3600000},
	{"dataplane", "echo", KIND_U32, AT(echo), 0, 1},
	{"maps", "check-interval", KIND_U32, AT(check_interval_s), 0, 86400},
	{"nlbd", "socket", KIND_PATH, AT(nlbd_socket)},
	{"api", "socket", KIND_PATH, AT(api_socket)},
	{"api", "group", KIND_TEXT, AT(api_group)},
	{"health", "ca", KIND_PATH, AT(hc_ca)},
	{"health", "cert", KIND_PATH, AT(hc_cert)},
	{"health", "key", KIND_PATH, AT(hc_key)},
	{"health", "shards", KIND_U32, AT(hc_shards), 0, 64},
	{"health", "max-fds", KIND_U32, AT(hc_max_fds), 0, 1 << 20},
	{"health", "start-rate", KIND_U32, AT(hc_start_rate), 0, 10000000},
	{"health", "host-rate", KIND_U32, AT(hc_host_rate), 0, 10000000},
	{"health", "results-dir", KIND_PATH, AT(results_dir)},
	{"health", "mass-failure-percent", KIND_U32, AT(mass_percent), 1, 100},
	{"health", "mass-failure-min", KIND_U32, AT(mass_min), 1, UINT32_MAX},
	{"health", "mass-failure-max", KIND_U32, AT(mass_max_s), 0, 86400},
	{"health", "mass-failure-policy", KIND_MASS_POLICY, AT(mass_policy)},
	{"health", "tunnel-mark", KIND_MARK, AT(tunnel_mark)},
	{"health", "tunnel-table", KIND_U32, AT(tunnel_table), 256, UINT32_MAX},
	{"health", "tunnel-priority", KIND_U32, AT(tunnel_priority), 1, 32765},
};

struct config_reader {
	struct config cfg;
	FILE *file;
	const char *path;
	unsigned int line;
	unsigned int set_at[ARRAY_SIZE(config_keys)]; /* line of a key, 0 = not given */
	bool failed;
	char *err;
	size_t err_len;
};

void config_init(struct config *c)
{
	*c = (struct config){
		.state_dir = "/var/lib/nlb",
		.user = "nlb",
		.log_level = LOG_INFO,
		.sched_wait_s = 30,
		.sched_retry_ms = 1000,
		.max_remove_percent = 50,
		.max_remove_min = 10,
		.xdp_mode = CONFIG_XDP_AUTO,
		.bpf_dir = "/sys/fs/bpf/nlb",
		.source4_plen = 32,
		.source6_plen = 128,
		.max_vips = 4096,
		.max_services = 8192,
		.max_backends = 65536,
		.ring_slots = 32u << 20,
		.max_flows = 1u << 20,
		.flow_idle_s = 900,
		.hold_down_ms = 5000,
		.echo = 1,
		.check_interval_s = 600,
		.hc_start_rate = 20000,
		.hc_host_rate = 1000,
		.nlbd_socket = "/var/run/frr/nlbd-agent.sock",
		.api_socket = "/run/nlb/agent.sock",
		.mass_percent = 50,
		.mass_min = 10,
		.mass_policy = CONFIG_MASS_HOLD,
		.tunnel_mark = 0x4e400000,
		.tunnel_table = 1252,
		.tunnel_priority = 100,
	};
	if (gethostname(c->node_name, sizeof(c->node_name)) < 0)
		c->node_name[0] = '\0';
	c->node_name[sizeof(c->node_name) - 1] = '\0';
}

/* Notes the first complaint; returns 0, which is inih's "wrong". */
static int complain(struct config_reader *rd, unsigned int line, const char *fmt, ...)
	_printf_(3, 4);
static int complain(struct config_reader *rd, unsigned int line, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	if (rd->failed)
		return 0;
	rd->failed = true;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(rd->err, rd->err_len, "%s:%u: %s", rd->path, line, what);
	return 0;
}

static int parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret)
{
	unsigned long n;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || n < min || n > max)
		return -EINVAL;
	*ret = (uint32_t)n;
	return 0;
}

static int set_mark(struct config_reader *rd, const struct config_key *k, const char *value)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(value, &end, 0);
	if (value[0] < '0' || value[0] > '9' || errno || *end || !n || n > UINT32_MAX ||
	    n & ~(unsigned long)NLB_TUNNEL_MASK)
		return complain(rd, rd->line, "%s must be bits of 0x%x", k->name, NLB_TUNNEL_MASK);
	rd->cfg.tunnel_mark = (uint32_t)n;
	return 1;
}

static int set_text(struct config_reader *rd, const struct config_key *k, const char *value)
{
	if (strlen(value) >= k->size)
		return complain(rd, rd->line, "%s is longer than %zu bytes", k->name, k->size - 1);
	memcpy((char *)&rd->cfg + k->offset, value, strlen(value) + 1);
	return 1;
}

/* True when the last n bits are all 0; at most 32 are asked for. */
static bool bits_clear(const struct addr *a, uint32_t n)
{
	uint32_t last = (uint32_t)a->b[12] << 24 | (uint32_t)a->b[13] << 16 |
			(uint32_t)a->b[14] << 8 | a->b[15];

	return !(last & (uint32_t)((1ull << n) - 1));
}

static int set_source(struct config_reader *rd, const struct config_key *k, const char *value)
{
	bool v4 = k->kind == KIND_SOURCE4;
	uint32_t bits = v4 ? 32 : 128, min = v4 ? 8 : 96, plen = bits;
	const char *slash = strchrnul(value, '/');
	char text[ADDR_STRLEN] = "";
	struct addr a;

	if ((size_t)(slash - value) < sizeof(text))
		memcpy(text, value, (size_t)(slash - value));
	if (addr_parse(text, &a) < 0 || addr_is_v4(&a) != v4 || addr_is_unspecified(&a))
		return complain(rd, rd->line, "%s must be an %s address or prefix", k->name,
				v4 ? "IPv4" : "IPv6");
	if (*slash && parse_u32(slash + 1, min, bits, &plen) < 0)
		return complain(rd, rd->line, "%s must have a prefix length from %u to %u", k->name,
				min, bits);
	if (!bits_clear(&a, bits - plen))
		return complain(rd, rd->line, "%s is no prefix: bits behind the first %u are set",
				k->name, plen);
	if (v4) {
		rd->cfg.source4 = a;
		rd->cfg.source4_plen = (uint8_t)plen;
		rd->cfg.has_source4 = true;
	} else {
		rd->cfg.source6 = a;
		rd->cfg.source6_plen = (uint8_t)plen;
		rd->cfg.has_source6 = true;
	}
	return 1;
}

static int set_interface(struct config_reader *rd, const char *value)
{
	struct config *c = &rd->cfg;

	if (!value[0] || strlen(value) >= IF_NAMESIZE || strpbrk(value, "/ \t"))
		return complain(rd, rd->line, "interface: \"%s\" is no interface name", value);
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (strcmp(c->interfaces[i], value) == 0)
			return complain(rd, rd->line, "interface %s is given twice", value);
	if (c->n_interfaces == CONFIG_INTERFACES_MAX)
		return complain(rd, rd->line, "more than %d interfaces", CONFIG_INTERFACES_MAX);
	memcpy(c->interfaces[c->n_interfaces++], value, strlen(value) + 1);
	return 1;
}

static int set_mode(struct config_reader *rd, const char *value)
{
	static const char *const names[] = {
		[CONFIG_XDP_AUTO] = "auto",
		[CONFIG_XDP_NATIVE] = "native",
		[CONFIG_XDP_GENERIC] = "generic",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(value, names[i]) == 0) {
			rd->cfg.xdp_mode = (enum config_xdp_mode)i;
			return 1;
		}
	}
	return complain(rd, rd->line, "mode must be auto, native or generic");
}

static int set_mass_policy(struct config_reader *rd, const char *value)
{
	static const char *const names[] = {
		[CONFIG_MASS_HOLD] = "hold",
		[CONFIG_MASS_WITHDRAW] = "withdraw",
		[CONFIG_MASS_IGNORE] = "ignore",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(value, names[i]) == 0) {
			rd->cfg.mass_policy = (enum config_mass_policy)i;
			return 1;
		}
	}
	return complain(rd, rd->line, "mass-failure-policy must be hold, withdraw or ignore");
}

static int set_url(struct config_reader *rd, const struct config_key *k, const char *value)
{
	static const char *const schemes[] = {"file:/", "unix:/", "http://", "https://"};

	rd->cfg.sched_none = strcmp(value, "none") == 0;
	if (rd->cfg.sched_none)
		return set_text(rd, k, value);
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (strncmp(value, schemes[i], strlen(schemes[i])) == 0 &&
		    value[strlen(schemes[i])] != '\0')
			return set_text(rd, k, value);
	return complain(rd, rd->line,
			"url must be file:/PATH, unix:/PATH, http://HOST or https://HOST, or none");
}

static int set_key(struct config_reader *rd, const struct config_key *k, const char *value)
{
	switch (k->kind) {
	case KIND_TEXT:
		return set_text(rd, k, value);
	case KIND_PATH:
		if (value[0] && value[0] != '/')
			return complain(rd, rd->line, "%s must be an absolute path", k->name);
		return set_text(rd, k, value);
	case KIND_U32:
		if (parse_u32(value, k->min, k->max,
			      (uint32_t *)(void *)((char *)&rd->cfg + k->offset)) < 0)
			return complain(rd, rd->line, "%s must be a number from %u to %u", k->name,
					k->min, k->max);
		return 1;
	case KIND_MARK:
		return set_mark(rd, k, value);
	case KIND_SOURCE4:
	case KIND_SOURCE6:
		return set_source(rd, k, value);
	case KIND_INTERFACE:
		return set_interface(rd, value);
	case KIND_MODE:
		return set_mode(rd, value);
	case KIND_MASS_POLICY:
		return set_mass_policy(rd, value);
	case KIND_LOG_LEVEL:
		if (log_level_parse(value) < 0)
			return complain(rd, rd->line,
					"log-level must be err, warning, notice, info or debug");
		rd->cfg.log_level = log_level_parse(value);
		return 1;
	case KIND_URL:
		return set_url(rd, k, value);
	}
	return 0;
}

static int on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct config_reader *rd = user;
	bool section_known = false;

	for (size_t i = 0; i < ARRAY_SIZE(config_keys); i++) {
		const struct config_key *k = &config_keys[i];

		if (strcmp(k->section, section) != 0)
			continue;
		section_known = true;
		if (strcmp(k->name, name) != 0)
			continue;
		if (rd->set_at[i] && k->kind != KIND_INTERFACE)
			return complain(rd, rd->line, "%s is already set in line %u", name,
					rd->set_at[i]);
		rd->set_at[i] = rd->line;
		return set_key(rd, k, value ? value : "");
	}
	if (!section[0])
		return complain(rd, rd->line, "%s stands before the first [section]", name);
	if (!section_known)
		return complain(rd, rd->line, "unknown section [%s]", section);
	return complain(rd, rd->line, "unknown key %s in section [%s]", name, section);
}

/* inih's fgets(): counts lines, and refuses what inih would cut in two. */
static char *read_line(char *buf, int len, void *stream)
{
	struct config_reader *rd = stream;
	size_t n;

	if (rd->failed || !fgets(buf, MIN2(len, CONFIG_LINE_MAX + 2), rd->file))
		return NULL;
	rd->line++;
	n = strlen(buf);
	if (n && buf[n - 1] != '\n' && !feof(rd->file)) {
		complain(rd, rd->line, "the line is longer than %d bytes or holds a NUL",
			 CONFIG_LINE_MAX);
		return NULL;
	}
	return buf;
}

static void check_whole(struct config_reader *rd)
{
	const struct config *c = &rd->cfg;

	if (!c->sched_url[0])
		complain(rd, rd->line, "[scheduler] lacks url");
	if (!c->n_interfaces)
		complain(rd, rd->line, "[dataplane] lacks interface");
	if (!c->node_name[0])
		complain(rd, rd->line, "[node] lacks name");
	if (strpbrk(c->node_name, "/?#% \t"))
		complain(rd, rd->line, "name must not hold blanks or any of / ? # %%");
	if (!c->state_dir[0])
		complain(rd, rd->line, "state-dir must not be empty");
	if (!c->sched_cert[0] != !c->sched_key[0])
		complain(rd, rd->line, "[scheduler] cert and key go together");
	if (!c->hc_cert[0] != !c->hc_key[0])
		complain(rd, rd->line, "[health] cert and key go together");
}

static void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

int config_load(const char *path, struct config *ret, char *err, size_t err_len)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	struct config_reader rd = {.path = path, .err = err, .err_len = err_len};
	int r;

	if (!file) {
		r = -errno;
		snprintf(err, err_len, "%s: %s", path, strerror(errno));
		return r;
	}
	config_init(&rd.cfg);
	rd.file = file;
	r = ini_parse_stream(read_line, &rd, on_pair, &rd);
	if (ferror(file)) {
		snprintf(err, err_len, "%s: cannot be read", path);
		return -EIO;
	}
	if (r < 0)
		return r == -2 ? -ENOMEM : -EIO;
	if (r > 0)
		complain(&rd, (unsigned int)r, "neither [section] nor key = value");
	if (!rd.failed)
		check_whole(&rd);
	if (rd.failed)
		return -EINVAL;
	*ret = rd.cfg;
	return 0;
}
