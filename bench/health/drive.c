// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Drives the health child that ships: forks it as the agent does (hc_main() on one end of a
 * channel), plays the parent on the other end, and tells what it costs. The child runs on the CPU
 * that is asked for, this process wherever it was started.
 *
 *	drive --n N --mix MIX --port PORT [--interval-ms MS] [--timeout-ms MS] [--rise N]
 *	      [--fall N] [--doomed N] [--cpu N] [--batch | --idle]
 *
 * sets N conditions and prints a line of JSON as soon as each of them was probed; drive_report.c
 * says what is in it. --batch: all are due at once. --idle: one a second, and the line comes
 * when the child has said that it has them all. --doomed N: one of N goes to an address and
 * port that can be made to die. From then on it does what the lines of its standard input say,
 * each answered by one line:
 *
 *	mark      the figures now; lateness is the worst since the mark before
 *	death T   backends died at T (CLOCK_MONOTONIC, ns): what fails of the doomed is no error
 *	verdicts  how long after the death each of the doomed was reported to be down
 *	quit      ends the child; what it used in all
 */
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "config.h"
#include "drive.h"
#include "log.h"
#include "proc.h"
#include "util.h"

static int child(const struct drive_options *opt, int fd)
{
	struct config cfg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(opt->cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0) {
		perror("sched_setaffinity");
		return 1;
	}
	config_init(&cfg);
	cfg.user[0] = '\0';
	if (opt->batch)
		cfg.hc_start_rate = 0;
	if (opt->idle)
		cfg.hc_start_rate = 1;
	log_set_level(LOG_ERR);
	return hc_main(&cfg, fd);
}

static void on_frame(struct ipc *ch, uint16_t type, const void *data, size_t len)
{
	struct drive *d = ipc_user(ch);

	if (type == MSG_HC_RESULT)
		drive_conds_results(d, data, len / sizeof(struct msg_hc_result));
	else if (type == MSG_HC_STATS && len == sizeof(struct msg_hc_stats))
		drive_report_stats(d, data);
}

static void on_closed(struct ipc *ch, int err)
{
	struct drive *d = ipc_user(ch);

	fprintf(stderr, "drive: the health child ended: %s\n", strerror(-err));
	loop_stop(d->loop, EXIT_FAILURE);
}

static int child_start(struct drive *d)
{
	static const struct ipc_ops ops = {.frame = on_frame, .closed = on_closed};
	int fds[2], r;

	r = ipc_pair(fds);
	if (r < 0)
		return r;
	d->pid = fork();
	if (d->pid < 0)
		return -errno;
	if (d->pid == 0) {
		close(fds[0]);
		_exit(child(&d->opt, fds[1]));
	}
	close(fds[1]);
	r = loop_new(&d->loop);
	if (r < 0) {
		close(fds[0]);
		return r;
	}
	return ipc_new(d->loop, fds[0], &ops, d, &d->ch);
}

static void on_input(struct loop_io *io, uint32_t events _unused_)
{
	struct drive *d = container_of(io, struct drive, input);
	char line[64];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);
	unsigned long long death;

	if (n <= 0) {
		loop_stop(d->loop, EXIT_FAILURE);
		return;
	}
	line[n] = '\0';
	if (strcmp(line, "mark\n") == 0) {
		drive_report_mark(d, "mark");
	} else if (sscanf(line, "death %llu", &death) == 1) {
		d->death_ns = death;
		drive_report_mark(d, "death");
	} else if (strcmp(line, "verdicts\n") == 0) {
		drive_report_verdicts(d);
	} else {
		loop_stop(d->loop, strcmp(line, "quit\n") == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
	}
}

static int run(struct drive *d)
{
	int r;

	/* Before anything is allocated: the child's memory is to be its own. */
	r = child_start(d);
	if (r == 0)
		r = loop_io_add(d->loop, &d->input, STDIN_FILENO, EPOLLIN, on_input);
	if (r == 0)
		r = drive_conds_send(d);
	if (r == 0)
		r = loop_run(d->loop);
	if (r < 0)
		fprintf(stderr, "drive: %s\n", strerror(-r));
	ipc_free(d->ch);
	if (d->pid > 0 && drive_report_end(d) < 0)
		r = EXIT_FAILURE;
	loop_free(d->loop);
	free(d->conds);
	return r;
}

static const struct option options[] = {
	{"n", required_argument, NULL, 'n'},
	{"mix", required_argument, NULL, 'm'},
	{"port", required_argument, NULL, 'p'},
	{"interval-ms", required_argument, NULL, 'i'},
	{"timeout-ms", required_argument, NULL, 't'},
	{"rise", required_argument, NULL, 'r'},
	{"fall", required_argument, NULL, 'f'},
	{"doomed", required_argument, NULL, 'd'},
	{"cpu", required_argument, NULL, 'c'},
	{"batch", no_argument, NULL, 'b'},
	{"idle", no_argument, NULL, 'I'},
	{0},
};

static int usage(void)
{
	fputs("drive --n N --mix [thsi]... --port PORT [--interval-ms MS] [--timeout-ms MS]\n"
	      "      [--rise N] [--fall N] [--doomed N] [--cpu N] [--batch | --idle]\n",
	      stderr);
	return 2;
}

static int parse(struct drive_options *opt, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			opt->n = world_number(optarg, WORLD_MAX);
			break;
		case 'm':
			opt->mix = optarg;
			break;
		case 'p':
			opt->port = (uint16_t)world_number(optarg, UINT16_MAX - WORLD_FATES);
			break;
		case 'i':
			opt->interval_ms = world_number(optarg, HC_INTERVAL_MAX_MS);
			break;
		case 't':
			opt->timeout_ms = world_number(optarg, HC_TIMEOUT_MAX_MS);
			break;
		case 'r':
			opt->rise = (uint16_t)world_number(optarg, UINT16_MAX);
			break;
		case 'f':
			opt->fall = (uint16_t)world_number(optarg, UINT16_MAX);
			break;
		case 'd':
			opt->doomed = world_number(optarg, WORLD_MAX);
			break;
		case 'c':
			opt->cpu = world_number(optarg, CPU_SETSIZE - 1);
			break;
		case 'b':
			opt->batch = true;
			break;
		case 'I':
			opt->idle = true;
			break;
		default:
			return -EINVAL;
		}
	}
	if (optind != argc || !opt->n || !opt->port || !opt->mix[0] ||
	    opt->mix[strspn(opt->mix, "thsi")])
		return -EINVAL;
	return 0;
}

int main(int argc, char **argv)
{
	struct drive d = {
		.opt = {.mix = "",
			.interval_ms = HC_INTERVAL_MAX_MS / 24,
			.timeout_ms = 3000,
			.rise = 1,
			.fall = 1},
		.input = LOOP_IO_INIT,
	};

	if (parse(&d.opt, argc, argv) < 0)
		return usage();
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	return run(&d);
}
