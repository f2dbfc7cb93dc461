#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void error_reset(struct mr_error *err, int code, const char *file, int line)
{
	err->code = code;
	err->hint[0] = 0;
	err->where[0] = 0;
	err->origin_file = file;
	err->origin_line = line;
}

int mr_error_set(struct mr_error *err, int code, const char *file, int line, const char *fmt, ...)
{
	if (!err)
		return code;
	error_reset(err, code, file, line);
	va_list args;
	va_start(args, fmt);
	vsnprintf(err->message, sizeof err->message, fmt, args);
	va_end(args);
	return code;
}

static int code_from_errno(int number)
{
	switch (number) {
	case ENOENT:
		return MR_ERR_NOT_FOUND;
	case EEXIST:
		return MR_ERR_EXISTS;
	case ENOSPC:
	case EDQUOT:
		return MR_ERR_NO_SPACE;
	case EAGAIN:
		return MR_ERR_BUSY;
	case ETIMEDOUT:
		return MR_ERR_TIMEOUT;
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return MR_ERR_UNAVAILABLE;
	default:
		return MR_ERR_IO;
	}
}

int mr_error_set_errno(struct mr_error *err, const char *file, int line, const char *fmt, ...)
{
	int number = errno;
	int code = code_from_errno(number);
	if (!err)
		return code;
	error_reset(err, code, file, line);
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(err->message, sizeof err->message, fmt, args);
	va_end(args);
	if (n >= 0 && (size_t)n < sizeof err->message)
		snprintf(err->message + n, sizeof err->message - (size_t)n, ": %s", strerror(number));
	return code;
}

int mr_hint(struct mr_error *err, const char *fmt, ...)
{
	if (!err)
		return MR_ERR_INTERNAL;
	va_list args;
	va_start(args, fmt);
	vsnprintf(err->hint, sizeof err->hint, fmt, args);
	va_end(args);
	return err->code;
}

int mr_error_where(struct mr_error *err, const char *file, int line, int column)
{
	if (!err)
		return MR_ERR_INTERNAL;
	if (column > 0)
		snprintf(err->where, sizeof err->where, "%s:%d:%d", file, line, column);
	else if (line > 0)
		snprintf(err->where, sizeof err->where, "%s:%d", file, line);
	else
		snprintf(err->where, sizeof err->where, "%s", file);
	return err->code;
}

int mr_error_wrap(struct mr_error *err, int code, const char *fmt, ...)
{
	if (!err)
		return code;
	char old[sizeof err->message];
	memcpy(old, err->message, sizeof old);
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(err->message, sizeof err->message, fmt, args);
	va_end(args);
	if (n >= 0 && (size_t)n < sizeof err->message)
		snprintf(err->message + n, sizeof err->message - (size_t)n, ": %s", old);
	return err->code;
}

const char *mr_code_name(int code)
{
	static const char *const names[] = {
	    "ok",       "invalid",     "not_found", "exists",  "conflict",    "io",
	    "no_space", "corrupt",     "limit",     "busy",    "unsupported", "locked",
	    "closed",   "unavailable", "cancelled", "timeout", "internal",
	};
	int index = -code;
	return index >= 0 && (size_t)index < MR_COUNT(names) ? names[index] : "unknown";
}

void mr_assert_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "millrace: %s:%d: cannot happen: %s is false\n", file, line, condition);
	abort();
}
