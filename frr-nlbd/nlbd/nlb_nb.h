/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Northbound of nlbd. Two module tables: frr_nlbd_info (configuration and state callbacks, in
 * nlbd) and frr_nlbd_cli_info (how configuration is shown, in mgmtd, with the commands).
 */
#ifndef _FRR_NLB_NB_H
#define _FRR_NLB_NB_H

#include "northbound.h"

struct nlb;

extern const struct frr_yang_module_info frr_nlbd_info;
extern const struct frr_yang_module_info frr_nlbd_cli_info;

/* In mgmtd: install the configuration commands (nlb_cli.c). */
extern void nlb_cli_init(void);

/* In nlbd: which core the callbacks act on. */
extern void nlb_nb_init(struct nlb *nlb);
extern void nlb_nb_done(void);

/* The core, for the callbacks. */
extern struct nlb *nlb_nb_core(void);

/* Configuration has changed: take effect once the transaction is through. */
extern void nlb_nb_changed(void);

/* nlb_nb_config.c: one callback per configured node. */
extern int nlb_config_create(struct nb_cb_create_args *args);
extern int nlb_config_destroy(struct nb_cb_destroy_args *args);
extern int nlb_config_socket_modify(struct nb_cb_modify_args *args);
extern int nlb_config_hold_time_modify(struct nb_cb_modify_args *args);
extern int nlb_config_distance_modify(struct nb_cb_modify_args *args);
extern int nlb_config_min_enabled_modify(struct nb_cb_modify_args *args);
extern int nlb_config_nexthop_modify(struct nb_cb_modify_args *args);
extern int nlb_config_nexthop_destroy(struct nb_cb_destroy_args *args);
extern int nlb_config_pool_create(struct nb_cb_create_args *args);
extern int nlb_config_pool_destroy(struct nb_cb_destroy_args *args);
extern int nlb_config_vip_create(struct nb_cb_create_args *args);
extern int nlb_config_vip_destroy(struct nb_cb_destroy_args *args);
extern int nlb_config_vip_shutdown_modify(struct nb_cb_modify_args *args);
extern int nlb_config_vip_tag_modify(struct nb_cb_modify_args *args);
extern int nlb_config_vip_tag_destroy(struct nb_cb_destroy_args *args);
extern int nlb_config_vip_metric_modify(struct nb_cb_modify_args *args);
extern int nlb_config_vip_metric_destroy(struct nb_cb_destroy_args *args);

/* nlb_nb_state.c: lists (next entry, its keys, entry by keys), then one get per container's leaf. */
extern const void *nlb_state_vip_get_next(struct nb_cb_get_next_args *args);
extern int nlb_state_vip_get_keys(struct nb_cb_get_keys_args *args);
extern const void *nlb_state_vip_lookup_entry(struct nb_cb_lookup_entry_args *args);
extern const void *nlb_state_vip_lookup_next(struct nb_cb_lookup_entry_args *args);
extern const void *nlb_state_port_get_next(struct nb_cb_get_next_args *args);
extern int nlb_state_port_get_keys(struct nb_cb_get_keys_args *args);
extern const void *nlb_state_port_lookup_entry(struct nb_cb_lookup_entry_args *args);
extern const void *nlb_state_backend_get_next(struct nb_cb_get_next_args *args);
extern int nlb_state_backend_get_keys(struct nb_cb_get_keys_args *args);
extern const void *nlb_state_backend_lookup_entry(struct nb_cb_lookup_entry_args *args);

/* All leaves of a container or list entry; which one is told by the end of args->xpath. */
extern struct yang_data *nlb_state_agent_get(struct nb_cb_get_elem_args *args);
extern struct yang_data *nlb_state_summary_get(struct nb_cb_get_elem_args *args);
extern struct yang_data *nlb_state_vip_get(struct nb_cb_get_elem_args *args);
extern struct yang_data *nlb_state_port_get(struct nb_cb_get_elem_args *args);
extern struct yang_data *nlb_state_backend_get(struct nb_cb_get_elem_args *args);

#endif /* _FRR_NLB_NB_H */
