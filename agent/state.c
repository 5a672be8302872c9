// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files in the state directory. Writing goes to NAME.new, which is renamed
 * over NAME; what must survive a power cut is synced before the rename, and
 * the directory after it.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "jget.h"
#include "jput.h"
#include "state.h"

#define BOOT_ID_LEN  36
#define SIDE_MAX     (64u << 20) /* overrides and verdicts */
#define OVERRIDE_MAX 1000000u

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_new(int dirfd, const char *name, const char *data, size_t len, bool sync)
{
	_cleanup_close_ int fd =
		openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, data, len);
	if (r == 0 && sync && fsync(fd) < 0)
		r = -errno;
	return r;
}

int state_write(const char *dir, const char *name, const char *data, size_t len, bool sync)
{
	_cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char temp[64];
	int r;

	if (dirfd < 0)
		return -errno;
	if ((size_t)snprintf(temp, sizeof(temp), "%s.new", name) >= sizeof(temp))
		return -ENAMETOOLONG;
	r = write_new(dirfd, temp, data, len, sync);
	if (r == 0 && renameat(dirfd, temp, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, temp, 0);
		return r;
	}
	if (sync && fsync(dirfd) < 0)
		return -errno;
	return 0;
}

int state_read(const char *path, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *data = NULL;
	size_t len = 0, cap = 65536;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (st.st_size > 0 && (size_t)st.st_size < max)
		cap = (size_t)st.st_size + 1;
	data = malloc(cap + 1);
	while (data) {
		ssize_t n = read(fd, data + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return -E2BIG;
		if (len == cap) {
			char *more = realloc(data, cap * 2 + 1);

			if (!more)
				return -ENOMEM;
			data = more;
			cap *= 2;
		}
	}
	if (!data)
		return -ENOMEM;
	data[len] = '\0';
	*ret_len = len;
	*ret = TAKE_PTR(data);
	return 0;
}

static int write_doc(const char *dir, const char *name, const struct jput_doc *doc, bool sync)
{
	size_t len;
	_cleanup_free_ char *text = jput_text(doc, &len);

	return text ? state_write(dir, name, text, len, sync) : -ENOMEM;
}

static int read_side(const char *dir, const char *name, size_t max, char **ret, size_t *ret_len)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return -ENAMETOOLONG;
	return state_read(path, max, ret, ret_len);
}

/* ---- the model ---- */

static int load_list(const char *dir, const char *name, struct model **ret, char *err,
		     size_t err_len)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	int r;

	r = read_side(dir, name, MODEL_DOCUMENT_MAX, &data, &len);
	if (r < 0) {
		snprintf(err, err_len, "%s", strerror(-r));
		return r;
	}
	return model_parse(data, len, ret, err, err_len);
}

static int save_vips(const char *dir, const struct model *m)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;

	model_write(m, jput_begin(&doc));
	return write_doc(dir, STATE_VIPS, &doc, true);
}

/*
 * The trees in which a list was read and written are freed, but lie in between what stays: of a
 * large list, the C library would keep three times the memory that is in use.
 */
int state_vips_load(const char *dir, struct model **ret, char *err, size_t err_len)
{
	return load_list(dir, STATE_VIPS, ret, err, err_len);
}

int state_local_load(const char *dir, struct model **ret, char *err, size_t err_len)
{
	return load_list(dir, STATE_LOCAL, ret, err, err_len);
}

int state_local_save(const char *dir, struct core *c)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;

	core_local_write(c, jput_array(jput_begin(&doc), "vips"));
	return write_doc(dir, STATE_LOCAL, &doc, true);
}

int state_vips_save(const char *dir, const struct model *m)
{
	int r = save_vips(dir, m);

	malloc_trim(0);
	return r;
}

/* ---- overrides ---- */

static int load_override(struct json_object *o, struct core *c)
{
	const char *vip = "", *protocol = "", *backend = "", *admin = "";
	enum model_admin value;
	struct core_key key;
	uint64_t port = UINT64_MAX;

	if (!json_object_is_type(o, json_type_object) ||
	    jget_str(o, "vip", ADDR_STRLEN, &vip, NULL) < 0 ||
	    jget_str(o, "protocol", 16, &protocol, NULL) < 0 ||
	    jget_u64(o, "port", 0, UINT16_MAX, &port, NULL) < 0 ||
	    jget_str(o, "backend", ADDR_STRLEN, &backend, NULL) < 0 ||
	    jget_str(o, "admin", 16, &admin, NULL) < 0)
		return -EINVAL;
	key = (struct core_key){.port = (uint16_t)port};
	if (port == UINT64_MAX || addr_parse(vip, &key.vip) < 0 ||
	    addr_parse(backend, &key.backend) < 0 ||
	    model_protocol_parse(protocol, &key.protocol) < 0 ||
	    model_admin_parse(admin, &value) < 0)
		return -EINVAL;
	return core_override_load(c, &key, value);
}

