/* dag/store_sqlite.c - the scheduler's store in one SQLite file.
 *
 * Durability: WAL with synchronous=FULL: a batch that apply returned 0 for survives power loss.
 * Threading: writing uses the writer's connection, reading the reader's; a memory database has one.
 */
#include "dag/store_sql.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define BUSY_MS 10000

enum { BEGIN, COMMIT, ROLLBACK, PLAIN };

struct sqlite_db {
	struct store_db base;
	char *path;
	sqlite3 *writer;
	sqlite3 *reader; /* the writer's, of a memory database */
	sqlite3_stmt *statements[STORE_STATEMENTS];
	sqlite3_stmt *plain[PLAIN];
};

static struct sqlite_db *db_of(struct store_db *base)
{
	return MR_CONTAINER_OF(base, struct sqlite_db, base);
}

static int failed(const struct sqlite_db *db, sqlite3 *connection, const char *what, struct mr_error *err)
{
	int code = sqlite3_extended_errcode(connection), number = sqlite3_system_errno(connection);
	int ours = code == SQLITE_FULL               ? MR_ERR_NO_SPACE
		   : (code & 0xff) == SQLITE_CORRUPT ? MR_ERR_CORRUPT
		   : (code & 0xff) == SQLITE_BUSY    ? MR_ERR_BUSY
		   : (code & 0xff) == SQLITE_ERROR   ? MR_ERR_INVALID
						     : MR_ERR_IO;
	bool system = number && (ours == MR_ERR_IO || ours == MR_ERR_NO_SPACE);
	mr_fail(err, ours, "the scheduler's store %s: cannot %s: %s (SQLite %d%s%s)", db->path, what,
		sqlite3_errmsg(connection), code, system ? ", " : "", system ? strerror(number) : "");
	if (ours == MR_ERR_NO_SPACE)
		mr_hint(err, "make room on its disk; what waits is written then");
	return ours;
}

static int prepare(struct sqlite_db *db, sqlite3 *connection, const char *sql, unsigned flags,
		   sqlite3_stmt **out, struct mr_error *err)
{
	int rc = sqlite3_prepare_v3(connection, sql, -1, flags, out, NULL);
	return rc == SQLITE_OK ? 0 : failed(db, connection, "prepare a statement", err);
}

static void bind_text(sqlite3_stmt *stmt, int i, mr_str text)
{
	sqlite3_bind_text(stmt, i, text.len ? text.ptr : "", (int)text.len, SQLITE_STATIC);
}

static void bind(sqlite3_stmt *stmt, const struct sql_value *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct sql_value *v = &values[i];
		switch (v->kind) {
		case SQL_NULL:
			sqlite3_bind_null(stmt, (int)i + 1);
			break;
		case SQL_INTEGER:
			sqlite3_bind_int64(stmt, (int)i + 1, v->integer);
			break;
		case SQL_REAL:
			sqlite3_bind_double(stmt, (int)i + 1, v->real);
			break;
		case SQL_TEXT:
			bind_text(stmt, (int)i + 1, v->text);
			break;
		}
	}
}

static struct sql_value column(sqlite3_stmt *stmt, int i)
{
	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_NULL:
		return (struct sql_value){.kind = SQL_NULL};
	case SQLITE_INTEGER:
		return (struct sql_value){.kind = SQL_INTEGER, .integer = sqlite3_column_int64(stmt, i)};
	case SQLITE_FLOAT:
		return (struct sql_value){.kind = SQL_REAL, .real = sqlite3_column_double(stmt, i)};
	default:
		return (struct sql_value){
		    .kind = SQL_TEXT,
		    .text = mr_str_n(sqlite3_column_text(stmt, i), (size_t)sqlite3_column_bytes(stmt, i))};
	}
}

