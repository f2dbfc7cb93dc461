/* dag/store_schema.h - the tables of the scheduler's store and its statements, in each dialect.
 *
 * The tables have Airflow's names and columns where they mean the same. A run's rows begin with its
 * number, and numbers grow: what is written now lies at the end of every index, so a long history
 * costs the present nothing. Times are integers, microseconds since 1970; states are Airflow's words,
 * held by a CHECK that dag/state.def writes. Flags are the numbers 0 and 1.
 *
 * There is one text of each statement. It is written so that SQLite and PostgreSQL read it alike; what
 * remains different is in struct store_dialect.
 *
 * Threading: pure.
 */
#pragma once

#include "base/buf.h"

enum sql_kind { SQL_NULL, SQL_INTEGER, SQL_REAL, SQL_TEXT };

/* One value, to or from a database. Text is borrowed. */
struct sql_value {
	enum sql_kind kind;
	int64_t integer;
	double real;
	mr_str text;
};

enum store_column_kind {
	COLUMN_TEXT,
	COLUMN_TIME,
	COLUMN_INT32,
	COLUMN_INT64,
	COLUMN_BOOLEAN,
	COLUMN_TASK_STATE,
	COLUMN_RUN_STATE
};

/* A column, and the member of the row's struct in store.h that it is. */
struct store_column {
	const char *name;
	enum store_column_kind kind;
	size_t offset;
	bool later; /* text that tables of an earlier version do not have */
};

enum store_conflict { ON_CONFLICT_FAIL, ON_CONFLICT_REPLACE, ON_CONFLICT_KEEP };

struct store_table {
	const char *name;
	const struct store_column *columns;
	size_t count;
	const char *key;              /* NULL: none but its number */
	enum store_conflict conflict; /* with the row that has the same key */
	bool numbered;                /* it has a column id that counts up */
	const char *also;             /* more constraints */
};

enum store_tables {
	STORE_DAGS,
	STORE_VERSIONS,
	STORE_BACKFILLS,
	STORE_RUNS,
	STORE_TASKS,
	STORE_TRIES,
	STORE_XCOMS,
	STORE_ASSETS,
	STORE_WAITS,
	STORE_EVENTS,
	STORE_POOLS,
	STORE_NOTES,
	STORE_TABLES
};
extern const struct store_table store_tables[STORE_TABLES];

/* Statements that a back end prepares. Those below STORE_TABLES insert a row of that table. */
enum store_statement {
	STORE_CLAIM = STORE_TABLES,
	STORE_BEAT,
	STORE_ATTEND,
	STORE_RESIGN,
	STORE_EPOCH,
	STORE_BATCH,
	STORE_FORGET_XCOMS,
	STORE_REMOVE_TASK,
	STORE_CLEAR_WAITS,
	STORE_STATEMENTS
};

struct store_dialect {
	const char *types[COLUMN_RUN_STATE + 1];
	const char *number;   /* the column id */
	const char *keyed;    /* after a table that has a key of its own */
	char parameter;       /* ?1 or $1 */
	const char *add;      /* a column to a table */
	const char *lock_row; /* after a SELECT whose row must stay; NULL: the transaction holds it */
	struct {
		const char *from, *to;
	} spellings[4]; /* words; NULL ends them */
};
extern const struct store_dialect store_sqlite_dialect, store_postgres_dialect;

/* CREATE everything that is not there, statements with semicolons. */
void store_put_schema(struct mr_buf *sql, const struct store_dialect *dialect);
/* Each column that tables of an earlier version do not have, with the statement that adds it. */
typedef void store_later_fn(void *arg, const char *table, const char *column, mr_str add);
void store_later_columns(const struct store_dialect *dialect, store_later_fn *fn, void *arg);
void store_put_statement(struct mr_buf *sql, const struct store_dialect *dialect, int statement);
/* SELECT every column of a table, in order; not in a dialect yet. */
void store_put_select(struct mr_buf *sql, int table, const char *where);
/* A statement with ?1 … in the words of the dialect. */
void store_put_sql(struct mr_buf *out, const struct store_dialect *dialect, const char *sql);

/* A member of a row as a value, and back; text stays borrowed. */
struct sql_value store_column_value(const struct store_column *column, const void *row);
void store_column_take(const struct store_column *column, const struct sql_value *value, void *row);
