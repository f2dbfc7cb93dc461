/* cli/print.h - what a person reads on the terminal: errors and progress, on stderr. */
#pragma once

#include "base/error.h"
#include "base/types.h"

/* On stderr, in colour only on a terminal and without NO_COLOR:
 *
 *   error[invalid]: unknown key 'partitons' in topics.logs
 *     --> shop/millrace.yml:4:10
 *      4 |   logs: {partitons: 6}
 *        |          ^
 *   hint: did you mean 'partitions'?
 */
void print_error(const struct mr_error *err);
struct mr_buf;
void print_put_error(struct mr_buf *out, const struct mr_error *err, bool colour);
/* The exit code that an error means. */
int print_exit_code(int code);

/* One line of progress, redrawn in place on a terminal, else a line a second. Nothing is shown
 * before two seconds are over. Zero it before first use. */
struct progress {
	int64_t start_us, shown_us;
	bool any;
};
void progress_show(struct progress *progress, const char *fmt, ...) MR_PRINTF(2, 3);
void progress_end(struct progress *progress); /* leaves the last line standing */
bool print_is_terminal(int fd);
int print_width(void); /* of the terminal; 0 when stdout is none */
