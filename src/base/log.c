#include "base/log.h"

#include "base/buf.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static enum mr_log_level log_least = MR_LOG_INFO;
static enum mr_log_format log_format = MR_LOG_LOGFMT;

void mr_log_setup(enum mr_log_level least, enum mr_log_format format)
{
	log_least = least;
	log_format = format;
}

static void put_quoted(struct mr_buf *out, const char *text)
{
	mr_buf_char(out, '"');
	for (const char *c = text; *c; c++) {
		unsigned char u = (unsigned char)*c;
		if (u == '"' || u == '\\')
			mr_buf_printf(out, "\\%c", u);
		else if (u == '\n')
			mr_buf_cstr(out, "\\n");
		else if (u < 0x20 || u == 0x7f)
			mr_buf_printf(out, "\\u%04x", u);
		else
			mr_buf_char(out, *c);
	}
	mr_buf_char(out, '"');
}

static void put_field(struct mr_buf *out, const char *name, const char *value)
{
	if (log_format == MR_LOG_JSON)
		mr_buf_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
	else
		mr_buf_printf(out, "%s%s=", out->len ? " " : "", name);
	bool bare = log_format == MR_LOG_LOGFMT && *value && !strpbrk(value, " =\"\\\n\t");
	if (bare)
		mr_buf_cstr(out, value);
	else
		put_quoted(out, value);
}

/* One write(2) a line, so that lines of several threads never mix. */
static void log_emit(enum mr_log_level level, const char *component, const char *message, const char *hint)
{
	static const char *const level_names[] = {"debug", "info", "warn", "error"};
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	struct tm tm;
	gmtime_r(&now.tv_sec, &tm);
	char stamp[40];
	size_t n = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(stamp + n, sizeof stamp - n, ".%03ldZ", now.tv_nsec / 1000000);

	struct mr_buf out;
	mr_buf_init(&out, 16 * 1024);
	if (log_format == MR_LOG_JSON)
		mr_buf_char(&out, '{');
	put_field(&out, "ts", stamp);
	put_field(&out, "level", level_names[level]);
	put_field(&out, "component", component);
	put_field(&out, "msg", message);
	if (hint && *hint)
		put_field(&out, "hint", hint);
	mr_buf_cstr(&out, log_format == MR_LOG_JSON ? "}\n" : "\n");
	ssize_t ignored = write(STDERR_FILENO, out.ptr, out.len);
	(void)ignored;
	mr_buf_release(&out);
}

void mr_log_line(enum mr_log_level level, const char *component, const char *fmt, ...)
{
	if (level < log_least)
		return;
	char message[2048];
	va_list args;
	va_start(args, fmt);
	vsnprintf(message, sizeof message, fmt, args);
	va_end(args);
	log_emit(level, component, message, NULL);
}

void mr_log_error(const char *component, const struct mr_error *err)
{
	char message[sizeof err->message + sizeof err->where + 8];
	snprintf(message, sizeof message, "%s%s%s", err->where, err->where[0] ? ": " : "", err->message);
	log_emit(MR_LOG_ERROR, component, message, err->hint);
}
