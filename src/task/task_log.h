/* task/task_log.h - logs of tries, one file each, named as Airflow names them:
 *
 *   LOGS/dag_id=D/run_id=R/task_id=T/attempt=N.log
 *   LOGS/dag_id=D/run_id=R/task_id=T/map_index=M/attempt=N.log
 *
 * Bytes that a file name cannot hold are percent-encoded. Files are only appended to: a reader that
 * comes again with the offset where it stopped sees what came since.
 */
#pragma once

#include "dag/executor.h"
#include "task/mask.h"

struct task_log {
	int fd; /* -1: lines go nowhere */
	struct mask mask;
};

/* Appends the path. */
void task_log_path(const char *logs, mr_str dag_id, mr_str run_id, mr_str task_id, int32_t map_index,
		   int32_t try_number, struct mr_buf *out);
/* Open for appending, folders made. log is usable (and silent) when this fails. */
MR_NODISCARD int task_log_open(struct task_log *log, const char *logs, const struct dag_try *try,
			       const mr_str *secrets, size_t secret_count, struct mr_error *err);
void task_log_close(struct task_log *log);

/* "[2026-01-01T00:00:00.000000+00:00] {engine} INFO - text": a line, secrets masked. */
void task_log_line(struct task_log *log, const char *level, const char *fmt, ...) MR_PRINTF(3, 4);
void task_log_text(struct task_log *log, mr_str text); /* as it is, masked */

/* What a log holds from `offset` on, at most `limit` bytes, appended. 1: there is no log (yet). */
MR_NODISCARD int task_log_read(const char *path, int64_t offset, size_t limit, struct mr_buf *out,
			       struct mr_error *err);
