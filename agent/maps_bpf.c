// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Opening the data plane. The maps of one layout (version and sizes) are
 * pinned in a directory named after it. If all are there and what nlb_layout
 * says is true, the program is loaded onto them, and whatever they hold goes
 * on being used: a restart changes nothing. Otherwise the directory is filled
 * anew; maps of another layout are in another directory and stay untouched
 * until the new ones have taken over (maps_main.c).
 *
 * nlb_layout is pinned last: a directory without it was left half made.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"
#include "maps_bpf.h"
#include "maps_config.h"
#include "maps_dir.h"
#include "maps_flow.h"
#include "maps_fs.h"
#include "maps_source.h"
#include "nlb.skel.h"
#include "util.h"

#define LAYOUT_MAP "nlb_layout"

static size_t page_round(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page - 1) / page * page;
}

static int on_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char text[1024];
	int n;

	if (level == LIBBPF_DEBUG)
		return 0;
	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n > 0 && (size_t)n < sizeof(text) && text[n - 1] == '\n')
		text[n - 1] = '\0';
	log_debug("libbpf", "text=\"%s\"", text);
	return n;
}

static struct nlb_layout wanted_layout(const struct config *cfg)
{
	return (struct nlb_layout){
		.magic = NLB_LAYOUT_MAGIC,
		.version = NLB_LAYOUT_VERSION,
		.max_vips = cfg->max_vips,
		.max_services = cfg->max_services,
		.max_backends = cfg->max_backends,
		.ring_slots = cfg->ring_slots,
		.max_flows = cfg->max_flows,
	};
}

/* Elements of nlb_gone: several services of each backend. */
static uint32_t gone_max(const struct config *cfg)
{
	return MAX2(1024u, MIN2(cfg->max_backends, 1u << 20) * 4);
}

static int set_sizes(struct nlb *skel, const struct config *cfg)
{
	/* Number 0 of VIPs, services, backends and hops is none. */
	const struct {
		struct bpf_map *map;
		uint32_t n;
	} sizes[] = {
		{skel->maps.nlb_vip_dir, maps_dir_buckets(cfg->max_vips)},
		{skel->maps.nlb_vips, cfg->max_vips + 1},
		{skel->maps.nlb_vip_stats, cfg->max_vips + 1},
		{skel->maps.nlb_svc_dir, maps_dir_buckets(cfg->max_services)},
		{skel->maps.nlb_services, cfg->max_services + 1},
		{skel->maps.nlb_svc_stats, cfg->max_services + 1},
		{skel->maps.nlb_rings, cfg->ring_slots / 2},
		{skel->maps.nlb_backends, cfg->max_backends + 1},
		{skel->maps.nlb_hops, cfg->max_backends + 1},
		{skel->maps.nlb_be_stats, cfg->max_backends + 1},
		{skel->maps.nlb_numbers, cfg->max_backends},
		{skel->maps.nlb_quic_ids, cfg->max_backends},
		{skel->maps.nlb_gone, gone_max(cfg)},
		{skel->maps.nlb_flows, maps_flows_buckets(cfg->max_flows)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int r = bpf_map__set_max_entries(sizes[i].map, sizes[i].n);

		if (r < 0)
			return r;
	}
	return 0;
}

/* True when the pinned map is of the type and size that the program needs. */
static bool map_fits(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map) &&
	       info.map_flags == bpf_map__map_flags(map);
}

static bool layout_holds(int fd, const struct config *cfg)
{
	struct nlb_layout want = wanted_layout(cfg), have;
	uint32_t zero = 0;

	return bpf_map_lookup_elem(fd, &zero, &have) == 0 &&
	       memcmp(&want, &have, sizeof(want)) == 0;
}

static void pin_path(const char *dir, const char *name, char ret[static MAPS_FS_PATH_LEN])
{
	snprintf(ret, MAPS_FS_PATH_LEN, "%.*s/%s", MAPS_FS_PATH_LEN - 64, dir, name);
}

/*
 * Hands the pinned maps to the skeleton, all or none: it is opened anew by
 * the caller when this fails half way. Returns 0, -ENOENT: there are none;
 * -EINVAL: they are not what the program needs; -errno.
 */
