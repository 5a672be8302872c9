// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What drive.c says: lines of JSON. CPU time is the child's, of all its threads, from its
 * start on; rss_kb is the most memory that it had so far.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "drive.h"
#include "hc_reason.h"
#include "util.h"

/* The child's CPU time in ns; 0 when it is gone. */
static uint64_t cpu_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* A line of /proc/PID/status, in KiB; 0 when there is none. */
static unsigned long status_kb(pid_t pid, const char *key)
{
	char path[64], line[256];
	unsigned long kb = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0)
			kb = strtoul(line + strlen(key), NULL, 10);
	fclose(file);
	return kb;
}

/* For how long its first thread, the only one on one CPU, was ready and had no CPU. */
static unsigned long long cpu_wait_ns(pid_t pid)
{
	unsigned long long ran, waited = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%llu %llu", &ran, &waited) != 2)
		waited = 0;
	fclose(file);
	return waited;
}

void drive_report_stats(struct drive *d, const struct msg_hc_stats *stats)
{
	bool had_all = d->stats.conditions == d->opt.n;

	d->stats = *stats;
	if (d->opt.idle && !had_all && stats->conditions == d->opt.n)
		drive_report_mark(d, "all");
	d->late.p50_us = MAX2(d->late.p50_us, stats->late_p50_us);
	d->late.p99_us = MAX2(d->late.p99_us, stats->late_p99_us);
	d->late.max_us = MAX2(d->late.max_us, stats->late_max_us);
}

void drive_report_mark(struct drive *d, const char *event)
{
	uint64_t now = util_now_ns();

	printf("{\"event\": \"%s\", \"now_ns\": %llu, \"wall_s\": %.6f, \"cpu_ns\": %llu, "
	       "\"cpu_wait_ns\": %llu, ",
	       event, (unsigned long long)now, (double)(now - d->begun_ns) / 1e9,
	       (unsigned long long)cpu_ns(d->pid), cpu_wait_ns(d->pid));
	printf("\"rss_kb\": %lu, \"up\": %u, \"down\": %u, \"unknown\": %u, "
	       "\"false_failures\": %llu, ",
	       status_kb(d->pid, "VmHWM:"), d->states[MSG_HC_UP], d->states[MSG_HC_DOWN],
	       d->states[MSG_HC_UNKNOWN], (unsigned long long)d->false_failures);
	printf("\"started\": %llu, \"flying\": %u, \"waiting\": %u, \"fds\": %u, \"shards\": %u, ",
	       (unsigned long long)d->stats.started, d->stats.flying, d->stats.waiting,
	       d->stats.fds, d->stats.shards);
	printf("\"late_p50_us\": %u, \"late_p99_us\": %u, \"late_max_us\": %u, \"reasons\": {",
	       d->late.p50_us, d->late.p99_us, d->late.max_us);
	for (int i = 0; i < MSG_HC_REASONS; i++)
		printf("%s\"%s\": %llu", i ? ", " : "", hc_reason_str((enum msg_hc_reason)i),
		       (unsigned long long)d->reasons[i]);
	puts("}}");
	d->late = (struct drive_late){0};
}

/* Milliseconds, in the order of the conditions; null for those that are not down yet. */
void drive_report_verdicts(const struct drive *d)
{
	const char *comma = "";

	fputs("{\"event\": \"verdicts\", \"ms\": [", stdout);
	for (uint32_t i = 0; i < d->opt.n; i++) {
		const struct drive_cond *c = &d->conds[i];

		if (!c->fate)
			continue;
		if (c->verdict_ns)
			printf("%s%.1f", comma, (double)(c->verdict_ns - d->death_ns) / 1e6);
		else
			printf("%snull", comma);
		comma = ", ";
	}
	puts("]}");
}

static double seconds(const struct timeval *tv)
{
	return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

int drive_report_end(const struct drive *d)
{
	struct rusage used;
	int status;

	if (wait4(d->pid, &status, 0, &used) < 0)
		return -errno;
	printf("{\"event\": \"end\", \"user_s\": %.6f, \"sys_s\": %.6f, \"rss_kb\": %ld}\n",
	       seconds(&used.ru_utime), seconds(&used.ru_stime), used.ru_maxrss);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}
