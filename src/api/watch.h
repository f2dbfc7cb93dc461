/* api/watch.h - sees what changes on disk without looking again and again (inotify): DAG files, and
 * commits to the Delta tables below a folder, whoever makes them.
 *
 * A table is a folder with a _delta_log at most two levels below `tables`; its asset is
 * delta://schema/table. At the start the newest version of each table is told as well: what was
 * committed while nobody watched.
 *
 * Threads: one; the callbacks come from it.
 */
#pragma once

#include "base/error.h"

struct watch;

struct watch_options {
	const char *dags;   /* folder of DAG files; may be absent */
	const char *tables; /* may be absent; NULL: none */
	void (*files_changed)(void *arg);
	/* first: as found at the start. */
	void (*committed)(void *arg, mr_str uri, int64_t version, bool first);
	void *arg;
};

MR_NODISCARD int watch_new(const struct watch_options *options, struct watch **out, struct mr_error *err);
void watch_free(struct watch *watch); /* NULL is fine */
