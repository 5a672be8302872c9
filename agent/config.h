/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's configuration file: INI sections and "key = value" lines, read
 * once at start, before the children are forked, so that all three processes
 * share it. docs/agent.md is its specification.
 */
#ifndef NLB_AGENT_CONFIG_H
#define NLB_AGENT_CONFIG_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "addr.h"

#define CONFIG_INTERFACES_MAX 16
#define CONFIG_PATH_LEN	      512

enum config_xdp_mode {
	CONFIG_XDP_AUTO, /* native where the driver can, generic otherwise */
	CONFIG_XDP_NATIVE,
	CONFIG_XDP_GENERIC,
};

/* When too many backends fail at once (core_mass.c). */
enum config_mass_policy {
	CONFIG_MASS_HOLD,     /* the verdicts are held */
	CONFIG_MASS_WITHDRAW, /* ... and nlbd is told that the data plane is down */
	CONFIG_MASS_IGNORE,   /* nothing but the alarm */
};

struct config {
	/* [node] */
	char node_name[64];		 /* name; default: the host's */
	char state_dir[CONFIG_PATH_LEN]; /* state-dir; default /var/lib/nlb */
	char user[64];			 /* user; default "nlb"; "" keeps the caller's */
	int log_level;			 /* log-level; default info */

	/* [scheduler] */
	char sched_url[CONFIG_PATH_LEN]; /* url: file: unix: http: https:, or none */
	bool sched_none;		 /* ... there is no scheduler */
	char sched_ca[CONFIG_PATH_LEN];	 /* ca, cert, key: PEM files, "" = none */
	char sched_cert[CONFIG_PATH_LEN];
	char sched_key[CONFIG_PATH_LEN];
	uint32_t sched_wait_s;	     /* wait: long poll; default 30 */
	uint32_t sched_retry_ms;     /* retry-ms: first pause after an error; default 1000 */
	uint32_t max_remove_percent; /* max-remove-percent; default 50; 100 = off */
	uint32_t max_remove_min;     /* max-remove-min; default 10: as few always may go */

	/* [dataplane] */
	size_t n_interfaces; /* interface = NAME, may repeat; at least one */
	char interfaces[CONFIG_INTERFACES_MAX][IF_NAMESIZE];
	enum config_xdp_mode xdp_mode; /* mode; default auto */
	char bpf_dir[CONFIG_PATH_LEN]; /* bpf-dir; default /sys/fs/bpf/nlb */
	bool has_source4, has_source6; /* source4, source6: outer source address or prefix */
	struct addr source4, source6;  /* default: the first interface's first address */
	uint8_t source4_plen;	       /* 8 ... 32: one address */
	uint8_t source6_plen;	       /* 96 ... 128: one address */
	uint32_t max_vips;	       /* max-vips; default 4096 */
	uint32_t max_services;	       /* max-services; default 8192 */
	uint32_t max_backends;	       /* max-backends; default 65536 distinct addresses */
	uint32_t ring_slots;	       /* ring-slots; default 32 Mi slots of 4 bytes in all */
	uint32_t max_flows;	       /* max-flows: remembered at once; default 1 Mi of 8 bytes */
	uint32_t flow_idle_s;	       /* flow-idle: forgotten after this; default 900 */
	uint32_t hold_down_ms;	       /* hold-down-ms: withdrawal to map removal; default 5000 */
	uint32_t echo;		       /* echo: pings to VIPs are answered; 0 or 1, default 1 */

	/* [maps] */
	uint32_t check_interval_s; /* check-interval: between checks; 0: none; default 600 */

	/* [nlbd] */
	char nlbd_socket[CONFIG_PATH_LEN]; /* socket; default /var/run/frr/nlbd-agent.sock */

	/* [api] */
	char api_socket[CONFIG_PATH_LEN]; /* socket; default /run/nlb/agent.sock */
	char api_group[64];		  /* group that may connect; "" = only root and user */

	/* [health] */
	char hc_ca[CONFIG_PATH_LEN];   /* ca: for verify; "" = the system's */
	char hc_cert[CONFIG_PATH_LEN]; /* cert, key: PEM files, shown to servers; "" = none */
	char hc_key[CONFIG_PATH_LEN];
	uint32_t hc_shards;	/* shards; 0: by CPU */
	uint32_t hc_max_fds;	/* max-fds; 0: what the system allows */
	uint32_t hc_start_rate; /* start-rate: first probes a second; default 20000, 0: at once */
	uint32_t hc_host_rate;	/* host-rate: probes a second and target; default 1000, 0: any */
	char results_dir[CONFIG_PATH_LEN];   /* results-dir: health from outside; "" = none */
	uint32_t mass_percent;		     /* mass-failure-percent; default 50; 100 = off */
	uint32_t mass_min;		     /* mass-failure-min: backends at least; default 10 */
	uint32_t mass_max_s;		     /* mass-failure-max: held at most; default 0: no end */
	enum config_mass_policy mass_policy; /* mass-failure-policy; default hold */
	uint32_t tunnel_mark;	  /* tunnel-mark: upper bits of probes' marks; 0x4e400000 */
	uint32_t tunnel_table;	  /* tunnel-table: of their routes; default 1252 */
	uint32_t tunnel_priority; /* tunnel-priority: of the rules that lead there; 100 */
};

/* Everything at its default. */
void config_init(struct config *c);

/*
 * Reads and checks the file. Returns 0; -ENOENT and the like when it can't be
 * read; -EINVAL with err = "FILE:LINE: what is wrong" (unknown section, key,
 * bad value, a required key missing). *ret is untouched on failure.
 */
int config_load(const char *path, struct config *ret, char *err, size_t err_len);

#endif
