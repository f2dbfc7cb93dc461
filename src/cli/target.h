/* cli/target.h - where a command works: the server that runs the project, or the project's
 * folder itself when none runs. Commands say what they want once; this file finds the way. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "conf/project.h"

struct target;

/* folder: the project's. Loads it; finds its server; opens the data folder when there is none. */
MR_NODISCARD int target_open(const char *folder, struct target **out, struct mr_error *err);
/* A project when the folder holds one or `folder` is not NULL; else no project at all: tables and
 * files by their path. */
MR_NODISCARD int target_open_any(const char *folder, struct target **out, struct mr_error *err);
void target_close(struct target *target); /* NULL is fine */
bool target_is_server(const struct target *target);
const struct project *target_project(const struct target *target); /* NULL: none */

typedef int (*target_put_fn)(void *arg, mr_str bytes);
/* A server is not asked for what is in files: that runs here, with the project's committed tables.
 * Statements separated by ';', their results rendered one after the other. width 0: no limit. */
MR_NODISCARD int target_sql(struct target *target, mr_str sql, const char *format, int width,
			    target_put_fn put, void *arg, struct mr_error *err);
MR_NODISCARD int target_status(struct target *target, struct mr_buf *out, struct mr_error *err); /* JSON */
/* admin/admin.h: a verb with its arguments as JSON; the JSON answer is appended. */
MR_NODISCARD int target_admin(struct target *target, const char *verb, mr_str body, struct mr_buf *out,
			      struct mr_error *err);
MR_NODISCARD int target_consume(struct target *target, mr_str body, struct mr_buf *out, struct mr_error *err);
MR_NODISCARD int target_produce(struct target *target, const char *topic, mr_str lines, struct mr_error *err);

/* /api/v2: METHOD and "/dags?limit=2", percent-encoded; the answer is appended. */
MR_NODISCARD int target_dags(struct target *target, const char *method, const char *path, mr_str body,
			     struct mr_buf *out, struct mr_error *err);
/* An answer without an end (/api/v2/stream), piece by piece; a server only. */
MR_NODISCARD int target_stream(struct target *target, const char *path, target_put_fn put, void *arg,
			       struct mr_error *err);
struct app *target_app(struct target *target); /* NULL: a server has the project */

/* A target_put_fn that writes to stdout. */
int target_print(void *arg, mr_str bytes);
