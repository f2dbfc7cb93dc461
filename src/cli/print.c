#include "cli/print.h"

#include "base/buf.h"
#include "cli/args.h"
#include "env/env.h"
#include "query/text_width.h"

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

/* ---- errors ---- */

#define EXCERPT_FILE_MAX ((size_t)4 << 20)
#define EXCERPT_CELLS 100

/* Take ":number" off the end of place. */
static bool take_number(mr_str *place, long *out)
{
	const char *colon = memrchr(place->ptr, ':', place->len);
	if (!colon || colon + 1 == place->ptr + place->len)
		return false;
	long number = 0;
	for (const char *p = colon + 1; p < place->ptr + place->len; p++) {
		if (*p < '0' || *p > '9' || number > INT32_MAX / 10)
			return false;
		number = number * 10 + (*p - '0');
	}
	place->len = (size_t)(colon - place->ptr);
	*out = number;
	return number > 0;
}

static mr_str line_of(mr_str text, long number)
{
	for (; number > 1 && text.len; number--) {
		const char *end = memchr(text.ptr, '\n', text.len);
		text = end ? mr_str_tail(text, (size_t)(end - text.ptr) + 1) : MR_STR_NULL;
	}
	const char *end = text.len ? memchr(text.ptr, '\n', text.len) : NULL;
	return end ? mr_str_n(text.ptr, (size_t)(end - text.ptr)) : text;
}

/* The line and a caret under its column (0: none). Columns count characters. */
static void put_line(struct mr_buf *out, mr_str line, long number, long column)
{
	size_t before = 0, at = 0;
	mr_buf_printf(out, "%6ld | ", number);
	size_t shown = text_fit(line, EXCERPT_CELLS);
	for (long c = 1; at < shown; c++) {
		size_t length;
		uint32_t code = text_decode(mr_str_tail(line, at), &length);
		bool control = code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xfffd;
		if (c < column)
			before += control ? 1 : (size_t)text_char_width(code);
		mr_buf_append(out, control ? " " : line.ptr + at, control ? 1 : length);
		at += length;
	}
	mr_buf_cstr(out, shown < line.len ? "…\n" : "\n");
	if (column > 0 && before < EXCERPT_CELLS)
		mr_buf_printf(out, "       | %*s^\n", (int)before, "");
}

/* Shows the user's own text when `where` names a file that can be read; else nothing. */
static void put_excerpt(struct mr_buf *out, const char *where)
{
	mr_str place = mr_str_from(where);
	long line, column;
	if (!take_number(&place, &column))
		return;
	if (!take_number(&place, &line)) {
		line = column;
		column = 0;
	}
	char path[sizeof((struct mr_error *)0)->where];
	snprintf(path, sizeof path, "%.*s", MR_FMT(place));
	struct mr_buf text = {0};
	if (disk_read_file(env_linux()->disk, path, EXCERPT_FILE_MAX, &text, NULL) == 0) {
		mr_str found = line_of(mr_buf_view(&text), line);
		if (found.len)
			put_line(out, found, line, column);
	}
	mr_buf_release(&text);
}

void print_put_error(struct mr_buf *out, const struct mr_error *err, bool colour)
{
	const char *off = colour ? "\033[0m" : "";
	/* A hint of several lines shows the user's text with a caret itself: it keeps its layout. */
	bool own_excerpt = strchr(err->hint, '\n') != NULL;
	mr_buf_printf(out, "%serror[%s]%s: %s\n", colour ? "\033[1;31m" : "", mr_code_name(err->code), off,
		      err->message);
	if (err->where[0])
		mr_buf_printf(out, "  --> %s\n", err->where);
	if (err->where[0] && !own_excerpt)
		put_excerpt(out, err->where);
	if (own_excerpt)
		mr_buf_printf(out, "%s\n", err->hint);
	else if (err->hint[0])
		mr_buf_printf(out, "%shint%s: %s\n", colour ? "\033[1;36m" : "", off, err->hint);
}

void print_error(const struct mr_error *err)
{
	struct mr_buf text = {0};
	print_put_error(&text, err, colours());
	fputs(mr_buf_view(&text).ptr, stderr);
	mr_buf_release(&text);
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
