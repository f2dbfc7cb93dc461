/* api/log_line.h - lines of task logs: "[2026-01-01T00:00:00.000000+00:00] INFO - text" (a {logger} may stand
 * before the level) is ours, anything else was printed by the task. Pure; strings are borrowed from the text.
 */
#pragma once

#include "codec/json.h"

struct log_line {
	mr_str timestamp, logger, level; /* empty: none */
	mr_str event;
};

struct log_line log_line_take(mr_str *text); /* the first line; text is behind it */
/* An object of Airflow's StructuredLogMessage. */
void log_line_put(struct json_writer *w, const struct log_line *line);
/* Up to the last line end; with `ended` the rest as well. A line longer than the whole text is cut. */
mr_str log_whole_lines(mr_str text, bool ended);
