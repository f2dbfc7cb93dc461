/* lake/internal.h - what the files of lake/ share. */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "lake/lake.h"
#include "lake/parser.h"

#include <pthread.h>

#define LAKE_SCHEMA "lake" /* of the views that stand for tables by path */

struct lake {
	struct lake_options options;
	char *tables_dir;
	pthread_mutex_t lock;
	_Atomic bool confined;
	struct mr_map by_path;   /* path -> struct delta_table */
	struct mr_map locations; /* "schema.table" -> char *path: made with a LOCATION here */
};

/* A table in place of its spelling: by name, of one of the session's snapshots. */
struct lake_view {
	mr_str name; /* "lake.t1" */
	const struct delta_snapshot *snapshot;
};

struct lake_session {
	struct lake *lake;
	struct sql_conn *conn;
	lake_bind_fn bind;
	void *bind_arg;
	size_t views;     /* made for the running statement */
	size_t overtaken; /* how often another writer's commit made it begin anew */
	MR_VEC(struct delta_snapshot *) snapshots;
	MR_VEC(struct lake_view) pending; /* views that are to be made */
	struct arena arena;               /* of the running statement */
};

/* ---- lake.c ---- */

/* "T" -> "default.t" */
mr_str lake_full_name(mr_str name, struct arena *arena);
/* Where CREATE TABLE name puts it; MR_ERR_INVALID when there is no folder for tables. */
int lake_place(struct lake *lake, mr_str name, mr_str location, struct arena *arena, mr_str *path,
	       struct mr_error *err);
/* Remember that the name stands for the path. */
int lake_register(struct lake *lake, mr_str name, mr_str path, struct mr_error *err);
/* MR_ERR_UNSUPPORTED for a store's table, naming what cannot be done with it. */
MR_NODISCARD int lake_check_local(const struct delta_table *table, const char *what, struct mr_error *err);
int lake_forget(struct lake *lake, mr_str name, struct mr_error *err);

/* The table that a statement names. 0 found; 1: the name is not the lake's (DuckDB's, perhaps).
 * to_change: refused for what a query makes. */
int lake_resolve(struct lake_session *s, const struct table_name *name, bool to_change,
		 struct delta_table **out, struct mr_error *err);

/* ---- version.c ---- */

/* A version or a time out of "@v12", "@20240131235959999" or VERSION/TIMESTAMP AS OF. */
struct table_time {
	enum { TIME_NOW, TIME_VERSION, TIME_STAMP } kind;
	int64_t value; /* the version, or milliseconds */
};

/* Cuts "@v12" or "@yyyyMMddHHmmssSSS" off a path or name, when there is one. */
void lake_cut_time(mr_str *path, struct table_time *out);
/* At [FOR] VERSION|TIMESTAMP AS OF ...: takes it. Nothing taken when it is not there. */
int lake_parse_time(struct lake_session *s, struct parser *p, struct table_time *out);
/* A time: a literal, or an expression that the engine knows. */
int lake_take_stamp(struct lake_session *s, struct parser *p, struct table_time *out);
int lake_snapshot(struct delta_table *table, const struct table_time *time, struct delta_snapshot **out,
		  struct mr_error *err);

/* ---- rows.c ---- */

/* An expression of Spark's, in DuckDB's SQL, in parentheses; tables in its subqueries are bound. */
int lake_expression(struct lake_session *s, mr_str text, mr_str *out, struct mr_error *err);

/* ---- vacuum.c ---- */

/* Files in the table's folder that no version that the log still knows of names, however young. */
int lake_unnamed_files(struct lake_session *s, struct delta_table *table,
		       const struct delta_snapshot *snapshot, mr_str **out, size_t *count,
		       struct mr_error *err);

/* ---- statements: each parses the rest of its text and carries it out ---- */

typedef int (*lake_statement_fn)(struct lake_session *s, struct parser *p, struct mr_buf *report);

int lake_create(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_create_or_replace(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_convert(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_drop(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_insert_into(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_insert_evolving(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_merge_evolving(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_insert_overwrite(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_delete(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_update(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_merge(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_optimize(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_vacuum(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_fsck(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_restore(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_history(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_detail(struct lake_session *s, struct parser *p, struct mr_buf *report);
int lake_alter(struct lake_session *s, struct parser *p, struct mr_buf *report);
