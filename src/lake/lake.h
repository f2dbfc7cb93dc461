/* lake/lake.h - Delta tables as people say them in SQL: by name, by path, at a version; and the
 * statements that make, change and keep them (docs/lake.md).
 *
 * A lake knows tables in three ways: those of the program (ingests, flows; `find`), those made
 * by CREATE TABLE in its folder of tables, and any folder that holds a Delta table, by its path.
 * Handles are opened once and shared by all sessions.
 *
 * A statement is either the lake's (lake_execute: CREATE TABLE, INSERT, DELETE, MERGE, OPTIMIZE,
 * VACUUM, ...), or a query in which tables by path or at a version are put in place of their
 * spelling (lake_rewrite).
 *
 * Threading: a lake is safe from any thread; a lake_session belongs to one at a time.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "delta/delta.h"
#include "env/env.h"
#include "sql/engine.h"
#include "sql/predicate.h"

struct lake;
struct lake_session;

struct lake_options {
	const struct env *env;
	struct sql_engine *engine;
	const char *tables_dir; /* tables_dir/<schema>/<table>; NULL: tables need a LOCATION */
	/* The program's own tables: a borrowed handle, or NULL. *derived is set when the rows are a
	 * query's (a materialized view), and so not to be changed by hand. May be NULL. */
	struct delta_table *(*find)(void *arg, mr_str name, bool *derived);
	void *find_arg;
};

void lake_new(const struct lake_options *options, struct lake **out);
/* From now on paths outside tables_dir are refused: for a program that strangers talk to. */
void lake_confine(struct lake *lake);
void lake_free(struct lake *lake); /* all sessions are gone */

/* The handle of a table by name ("t" is "default.t") or by path; it lives as long as the lake.
 * Whether there is a table shows when it is read. MR_ERR_NOT_FOUND for a name that stands for
 * nothing. */
MR_NODISCARD int lake_find(struct lake *lake, mr_str name, struct delta_table **out, struct mr_error *err);
MR_NODISCARD int lake_at_path(struct lake *lake, mr_str path, struct delta_table **out, struct mr_error *err);
/* Names of the tables that CREATE TABLE made, to be freed with lake_names_release. */
struct lake_names {
	mr_str *items;
	size_t count;
	struct arena arena;
};
MR_NODISCARD int lake_names(struct lake *lake, struct lake_names *out, struct mr_error *err);
void lake_names_release(struct lake_names *names);

/* The metaData body with which the table could hold the columns of a query (DuckDB's), too: what it lacks is
 * added, last. With `replaces` all its rows go, and it gets the query's columns alone. *out is empty when
 * nothing changes. */
MR_NODISCARD int lake_grown_metadata(const struct delta_snapshot *snapshot, struct mr_rng *rng,
				     struct sql_conn *conn, mr_str query, bool replaces, struct arena *arena,
				     mr_str *out, struct mr_error *err);

/* How a session makes a query's tables known: Spark's text in, DuckDB's out (in the arena). */
typedef int (*lake_bind_fn)(void *arg, mr_str spark, struct arena *arena, mr_str *out, struct mr_error *err);

struct lake_session *lake_session_new(struct lake *lake, struct sql_conn *conn, lake_bind_fn bind, void *arg);
void lake_session_free(struct lake_session *session); /* NULL is fine */
/* Forget the last statement's snapshots. */
void lake_session_reset(struct lake_session *session);

/* How often the running statement has begun anew, because another writer's commit came first. What was bound
 * for an earlier attempt is out of date then. */
size_t lake_session_attempt(const struct lake_session *session);

/* 1: the statement was the lake's and is done; a query that shows its outcome is appended to
 * report. 0: it is not the lake's, nothing was done. */
MR_NODISCARD int lake_execute(struct lake_session *session, mr_str statement, struct mr_buf *report,
			      struct mr_error *err);
/* Tables by path, at a version or by their changes get names; *out is the text with these (the text itself
 * when it has none). lake_make_views then makes them views of this connection. */
MR_NODISCARD int lake_rewrite(struct lake_session *session, mr_str sql, struct arena *arena, mr_str *out,
			      struct mr_error *err);

/* Makes them; the predicates are those of the text, as the engine gets it (sql/predicate.h). */
MR_NODISCARD int lake_make_views(struct lake_session *session, const struct sql_table_predicate *predicates,
				 size_t count, struct mr_error *err);
/* What OPTIMIZE does, of the files below small_bytes: those of a partition are packed into files of up to
 * target_bytes. 1: there was nothing to pack. */
struct lake_compaction {
	int64_t target_bytes, small_bytes;
};
MR_NODISCARD int lake_compact(struct lake_session *session, struct delta_table *table,
			      const struct lake_compaction *how, struct mr_error *err);
/* What VACUUM does, with the table's own retention time. 1: there was nothing to remove. */
MR_NODISCARD int lake_sweep(struct lake_session *session, struct delta_table *table, int64_t *files,
			    int64_t *bytes, struct mr_error *err);

/* Whether the text reaches for files: a table by path, COPY, read_parquet('...') and its like. */
bool lake_names_files(mr_str text);
