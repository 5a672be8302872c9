/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * VIPs and services by their keys: directories of our own instead of the
 * kernel's hash maps, which cost 24 ns a lookup. nlb_shared.h says how they are made.
 * One bucket is half a cache line. An address that is no VIP's is told by two of
 * them, nearly always without a look at any VIP. BPF only.
 */
#ifndef NLB_DIR_H
#define NLB_DIR_H

#include "run.h"

/* The first number in the bucket whose tag fits; 0: none. */
NLB_INLINE __u32 nlb_bucket_find(const struct nlb_bucket *b, __u32 tag)
{
	NLB_UNROLL
	for (int i = 0; i < NLB_BUCKET_ENTRIES; i++) {
		__u64 entry = *(const volatile __u64 *)&b->entry[i];

		if (entry >> 32 == tag)
			return (__u32)entry;
	}
	return 0;
}

NLB_INLINE __u32 nlb_dir_find(void *dir, __u64 hash, __u32 mask)
{
	__u32 at = (__u32)hash & mask, tag = nlb_dir_tag(hash), number;
	const struct nlb_bucket *b = bpf_map_lookup_elem(dir, &at);

	if (!b)
		return 0;
	number = nlb_bucket_find(b, tag);
	if (number)
		return number;
	at = (__u32)(hash >> 16) & mask;
	b = bpf_map_lookup_elem(dir, &at);
	return b ? nlb_bucket_find(b, tag) : 0;
}

NLB_INLINE int nlb_is_vip(const struct nlb_vip *vip, const struct nlb_ip *addr, __u32 plen)
{
	const nlb_u64a *w = (const void *)vip->addr;

	return w[0] == addr->w[0] && w[1] == addr->w[1] && vip->plen == plen;
}

/* The i-th entry of both buckets: its number if the tag fits; 0: it does not. */
NLB_INLINE __u32 nlb_dir_at(void *dir, __u64 hash, __u32 mask, int i)
{
	__u32 at = (__u32)(i < NLB_BUCKET_ENTRIES ? hash : hash >> 16) & mask;
	const struct nlb_bucket *b = bpf_map_lookup_elem(dir, &at);
	__u64 entry;

	if (!b)
		return 0;
	entry = *(const volatile __u64 *)&b->entry[i % NLB_BUCKET_ENTRIES];
	return entry >> 32 == nlb_dir_tag(hash) ? (__u32)entry : 0;
}

/*
 * Two keys of the same tag in the same bucket (once in 2^32): every entry is
 * compared. Done for no packet that is not one of these. These are global
 * functions, which the verifier looks at once each.
 */
__noinline __u32 nlb_vip_search(__u64 w0, __u64 w1, __u32 plen)
{
	const struct nlb_config *cfg = nlb_config_get();
	struct nlb_ip addr = {{w0, w1}};
	__u64 hash = nlb_dir_vip(bpf_be64_to_cpu(w0), bpf_be64_to_cpu(w1), plen);

	for (int i = 0; cfg && i < 2 * NLB_BUCKET_ENTRIES; i++) {
		__u32 number = nlb_dir_at(&nlb_vip_dir, hash, cfg->vip_mask, i);
		const struct nlb_vip *vip = bpf_map_lookup_elem(&nlb_vips, &number);

		if (number && vip && nlb_is_vip(vip, &addr, plen))
			return number;
	}
	return 0;
}

__noinline __u32 nlb_svc_search(__u64 key)
{
	const struct nlb_config *cfg = nlb_config_get();
	__u64 hash = nlb_dir_svc(key);

	for (int i = 0; cfg && i < 2 * NLB_BUCKET_ENTRIES; i++) {
		__u32 number = nlb_dir_at(&nlb_svc_dir, hash, cfg->svc_mask, i);
		const struct nlb_service *svc = bpf_map_lookup_elem(&nlb_services, &number);

		if (number && svc && svc->key == key)
			return number;
	}
	return 0;
}

