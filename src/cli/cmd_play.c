/* cli/cmd_play.c - millrace play: a file's lines as syslog, at a rate. */
#include "cli/command.h"

#include "base/mem.h"
#include "env/env.h"
#include "service/player.h"

#include <stdio.h>

#define FILE_MAX ((size_t)1 << 30)

static const struct arg_option options[] = {
    {"to", 0, "HOST:PORT", "the syslog listener (default 127.0.0.1:1514)", false},
    {"rate", 'r', "N", "lines a second (default: as fast as they are taken)", false},
    {"count", 'n', "N", "lines in all, starting again at the file's end (default: the file once)", false},
    {"fresh", 0, NULL, "put the current time into common-log lines", false},
};

struct shown {
	struct progress progress;
	uint64_t total;
	int64_t start_us;
};

static void show(void *arg, uint64_t sent)
{
	struct shown *shown = arg;
	double seconds = (double)(clock_mono_us(env_linux()->clock) - shown->start_us) / 1e6;
	progress_show(&shown->progress, "%llu of %llu lines, %.0f/s", (unsigned long long)sent,
		      (unsigned long long)shown->total, (double)sent / seconds);
}

int cmd_play(int argc, char **argv)
{
	struct args args;
	int code;
	if (!command_args("play", "FILE [--to HOST:PORT] [--rate N] [--count N]", options, MR_COUNT(options),
			  1, argc, argv, &args, &code))
		return code;
	struct mr_error err;
	struct mr_buf text = {0};
	int64_t rate = 0, count = 0;
	int rc =
	    args_positional(&args, 0) ? 0 : mr_fail(&err, MR_ERR_INVALID, "which file? millrace play FILE");
	if (rc == 0)
		rc = args_int(&args, "rate", 0, 0, 10000000, &rate, &err);
	if (rc == 0)
		rc = args_int(&args, "count", 0, 0, INT64_MAX, &count, &err);
	if (rc == 0)
		rc = disk_read_file(env_linux()->disk, args_positional(&args, 0), FILE_MAX, &text, &err);
	struct shown shown = {.start_us = clock_mono_us(env_linux()->clock)};
	shown.total = count ? (uint64_t)count : player_count_lines(mr_buf_view(&text));
	struct player_options play = {.address =
					  args_get(&args, "to") ? args_get(&args, "to") : "127.0.0.1:1514",
				      .lines = mr_buf_view(&text),
				      .prefix = "play",
				      .count = (uint64_t)count,
				      .rate = (double)rate,
				      .fresh_times = args_has(&args, "fresh"),
				      .on_sent = show,
				      .arg = &shown};
	uint64_t sent = 0;
	if (rc == 0)
		rc = player_run(&play, &sent, &err);
	progress_end(&shown.progress);
	mr_buf_release(&text);
	if (rc < 0)
		return command_failed(&err);
	printf("%llu lines sent to %s\n", (unsigned long long)sent, play.address);
	return EXIT_OK;
}
