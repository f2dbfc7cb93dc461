/* query/system.h - system.* tables: what the program knows of itself, as rows.
 *
 * A table is a row of definitions and a function that fills it when a query comes; nothing is
 * kept between queries. The tables are registered while the program starts.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "codec/columns.h"
#include "sql/engine.h"

struct system_rows; /* being filled, cell by cell, row by row */

void system_int(struct system_rows *rows, int64_t v); /* integers, booleans, timestamps (us) */
void system_double(struct system_rows *rows, double v);
void system_str(struct system_rows *rows, mr_str v);       /* copied */
void system_cstr(struct system_rows *rows, const char *v); /* NULL: null */
void system_null(struct system_rows *rows);

struct system_table {
	const char *name; /* "topics": system.topics */
	const struct column_def *columns;
	size_t column_count;
	MR_NODISCARD int (*fill)(void *arg, struct system_rows *rows, struct mr_error *err);
	void *arg;
};

struct system_tables;

/* Registers the table function millrace_system(name) on the engine. The array is the caller's and
 * outlives the engine. */
MR_NODISCARD int system_tables_register(struct sql_engine *engine, const struct system_table *tables,
					size_t count, struct system_tables **out, struct mr_error *err);
void system_tables_free(struct system_tables *tables); /* after the engine is closed */
/* NULL when there is none of that name ("topics"). */
const struct system_table *system_table_find(const struct system_tables *tables, mr_str name);
size_t system_table_list(const struct system_tables *tables, const struct system_table **out);