/* Every row to fn; NULL: there is none to see. */
static int step_all(struct sqlite_db *db, sqlite3_stmt *stmt, sql_row_fn *fn, void *arg, const char *what,
		    struct mr_error *err)
{
	struct sql_value values[STORE_COLUMNS_MAX];
	const char *names[STORE_COLUMNS_MAX];
	struct sql_row row = {names, values,
			      mr_min_size((size_t)sqlite3_column_count(stmt), STORE_COLUMNS_MAX)};
	int rc = 0, step = SQLITE_DONE;
	while (rc == 0 && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		for (size_t i = 0; fn && i < row.count; i++) {
			/* A step may prepare the statement anew (LIKE ?1 does), and then its names move. */
			names[i] = sqlite3_column_name(stmt, (int)i);
			values[i] = column(stmt, (int)i);
		}
		rc = fn ? fn(arg, &row, err) : 0;
	}
	if (rc == 0 && step != SQLITE_DONE)
		rc = failed(db, sqlite3_db_handle(stmt), what, err);
	return rc;
}

/* ---- the seam ---- */

static int run_plain(struct sqlite_db *db, int plain, struct mr_error *err)
{
	int rc = step_all(db, db->plain[plain], NULL, NULL, "write", err);
	sqlite3_reset(db->plain[plain]);
	return rc;
}

static int db_begin(struct store_db *base, struct mr_error *err)
{
	return run_plain(db_of(base), BEGIN, err);
}

static void db_rollback(struct store_db *base)
{
	struct sqlite_db *db = db_of(base);
	/* Some failures have rolled back already. */
	if (!sqlite3_get_autocommit(db->writer) && run_plain(db, ROLLBACK, NULL) < 0)
		return;
}

static int db_commit(struct store_db *base, struct mr_error *err)
{
	int rc = run_plain(db_of(base), COMMIT, err);
	if (rc < 0)
		db_rollback(base);
	return rc;
}

static int db_ask(struct store_db *base, int statement, const struct sql_value *values, size_t count,
		  sql_row_fn *fn, void *arg, struct mr_error *err)
{
	struct sqlite_db *db = db_of(base);
	sqlite3_stmt *stmt = db->statements[statement];
	bind(stmt, values, count);
	int rc = step_all(db, stmt, fn, arg, "write", err);
	sqlite3_reset(stmt);
	return rc;
}

static int db_write(struct store_db *base, int statement, const struct sql_value *values, size_t count,
		    struct mr_error *err)
{
	return db_ask(base, statement, values, count, NULL, NULL, err);
}

static int db_read(struct store_db *base, const char *sql, const mr_str *params, size_t count, sql_row_fn *fn,
		   void *arg, struct mr_error *err)
{
	struct sqlite_db *db = db_of(base);
	sqlite3_stmt *stmt = NULL;
	int rc = prepare(db, db->reader, sql, 0, &stmt, err);
	if (rc == 0 && !sqlite3_stmt_readonly(stmt))
		rc = mr_fail(err, MR_ERR_INVALID, "a query of the scheduler's store only reads");
	for (size_t i = 0; rc == 0 && i < count; i++)
		bind_text(stmt, (int)i + 1, params[i]);
	if (rc == 0)
		rc = step_all(db, stmt, fn, arg, "read", err);
	sqlite3_finalize(stmt);
	return rc;
}

static void db_free(struct store_db *base)
{
	struct sqlite_db *db = db_of(base);
	for (size_t i = 0; i < STORE_STATEMENTS; i++)
		sqlite3_finalize(db->statements[i]);
	for (size_t i = 0; i < PLAIN; i++)
		sqlite3_finalize(db->plain[i]);
	if (db->reader != db->writer)
		sqlite3_close(db->reader);
	sqlite3_close(db->writer);
	free(db->path);
	free(db);
}

static const struct store_db_ops ops = {
    .begin = db_begin,
    .write = db_write,
    .ask = db_ask,
    .commit = db_commit,
    .rollback = db_rollback,
    .read = db_read,
    .free = db_free,
};