int state_overrides_load(const char *dir, struct core *c)
{
	_cleanup_json_ struct json_object *doc = NULL;
	_cleanup_free_ char *data = NULL;
	struct json_object *arr = NULL;
	size_t len;
	int r;

	r = read_side(dir, STATE_OVERRIDES, SIDE_MAX, &data, &len);
	if (r < 0)
		return r;
	r = jget_parse(data, len, &doc, NULL);
	if (r < 0)
		return r;
	if (!json_object_is_type(doc, json_type_object) ||
	    jget_array(doc, "overrides", OVERRIDE_MAX, &arr, NULL) < 0 || !arr)
		return -EINVAL;
	for (size_t i = 0; i < json_object_array_length(arr); i++) {
		r = load_override(json_object_array_get_idx(arr, i), c);
		if (r < 0)
			return r;
	}
	return 0;
}

int state_overrides_save(const char *dir, struct core *c)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;

	core_overrides_write(c, jput_array(jput_begin(&doc), "overrides"));
	return write_doc(dir, STATE_OVERRIDES, &doc, true);
}

/* ---- verdicts ---- */

static int boot_id(char buf[static BOOT_ID_LEN + 1])
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	int r;

	r = state_read("/proc/sys/kernel/random/boot_id", 256, &data, &len);
	if (r < 0)
		return r;
	if (len < BOOT_ID_LEN)
		return -EINVAL;
	memcpy(buf, data, BOOT_ID_LEN);
	buf[BOOT_ID_LEN] = '\0';
	return 0;
}

/* By the file's time: an agent that ends in order writes it last of all. */
static bool too_old(const char *dir, const char *name, uint32_t max_age_s)
{
	_cleanup_close_ int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (!max_age_s)
		return false;
	if (dirfd < 0 || fstatat(dirfd, name, &st, 0) < 0)
		return true;
	return st.st_mtim.tv_sec + (time_t)max_age_s < time(NULL);
}

int state_verdicts_load(const char *dir, struct core *c, uint32_t max_age_s)
{
	_cleanup_json_ struct json_object *doc = NULL;
	_cleanup_free_ char *data = NULL;
	struct json_object *all = NULL;
	const char *stored = "";
	char boot[BOOT_ID_LEN + 1];
	size_t len;
	int r;

	r = boot_id(boot);
	if (r == 0)
		r = read_side(dir, STATE_VERDICTS, SIDE_MAX, &data, &len);
	if (r == 0)
		r = jget_parse(data, len, &doc, NULL);
	if (r < 0)
		return r;
	if (!json_object_is_type(doc, json_type_object) ||
	    jget_str(doc, "boot", BOOT_ID_LEN, &stored, NULL) < 0 ||
	    jget_object(doc, "verdicts", &all, NULL) < 0 || !all)
		return -EINVAL;
	if (strcmp(stored, boot) != 0 || too_old(dir, STATE_VERDICTS, max_age_s))
		return -ESTALE;
	json_object_object_foreach (all, key, value) {
		uint64_t digest;
		int64_t state = json_object_get_int64(value);
		int used = 0;

		if (sscanf(key, "%16" SCNx64 "%n", &digest, &used) != 1 || key[used] ||
		    (state != MSG_HC_UP && state != MSG_HC_DOWN))
			continue;
		r = core_verdict_load(c, digest, (enum msg_hc_state)state);
		if (r < 0)
			return r;
	}
	return 0;
}

int state_verdicts_save(const char *dir, struct core *c)
{
	_cleanup_jput_ struct jput_doc doc = JPUT_INIT;
	struct jput b;
	char boot[BOOT_ID_LEN + 1];
	int r;

	r = boot_id(boot);
	if (r < 0)
		return r;
	b = jput_begin(&doc);
	jput_str(b, "boot", boot);
	core_verdicts_write(c, jput_object(b, "verdicts"));
	return write_doc(dir, STATE_VERDICTS, &doc, false);
}
