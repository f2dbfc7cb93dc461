/* base/error.h - how a function says that it failed.
 *
 * A function that can fail returns int: 0 on success, a positive number for an
 * expected outcome that its header names, a negative mr_code for a failure. Its
 * last argument is a caller-owned struct mr_error, which may be NULL and is
 * written only on failure. Outputs are written only on success.
 *
 * The message names the thing and the place; the hint names the way out. Both are
 * read by people. Kafka codes are chosen only in kafka/, HTTP status only in http/.
 */
#pragma once

#include "base/types.h"

enum mr_code {
	MR_OK = 0,
	MR_ERR_INVALID = -1,      /* bad input: configuration, argument, request, SQL */
	MR_ERR_NOT_FOUND = -2,    /* a named thing does not exist */
	MR_ERR_EXISTS = -3,       /* a named thing exists already */
	MR_ERR_CONFLICT = -4,     /* another writer won; retrying may help */
	MR_ERR_IO = -5,           /* the operating system refused */
	MR_ERR_NO_SPACE = -6,     /* disk or quota full */
	MR_ERR_CORRUPT = -7,      /* bytes on disk or wire fail their checksum or grammar */
	MR_ERR_LIMIT = -8,        /* a size from outside passed its limit */
	MR_ERR_BUSY = -9,         /* back-pressure: try again after progress */
	MR_ERR_UNSUPPORTED = -10, /* understood, and refused by name */
	MR_ERR_LOCKED = -11,      /* another process holds it */
	MR_ERR_CLOSED = -12,      /* shutting down */
	MR_ERR_UNAVAILABLE = -13, /* a peer cannot be reached */
	MR_ERR_CANCELLED = -14,   /* interrupted by the user */
	MR_ERR_TIMEOUT = -15,
	MR_ERR_INTERNAL = -16, /* cannot happen; a defect of ours */
};

struct mr_error {
	int code;
	char message[640];
	char hint[256];
	char where[192]; /* "file:line:column" of the user's text, or empty */
	const char *origin_file;
	int origin_line;
};

/* return mr_fail(err, MR_ERR_IO, "cannot open %s: %s", path, strerror(errno)); */
#define mr_fail(err, code, ...) mr_error_set((err), (code), __FILE__, __LINE__, __VA_ARGS__)

int mr_error_set(struct mr_error *err, int code, const char *file, int line, const char *fmt, ...)
    MR_PRINTF(5, 6);

/* mr_fail for a system call: picks the code from errno and appends strerror. */
#define mr_fail_errno(err, ...) mr_error_set_errno((err), __FILE__, __LINE__, __VA_ARGS__)
int mr_error_set_errno(struct mr_error *err, const char *file, int line, const char *fmt, ...)
    MR_PRINTF(4, 5);

/* Both return err->code, so they can end a function: return mr_hint(err, "..."). */
int mr_hint(struct mr_error *err, const char *fmt, ...) MR_PRINTF(2, 3);
int mr_error_where(struct mr_error *err, const char *file, int line, int column);

/* Put "context: " before the message that is there. Returns err->code, or code if err is NULL. */
int mr_error_wrap(struct mr_error *err, int code, const char *fmt, ...) MR_PRINTF(3, 4);

const char *mr_code_name(int code); /* "not_found" */

/* What cannot happen stays checked in release: prints the place and aborts. */
#define MR_ASSERT(condition) \
	(MR_LIKELY(condition) ? (void)0 : mr_assert_failed(#condition, __FILE__, __LINE__))
MR_NORETURN void mr_assert_failed(const char *condition, const char *file, int line);
