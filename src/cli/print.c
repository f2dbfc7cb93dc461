#include "cli/print.h"

#include "cli/args.h"
#include "env/env.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool print_is_terminal(int fd)
{
	return isatty(fd);
}

int print_width(void)
{
	struct winsize size;
	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col;
}

static bool colours(void)
{
	const char *no = getenv("NO_COLOR");
	return isatty(STDERR_FILENO) && !(no && *no);
}

void print_error(const struct mr_error *err)
{
	bool colour = colours();
	fprintf(stderr, "%serror[%s]%s: %s\n", colour ? "\033[1;31m" : "", mr_code_name(err->code),
		colour ? "\033[0m" : "", err->message);
	if (err->where[0])
		fprintf(stderr, "  --> %s\n", err->where);
	if (!err->hint[0])
		return;
	/* A hint of several lines shows the user's text with a caret: it keeps its own layout. */
	if (strchr(err->hint, '\n'))
		fprintf(stderr, "%s\n", err->hint);
	else
		fprintf(stderr, "%shint%s: %s\n", colour ? "\033[1;36m" : "", colour ? "\033[0m" : "",
			err->hint);
}

int print_exit_code(int code)
{
	switch (code) {
	case MR_ERR_INVALID:
		return EXIT_USAGE;
	case MR_ERR_UNAVAILABLE:
		return EXIT_UNREACHABLE;
	case MR_ERR_CANCELLED:
		return EXIT_INTERRUPTED;
	default:
		return code < 0 ? EXIT_WORK_FAILED : EXIT_OK;
	}
}

#define PROGRESS_AFTER_US 2000000

void progress_show(struct progress *progress, const char *fmt, ...)
{
	int64_t now_us = clock_mono_us(env_linux()->clock);
	if (!progress->start_us)
		progress->start_us = now_us;
	bool terminal = isatty(STDERR_FILENO);
	int64_t every_us = terminal ? 100000 : 1000000;
	if (now_us - progress->start_us < PROGRESS_AFTER_US || now_us - progress->shown_us < every_us)
		return;
	progress->shown_us = now_us;
	progress->any = true;
	char line[512];
	va_list args;
	va_start(args, fmt);
	vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	fprintf(stderr, terminal ? "\r\033[K%s" : "%s\n", line);
	fflush(stderr);
}

void progress_end(struct progress *progress)
{
	if (progress->any && isatty(STDERR_FILENO))
		fputc('\n', stderr);
	*progress = (struct progress){0};
}
