/* upkeep/upkeep.h - the chores of the program's tables, done beside ingest: small files into larger ones,
 * files that no version needs removed, table properties as the project says.
 *
 * Nothing is polled: a commit wakes the one thread, which looks at the table's figures (policy.h) and
 * does one chore at a time. It has an engine of its own with a single thread, so it never takes more
 * than one core, and a queue of its own in front of nobody: its commits only rearrange
 * (dataChange=false), which streams pass over and appends do not conflict with. A chore that loses
 * against another writer changes nothing and is done again later.
 *
 * What was done is kept in memory, the newest RECORDS_MAX chores; the tables' histories hold the rest.
 *
 * Threading: new, start, stop and free from one thread; moved and records from any; step from one at a
 * time while the thread does not run.
 */
#pragma once

#include "base/error.h"
#include "lake/lake.h"
#include "upkeep/policy.h"

#define UPKEEP_RECORDS_MAX 1000

struct upkeep;

struct upkeep_table {
	const char *name; /* as SQL names it */
	struct delta_table *table;
	bool derived; /* its rows are a query's: they are replaced, not packed */
	struct upkeep_policy policy;
};

struct upkeep_options {
	const struct env *env;
	struct lake *lake;
	const char *temp_dir;              /* the engine's; NULL: none */
	const struct upkeep_table *tables; /* copied; names and handles outlive it */
	size_t table_count;
};

void upkeep_new(const struct upkeep_options *options, struct upkeep **out);
void upkeep_start(struct upkeep *upkeep);
/* Ends the chore under way, which then changes nothing. */
void upkeep_stop(struct upkeep *upkeep);
void upkeep_free(struct upkeep *upkeep); /* NULL is fine */

/* A table of options.tables has a new version. Cheap. */
void upkeep_table_moved(struct upkeep *upkeep, size_t table);

/* One chore of that table, if one is due. 1: done, and recorded; 0: none is; negative: it failed, and
 * that is recorded. */
MR_NODISCARD int upkeep_step(struct upkeep *upkeep, size_t table, struct mr_error *err);

struct upkeep_record {
	const char *table;
	enum chore chore;
	int64_t started_ms, took_us;
	int64_t version; /* that it made; -1: none */
	int64_t files_before, files_after, bytes_before, bytes_after;
	struct mr_error error; /* code 0: it went well */
};
/* Newest last; at most max. */
size_t upkeep_records(struct upkeep *upkeep, struct upkeep_record *out, size_t max);
