/* sql/engine.h - DuckDB, behind the only header that the rest of the program sees of it.
 * (sql/ is the only folder that includes duckdb.h.)
 *
 * One engine a process (in memory; TimeZone UTC; Spark-compatible macros installed), many
 * connections. A connection belongs to one thread at a time; sql_interrupt is safe from any.
 * Each connection has a private in-memory catalog attached and in use, so that views made
 * on it are seen by nobody else.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/types.h"
#include "codec/columns.h"

struct sql_engine;
struct sql_conn;
struct sql_result;

struct sql_engine_options {
	int threads;              /* 0: the machine's */
	int64_t memory_bytes_max; /* 0: a quarter of the machine's, at most 2 GiB */
	const char *temp_dir;     /* spill; NULL: none */
};

/* Nothing of DuckDB runs before the first sql_connect, which opens the database and does what was installed
 * and registered until then; what fails there fails each sql_connect, with the same error. */
MR_NODISCARD int sql_engine_open(const struct sql_engine_options *options, struct sql_engine **out,
				 struct mr_error *err);
void sql_engine_close(struct sql_engine *engine);
const char *sql_engine_version(struct mr_error *err); /* NULL: the library cannot be loaded */
/* Run statements (CREATE OR REPLACE MACRO ...) whose names every connection then sees. Call it
 * before the first connection. */
MR_NODISCARD int sql_engine_install(struct sql_engine *engine, const char *statements, struct mr_error *err);

MR_NODISCARD int sql_connect(struct sql_engine *engine, struct sql_conn **out, struct mr_error *err);
void sql_disconnect(struct sql_conn *conn);
void sql_interrupt(struct sql_conn *conn);

/* Run statements for their effect. Errors carry DuckDB's message without its decoration,
 * and its position as line and column of `sql` in err->where when it gives one. */
MR_NODISCARD int sql_exec(struct sql_conn *conn, mr_str sql, struct mr_error *err);
MR_NODISCARD int sql_execf(struct sql_conn *conn, struct mr_error *err, const char *fmt, ...) MR_PRINTF(3, 4);

/* Run one statement; the result streams. */
MR_NODISCARD int sql_query(struct sql_conn *conn, mr_str sql, struct sql_result **out, struct mr_error *err);
void sql_result_free(struct sql_result *result);

size_t sql_column_count(const struct sql_result *result);
mr_str sql_column_name(const struct sql_result *result, size_t column);
mr_str sql_column_type(const struct sql_result *result, size_t column); /* "BIGINT", "STRUCT(a INTEGER)" */
int64_t sql_rows_changed(const struct sql_result *result);
bool sql_result_is_query(const struct sql_result *result); /* has rows to show */

/* Move to the next row: 1, 0 at the end, negative on error. Values are then read by column,
 * valid until the next call. */
MR_NODISCARD int sql_next(struct sql_result *result, struct mr_error *err);
bool sql_is_null(struct sql_result *result, size_t column);
int64_t sql_int(struct sql_result *result,
		size_t column); /* any integer, BOOLEAN, DATE (days), TIMESTAMP (us) */
double sql_double(struct sql_result *result, size_t column);
mr_str sql_str(struct sql_result *result, size_t column); /* VARCHAR, BLOB bytes */
/* Any type as DuckDB prints it; nested values too. Valid until the next call on the result. */
mr_str sql_text(struct sql_result *result, size_t column);
bool sql_column_is_number(const struct sql_result *result, size_t column);
bool sql_column_is_nested(const struct sql_result *result, size_t column);
/* The value as JSON: numbers, booleans, strings, null, arrays, objects. */
void sql_put_json(struct sql_result *result, size_t column, struct mr_buf *out);

/* The tables that a SELECT names, as written (qualified). The strings live in arena. */
MR_NODISCARD int sql_table_names(struct sql_conn *conn, mr_str sql, struct arena *arena, mr_str **out,
				 size_t *count, struct mr_error *err);

/* Column names and Delta types of a query, without running it. Types that Delta lacks are
 * given as what they are written as (HUGEINT -> decimal(38,0), UUID -> string, ...). */
MR_NODISCARD int sql_describe(struct sql_conn *conn, mr_str query, struct arena *arena,
			      struct column_def **out, size_t *count, struct mr_error *err);

/* "it's" -> 'it''s' and a"b -> "a""b", appended. */
void sql_quote_literal(struct mr_buf *out, mr_str text);
void sql_quote_name(struct mr_buf *out, mr_str text);
/* "a.b" -> "a"."b": each part quoted. */
void sql_quote_path(struct mr_buf *out, mr_str dotted);

/* DuckDB's spelling of a column's type: "BIGINT", "DECIMAL(10,2)", appended. */
void sql_put_type(struct mr_buf *out, const struct column_def *def);

/* ---- rows made by millrace, as a table function ----
 *
 * SELECT … FROM name('p1', 'p2'): every parameter is a string. bind says the columns; open
 * starts a scan that needs only columns[i] for i in projected[] (others may be left NULL);
 * next fills a cleared batch and returns 1, or 0 at the end, or an error that becomes the
 * query's. Callbacks may run in any thread, one at a time per scan.
 */
struct sql_source {
	const char *name;
	size_t param_count;
	void *arg;
	int (*bind)(void *arg, const mr_str *params, struct arena *arena, struct column_def **defs,
		    size_t *def_count, void **bound, struct mr_error *err);
	void (*unbind)(void *bound);
	int (*open)(void *bound, const size_t *projected, size_t projected_count, void **scan,
		    struct mr_error *err);
	int (*next)(void *scan, struct columns *batch, struct mr_error *err);
	void (*close)(void *scan);
};
MR_NODISCARD int sql_register_source(struct sql_engine *engine, const struct sql_source *source,
				     struct mr_error *err);

/* ---- tests on rows, as a scalar function ----
 *
 * WHERE name('which', a, b), with a constant text and two BIGINTs that are not NULL: bind reads
 * the text once a statement, probe answers for `count` pairs. probe may run in many threads at
 * once; bound lives until unbind.
 */
struct sql_filter {
	const char *name; /* a literal */
	void *arg;
	int (*bind)(void *arg, mr_str which, void **bound, struct mr_error *err);
	void (*probe)(void *bound, const int64_t *a, const int64_t *b, size_t count, bool *out);
	void (*unbind)(void *bound);
};
/* 1, and nothing is done, when there is one of that name. */
MR_NODISCARD int sql_register_filter(struct sql_engine *engine, const struct sql_filter *filter,
				     struct mr_error *err);