/* ---- opening ---- */

struct missing { /* columns of an earlier version's tables */
	sqlite3 *db;
	struct mr_buf sql;
};

static void put_missing(void *arg, const char *table, const char *column, mr_str add)
{
	struct missing *missing = arg;
	sqlite3_stmt *stmt = NULL;
	char look[128];
	snprintf(look, sizeof look, "SELECT %s FROM %s LIMIT 0", column, table);
	if (sqlite3_prepare_v2(missing->db, look, -1, &stmt, NULL) != SQLITE_OK)
		mr_buf_printf(&missing->sql, "%.*s;", MR_FMT(add));
	sqlite3_finalize(stmt);
}

static int add_columns(struct sqlite_db *db, struct mr_error *err)
{
	struct missing missing = {.db = db->writer};
	store_later_columns(db->base.dialect, put_missing, &missing);
	int rc = missing.sql.len ? sqlite3_exec(db->writer, missing.sql.ptr, NULL, NULL, NULL) : SQLITE_OK;
	mr_buf_release(&missing.sql);
	return rc == SQLITE_OK ? 0 : failed(db, db->writer, "add columns to its tables", err);
}

static int create(struct sqlite_db *db, struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
			  "PRAGMA cache_size = -16384; BEGIN IMMEDIATE;");
	store_put_schema(&sql, db->base.dialect);
	mr_buf_cstr(&sql, "COMMIT;");
	int rc = sqlite3_exec(db->writer, sql.ptr, NULL, NULL, NULL);
	mr_buf_release(&sql);
	return rc == SQLITE_OK ? add_columns(db, err) : failed(db, db->writer, "make its tables", err);
}

static int prepare_all(struct sqlite_db *db, struct mr_error *err)
{
	static const char *const plain[PLAIN] = {
	    [BEGIN] = "BEGIN IMMEDIATE", [COMMIT] = "COMMIT", [ROLLBACK] = "ROLLBACK"};
	int rc = 0;
	for (int i = 0; rc == 0 && i < PLAIN; i++)
		rc = prepare(db, db->writer, plain[i], SQLITE_PREPARE_PERSISTENT, &db->plain[i], err);
	for (int i = 0; rc == 0 && i < STORE_STATEMENTS; i++) {
		struct mr_buf sql = {0};
		store_put_statement(&sql, db->base.dialect, i);
		rc = prepare(db, db->writer, sql.ptr, SQLITE_PREPARE_PERSISTENT, &db->statements[i], err);
		mr_buf_release(&sql);
	}
	return rc;
}

static int open_one(const char *path, sqlite3 **out, struct mr_error *err)
{
	int rc = sqlite3_open_v2(path, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
				 NULL);
	if (rc != SQLITE_OK)
		return mr_fail(err, MR_ERR_IO, "cannot open the scheduler's store %s: %s", path,
			       *out ? sqlite3_errmsg(*out) : sqlite3_errstr(rc));
	sqlite3_busy_timeout(*out, BUSY_MS);
	sqlite3_extended_result_codes(*out, 1);
	return 0;
}

int store_sqlite_open(const char *path, struct dag_store **out, struct mr_error *err)
{
	struct sqlite_db *db = mr_calloc(1, sizeof *db);
	db->base.ops = &ops;
	db->base.dialect = &store_sqlite_dialect;
	db->base.alone = strcmp(path, ":memory:") == 0;
	db->path = mr_strdup(path);
	int rc = open_one(path, &db->writer, err);
	if (rc == 0)
		rc = create(db, err);
	if (rc == 0)
		rc = prepare_all(db, err);
	if (rc == 0 && !db->base.alone)
		rc = open_one(path, &db->reader, err);
	if (rc == 0 && db->base.alone)
		db->reader = db->writer;
	if (rc < 0) {
		db_free(&db->base);
		return rc;
	}
	*out = store_sql_new(&db->base);
	return 0;
}
