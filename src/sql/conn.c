/* sql/conn.c - connections: a private catalog each, statements run for their effect. */
#include "sql/internal.h"

#include <stdarg.h>
#include <stdlib.h>

int sql_text_copy(mr_str sql, char **out, struct mr_error *err)
{
	if (sql.len && memchr(sql.ptr, 0, sql.len))
		return mr_fail(err, MR_ERR_INVALID, "the SQL text holds a NUL byte");
	*out = mr_strndup(sql);
	return 0;
}

/* The private catalog comes first, so that unqualified CREATE lands there; memory.main after
 * it holds the engine's macros. */
static int enter_catalog(struct sql_conn *conn, struct mr_error *err)
{
	long long id = (long long)conn->catalog;
	return sql_execf(
	    conn, err, "ATTACH ':memory:' AS mr_%lld; SET search_path = 'mr_%lld.main,memory.main'", id, id);
}

int sql_connect(struct sql_engine *engine, struct sql_conn **out, struct mr_error *err)
{
	int rc = sql_engine_ready(engine, err);
	if (rc < 0)
		return rc;
	struct sql_conn *conn = mr_calloc(1, sizeof *conn);
	conn->engine = engine;
	conn->parser = json_parser_new();
	pthread_mutex_lock(&engine->lock);
	conn->catalog = ++engine->next_catalog;
	pthread_mutex_unlock(&engine->lock);
	if (duckdb_connect(engine->db, &conn->handle) != DuckDBSuccess)
		rc = mr_fail(err, MR_ERR_INTERNAL, "DuckDB gives no connection");
	if (rc == 0)
		rc = enter_catalog(conn, err);
	if (rc < 0) {
		sql_disconnect(conn);
		return rc;
	}
	*out = conn;
	return 0;
}

void sql_disconnect(struct sql_conn *conn)
{
	if (!conn)
		return;
	if (conn->handle) {
		/* A catalog that somebody else still reads cannot be detached; it then lives
		 * as long as the engine, which is harmless. */
		int rc = sql_execf(conn, NULL, "USE memory; DETACH mr_%lld", (long long)conn->catalog);
		(void)rc;
		duckdb_disconnect(&conn->handle);
	}
	json_parser_free(conn->parser);
	free(conn);
}

void sql_interrupt(struct sql_conn *conn)
{
	duckdb_interrupt(conn->handle);
}

static int exec_text(struct sql_conn *conn, const char *sql, struct mr_error *err)
{
	duckdb_result result;
	int rc = 0;
	conn->stream = NULL; /* DuckDB ends it */
	if (duckdb_query(conn->handle, sql, &result) != DuckDBSuccess)
		rc = sql_report(conn, duckdb_result_error(&result), duckdb_result_error_type(&result),
				mr_str_from(sql), err);
	duckdb_destroy_result(&result);
	return rc;
}

int sql_exec(struct sql_conn *conn, mr_str sql, struct mr_error *err)
{
	char *text;
	int rc = sql_text_copy(sql, &text, err);
	if (rc < 0)
		return rc;
	rc = exec_text(conn, text, err);
	free(text);
	return rc;
}

int sql_execf(struct sql_conn *conn, struct mr_error *err, const char *fmt, ...)
{
	struct mr_buf text = {0};
	va_list args;
	va_start(args, fmt);
	mr_buf_vprintf(&text, fmt, args);
	va_end(args);
	int rc = exec_text(conn, mr_buf_view(&text).ptr, err);
	mr_buf_release(&text);
	return rc;
}

int sql_prepare(struct sql_conn *conn, mr_str sql, duckdb_prepared_statement *out, struct mr_error *err)
{
	char *text;
	int rc = sql_text_copy(sql, &text, err);
	if (rc < 0)
		return rc;
	duckdb_prepared_statement statement = NULL;
	conn->stream = NULL; /* DuckDB ends it */
	if (duckdb_prepare(conn->handle, text, &statement) != DuckDBSuccess) {
		rc = sql_report(conn, duckdb_prepare_error(statement), DUCKDB_ERROR_INVALID, sql, err);
		duckdb_destroy_prepare(&statement);
	} else {
		*out = statement;
	}
	free(text);
	return rc;
}
