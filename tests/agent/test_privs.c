// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Giving privileges up, each time in a child process; what it has left is read
 * from its /proc/self/status.
 */
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "privs.h"
#include "util.h"

/* Field of /proc/self/status, as a hexadecimal number. */
static unsigned long long field(const char *name)
{
	unsigned long long value = ~0ull;
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0)
			sscanf(line + strlen(name), ":%llx", &value);
	if (f)
		fclose(f);
	return value;
}

/* Runs fn in a child; 0 when it returned 0. */
static int in_child(int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int keep_raw(void)
{
	const cap_value_t keep[] = {CAP_NET_RAW};

	if (privs_drop("nobody", keep, 1) < 0)
		return 1;
	if (field("CapEff") != 1ull << CAP_NET_RAW || field("CapPrm") != 1ull << CAP_NET_RAW)
		return 2;
	if (field("CapInh") != 0 || field("CapBnd") != 0 || field("CapAmb") != 0)
		return 3;
	if (field("NoNewPrivs") != 1 || geteuid() != getpwnam("nobody")->pw_uid)
		return 4;
	/* There is no way back. */
	if (setuid(0) == 0 || privs_drop("", (const cap_value_t[]){CAP_NET_ADMIN}, 1) == 0)
		return 5;
	return 0;
}

static int keep_none(void)
{
	if (privs_drop("", NULL, 0) < 0)
		return 1;
	if (geteuid() != 0)
		return 2;
	return field("CapEff") || field("CapPrm") ? 3 : 0;
}

static int lose_one(void)
{
	const cap_value_t keep[] = {CAP_NET_ADMIN, CAP_NET_RAW};

	if (privs_drop("nobody", keep, 2) < 0 || privs_lose(CAP_NET_ADMIN) < 0)
		return 1;
	return field("CapPrm") == 1ull << CAP_NET_RAW ? 0 : 2;
}

static int no_such_user(void)
{
	return privs_drop("no-such-user-here", NULL, 0) == -ENOENT ? 0 : 1;
}

static void need_root(void)
{
	if (geteuid() != 0) {
		print_message("needs root\n");
		skip();
	}
}

static void test_keep_raw(void **state _unused_)
{
	need_root();
	assert_int_equal(in_child(keep_raw), 0);
}

static void test_keep_none(void **state _unused_)
{
	need_root();
	assert_int_equal(in_child(keep_none), 0);
}

static void test_lose_one(void **state _unused_)
{
	need_root();
	assert_int_equal(in_child(lose_one), 0);
}

static void test_no_such_user(void **state _unused_)
{
	need_root();
	assert_int_equal(in_child(no_such_user), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep_raw),
		cmocka_unit_test(test_keep_none),
		cmocka_unit_test(test_lose_one),
		cmocka_unit_test(test_no_such_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