static int adopt(struct nlb *skel, const struct config *cfg, const char *dir)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, skel->obj)
	{
		const char *name = bpf_map__name(map);
		_cleanup_close_ int fd = -1;
		char path[MAPS_FS_PATH_LEN];
		int r;

		pin_path(dir, name, path);
		fd = bpf_obj_get(path);
		if (fd < 0)
			return -errno;
		if (!map_fits(map, fd) || (strcmp(name, LAYOUT_MAP) == 0 && !layout_holds(fd, cfg)))
			return -EINVAL;
		r = bpf_map__reuse_fd(map, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static int pin_new(struct nlb *skel, const struct config *cfg, const char *dir)
{
	struct nlb_layout layout = wanted_layout(cfg);
	int fd = bpf_map__fd(skel->maps.nlb_layout);
	char path[MAPS_FS_PATH_LEN];
	struct bpf_map *map;
	uint32_t zero = 0;
	int r;

	r = maps_fs_mkdir(dir);
	if (r < 0)
		return r;
	bpf_object__for_each_map(map, skel->obj)
	{
		if (map == skel->maps.nlb_layout)
			continue;
		pin_path(dir, bpf_map__name(map), path);
		if (bpf_obj_pin(bpf_map__fd(map), path) < 0)
			return -errno;
	}
	if (bpf_map_update_elem(fd, &zero, &layout, BPF_ANY) < 0)
		return -errno;
	pin_path(dir, LAYOUT_MAP, path);
	return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
}

static int open_skeleton(const struct config *cfg, struct nlb **ret)
{
	struct nlb *skel = nlb__open();
	int r;

	if (!skel)
		return -errno;
	r = set_sizes(skel, cfg);
	if (r < 0) {
		nlb__destroy(skel);
		return r;
	}
	*ret = skel;
	return 0;
}

/* Maps the memory of an array; maps_bpf_done() lets go of it. NULL: it cannot be. */
static void *map_memory(struct maps_bpf *b, const struct bpf_map *map, size_t size)
{
	size_t len = page_round((size_t)bpf_map__max_entries(map) * size);
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	size_t i = 0;

	if (p == MAP_FAILED)
		return NULL;
	while (b->memory[i].at)
		i++;
	b->memory[i].at = p;
	b->memory[i].len = len;
	return p;
}

static int use(struct maps_bpf *b)
{
	struct nlb *skel = b->skel;

	b->prog_fd = bpf_program__fd(skel->progs.nlb);
	b->vips_fd = bpf_map__fd(skel->maps.nlb_vips);
	b->services_fd = bpf_map__fd(skel->maps.nlb_services);
	b->gone_fd = bpf_map__fd(skel->maps.nlb_gone);
	b->numbers_fd = bpf_map__fd(skel->maps.nlb_numbers);
	b->quic_ids_fd = bpf_map__fd(skel->maps.nlb_quic_ids);
	b->fragments_fd = bpf_map__fd(skel->maps.nlb_fragments);
	b->samples_fd = bpf_map__fd(skel->maps.nlb_samples);
	b->vip_dir_fd = bpf_map__fd(skel->maps.nlb_vip_dir);
	b->svc_dir_fd = bpf_map__fd(skel->maps.nlb_svc_dir);
	b->backends_fd = bpf_map__fd(skel->maps.nlb_backends);
	b->hops_fd = bpf_map__fd(skel->maps.nlb_hops);
	b->config_fd = bpf_map__fd(skel->maps.nlb_config);
	b->layout_fd = bpf_map__fd(skel->maps.nlb_layout);
	b->vip_stats_fd = bpf_map__fd(skel->maps.nlb_vip_stats);
	b->svc_stats_fd = bpf_map__fd(skel->maps.nlb_svc_stats);
	b->be_stats_fd = bpf_map__fd(skel->maps.nlb_be_stats);
	b->reasons_fd = bpf_map__fd(skel->maps.nlb_reasons);
	b->vip_buckets = bpf_map__max_entries(skel->maps.nlb_vip_dir);
	b->svc_buckets = bpf_map__max_entries(skel->maps.nlb_svc_dir);
	b->flow_buckets = bpf_map__max_entries(skel->maps.nlb_flows);
	b->max_gone = bpf_map__max_entries(skel->maps.nlb_gone);
	b->config = map_memory(b, skel->maps.nlb_config, sizeof(*b->config));
	b->vip_dir = map_memory(b, skel->maps.nlb_vip_dir, sizeof(*b->vip_dir));
	b->vips = map_memory(b, skel->maps.nlb_vips, sizeof(*b->vips));
	b->svc_dir = map_memory(b, skel->maps.nlb_svc_dir, sizeof(*b->svc_dir));
	b->services = map_memory(b, skel->maps.nlb_services, sizeof(*b->services));
	b->slots = map_memory(b, skel->maps.nlb_rings, sizeof(struct nlb_slots));
	b->backends = map_memory(b, skel->maps.nlb_backends, sizeof(*b->backends));
	b->hops = map_memory(b, skel->maps.nlb_hops, sizeof(*b->hops));
	b->flows = map_memory(b, skel->maps.nlb_flows, sizeof(*b->flows));
	if (!b->config || !b->vip_dir || !b->vips || !b->svc_dir || !b->services || !b->slots ||
	    !b->backends || !b->hops || !b->flows)
		return -ENOMEM;
	return maps_config_init(b);
}

int maps_bpf_open(const struct config *cfg, struct maps_bpf *b, char *err, size_t err_len)
{
	char dir[MAPS_FS_PATH_LEN];
	const char *what = "cannot open the BPF object";
	int r;

	*b = (struct maps_bpf){.cfg = cfg};
	libbpf_set_print(on_libbpf);
	maps_fs_layout_dir(cfg, dir);
	r = open_skeleton(cfg, &b->skel);
	if (r < 0)
		goto fail;
	r = adopt(b->skel, cfg, dir);
	b->adopted = r == 0;
	if (r == -EACCES || r == -EPERM) {
		what = "cannot open the pinned maps (made by another user?)";
		goto fail;
	}
	if (r < 0) {
		if (r != -ENOENT)
			log_warning("pinned maps do not fit, making new ones",
				    "path=\"%s\" error=\"%s\"", dir, strerror(-r));
		what = "cannot clear the directory of maps";
		r = maps_fs_remove_dir(dir);
		if (r < 0)
			goto fail;
		/* Some maps may have been handed over before one did not fit. */
		what = "cannot open the BPF object";
		nlb__destroy(b->skel);
		b->skel = NULL;
		r = open_skeleton(cfg, &b->skel);
		if (r < 0)
			goto fail;
	}
	what = "the kernel refused the program or its maps (log-level debug tells why)";
	r = nlb__load(b->skel);
	if (r < 0)
		goto fail;
	if (!b->adopted) {
		what = "cannot pin the maps";
		r = pin_new(b->skel, cfg, dir);
		if (r < 0)
			goto fail;
	}
	what = "cannot map the maps' memory";
	r = use(b);
	if (r < 0)
		goto fail;
	return 0;

fail:
	snprintf(err, err_len, "%s: %s (%s)", what, strerror(-r), dir);
	maps_bpf_done(b);
	return r;
}

void maps_bpf_done(struct maps_bpf *b)
{
	for (size_t i = 0; i < MAPS_BPF_MEMORY; i++)
		if (b->memory[i].at)
			munmap(b->memory[i].at, b->memory[i].len);
	nlb__destroy(b->skel);
	*b = (struct maps_bpf){};
}

int maps_bpf_repair_layout(const struct maps_bpf *b)
{
	struct nlb_layout want = wanted_layout(b->cfg);
	uint32_t zero = 0;

	if (layout_holds(b->layout_fd, b->cfg))
		return 0;
	return bpf_map_update_elem(b->layout_fd, &zero, &want, BPF_ANY) < 0 ? -errno : 1;
}

int maps_bpf_set_sources(struct maps_bpf *b)
{
	struct maps_sources sources;
	struct addr source4, source6;
	char text4[ADDR_STRLEN], text6[ADDR_STRLEN];

	maps_source_get(b->cfg, &sources);
	source4 = maps_source_one(&sources.v4);
	source6 = maps_source_one(&sources.v6);
	if (!maps_config_sources(b->config, &source4, &source6,
				 b->cfg->echo ? 0 : NLB_CONFIG_F_NO_ECHO))
		return 0;
	log_info("outer sources set", "source4=%s source6=%s",
		 addr_is_unspecified(&source4) ? "none" : addr_str(&source4, text4),
		 addr_is_unspecified(&source6) ? "none" : addr_str(&source6, text6));
	return 1;
}
