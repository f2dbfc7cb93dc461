/* dag/store_sql.h - the seam between the store and a database that speaks SQL.
 *
 * store_sql.c is the whole store: what is written and read, in which order, fenced how. A database has
 * these few functions. Statements of a transaction may be kept back until its answer is needed: a
 * failure then comes from `ask` or `commit`.
 *
 * Threading: store_sql.c locks. Of the writing functions one at a time, of `read` one at a time; at the
 * same time unless `alone`.
 */
#pragma once

#include "dag/store.h"
#include "dag/store_schema.h"

/* Borrowed for the call. */
struct sql_row {
	const char *const *names;
	const struct sql_value *values;
	size_t count;
};
/* A return other than 0 ends the reading and is its result. */
typedef int sql_row_fn(void *arg, const struct sql_row *row, struct mr_error *err);

struct store_db;
struct store_db_ops {
	int (*begin)(struct store_db *, struct mr_error *);
	int (*write)(struct store_db *, int statement, const struct sql_value *values, size_t count,
		     struct mr_error *);
	int (*ask)(struct store_db *, int statement, const struct sql_value *values, size_t count,
		   sql_row_fn *fn, void *arg, struct mr_error *);
	int (*commit)(struct store_db *, struct mr_error *); /* failed: rolled back, or not known */
	void (*rollback)(struct store_db *);
	/* A SELECT in the database's dialect; parameters are text. */
	int (*read)(struct store_db *, const char *sql, const mr_str *params, size_t count, sql_row_fn *fn,
		    void *arg, struct mr_error *);
	void (*free)(struct store_db *);
};

struct store_db {
	const struct store_db_ops *ops;
	const struct store_dialect *dialect;
	bool alone; /* reads use the writer's connection */
};

#define STORE_COLUMNS_MAX 96
#define STORE_PARAMS_MAX 64
#define STORE_ROWS_MAX 100000 /* of one SELECT of a query */

/* The store; it owns db. */
struct dag_store *store_sql_new(struct store_db *db);