/* Number of the VIP that is this address or prefix; 0: none. */
NLB_INLINE __u32 nlb_vip_exact(const struct nlb_ip *addr, __u32 plen, __u32 mask)
{
	__u64 hash = nlb_dir_vip(bpf_be64_to_cpu(addr->w[0]), bpf_be64_to_cpu(addr->w[1]), plen);
	__u32 number = nlb_dir_find(&nlb_vip_dir, hash, mask);
	const struct nlb_vip *vip;

	if (!number)
		return 0;
	vip = bpf_map_lookup_elem(&nlb_vips, &number);
	if (NLB_UNLIKELY(!vip || !nlb_is_vip(vip, addr, plen)))
		return nlb_vip_search(addr->w[0], addr->w[1], plen);
	return number;
}

/* The first plen bits of the address, 1 to 127. */
NLB_INLINE struct nlb_ip nlb_ip_prefix(const struct nlb_ip *addr, __u32 plen)
{
	__u64 high = plen < 64 ? ~(~0ull >> (plen & 63)) : ~0ull;
	__u64 low = plen > 64 ? ~(~0ull >> ((plen - 64) & 63)) : 0;

	return (struct nlb_ip){
		{addr->w[0] & bpf_cpu_to_be64(high), addr->w[1] & bpf_cpu_to_be64(low)}};
}

/* The longest prefix that is a VIP and holds the address. */
__noinline __u32 nlb_vip_prefix(__u64 w0, __u64 w1, __u32 is_v4)
{
	const struct nlb_config *cfg = nlb_config_get();
	struct nlb_ip addr = {{w0, w1}};

	if (!cfg)
		return 0;
	for (int i = 0; i < NLB_PREFIXES_MAX; i++) {
		__u32 plen = is_v4 ? cfg->prefixes4[i] : cfg->prefixes6[i];
		struct nlb_ip masked;
		__u32 number;

		if (!plen)
			return 0;
		masked = nlb_ip_prefix(&addr, plen);
		number = nlb_vip_search(masked.w[0], masked.w[1], plen);
		if (number)
			return number;
	}
	return 0;
}

/* Number of the VIP that the address belongs to, and its flags; 0: none. */
NLB_INLINE __u32 nlb_vip_find(const struct nlb_ip *addr, __u32 is_v4, const struct nlb_config *cfg,
			      __u32 *ret_flags)
{
	__u32 number = nlb_vip_exact(addr, 128, cfg->vip_mask);
	const struct nlb_vip *vip;

	if (!number) {
		if (NLB_LIKELY(!(is_v4 ? cfg->prefixes4[0] : cfg->prefixes6[0])))
			return 0;
		number = nlb_vip_prefix(addr->w[0], addr->w[1], is_v4);
	}
	vip = bpf_map_lookup_elem(&nlb_vips, &number);
	if (!vip)
		return 0;
	*ret_flags = *(const volatile __u32 *)&vip->flags;
	return number;
}

/* The service of that very key; NULL: none. */
NLB_INLINE const struct nlb_service *nlb_svc_exact(__u64 key, __u32 mask, __u32 *ret_number)
{
	__u32 number = nlb_dir_find(&nlb_svc_dir, nlb_dir_svc(key), mask);
	const struct nlb_service *svc;

	if (!number)
		return NULL;
	svc = bpf_map_lookup_elem(&nlb_services, &number);
	if (NLB_UNLIKELY(!svc || svc->key != key)) {
		number = nlb_svc_search(key);
		svc = bpf_map_lookup_elem(&nlb_services, &number);
		if (!number || !svc)
			return NULL;
	}
	*ret_number = number;
	return svc;
}

/* The VIP's service for protocol and port, else the one for all ports; NULL: none. */
NLB_INLINE const struct nlb_service *nlb_svc_find(__u32 vip, __u32 vip_flags, __u8 protocol,
						  __u16 port, __u32 mask, __u32 *ret_number)
{
	const struct nlb_service *svc =
		nlb_svc_exact(nlb_svc_key(vip, protocol, port), mask, ret_number);
	__u32 all = protocol == IPPROTO_TCP ? NLB_VIP_F_ALL_TCP : NLB_VIP_F_ALL_UDP;

	if (NLB_UNLIKELY(!svc && vip_flags & all))
		svc = nlb_svc_exact(nlb_svc_key(vip, protocol, 0), mask, ret_number);
	return svc;
}

#endif
