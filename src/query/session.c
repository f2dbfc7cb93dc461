#include "query/session.h"

#include "base/vec.h"
#include "query/bind.h"
#include "stream/statement.h"

#include <pthread.h>

struct session {
	struct catalog *catalog;
	struct sql_conn *conn;
	struct lake_session *lake;
	struct binding *binding; /* of the running statement */
	size_t attempt;          /* that it is for */
	struct arena arena;
};

struct session_pool {
	struct catalog *catalog;
	pthread_mutex_t lock;
	pthread_cond_t back;
	MR_VEC(struct session *) idle;
	size_t made;
	size_t max;
};

int session_pool_new(struct catalog *catalog, size_t sessions_max, struct session_pool **out,
		     struct mr_error *err)
{
	(void)err;
	struct session_pool *pool = mr_calloc(1, sizeof *pool);
	pool->catalog = catalog;
	pool->max = sessions_max;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->back, NULL);
	*out = pool;
	return 0;
}

static void session_free(struct session *session)
{
	binding_free(session->binding);
	lake_session_free(session->lake);
	sql_disconnect(session->conn);
	arena_release(&session->arena);
	free(session);
}

void session_pool_free(struct session_pool *pool)
{
	if (!pool)
		return;
	MR_ASSERT(pool->idle.len == pool->made);
	for (size_t i = 0; i < pool->idle.len; i++)
		session_free(pool->idle.items[i]);
	mr_vec_release(&pool->idle);
	pthread_cond_destroy(&pool->back);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

/* Statements about the catalogue see all of it; others what they name. */
static bool is_about_catalogue(mr_str sql)
{
	static const char *const words[] = {"show", "describe", "desc", "summarize", "pragma"};
	for (size_t i = 0; i < MR_COUNT(words); i++) {
		size_t n = strlen(words[i]);
		if (sql.len > n && strncasecmp(sql.ptr, words[i], n) == 0 &&
		    (sql.ptr[n] == ' ' || sql.ptr[n] == '\n'))
			return true;
	}
	return memmem(sql.ptr, sql.len, "information_schema", 18) || memmem(sql.ptr, sql.len, "duckdb_", 7);
}

/* DuckDB's SHOW TABLES stops at the current schema; people mean all of them. */
static mr_str shown_tables(mr_str sql)
{
	if (sql.len != 11 || strncasecmp(sql.ptr, "show tables", 11) != 0)
		return sql;
	return MR_STR(
	    "SELECT CASE table_schema WHEN 'main' THEN table_name ELSE table_schema || '.' || table_name END "
	    "AS name FROM information_schema.tables "
	    "WHERE table_catalog = current_database() AND table_schema NOT LIKE '% reads %' ORDER BY name");
}

static int bind_statement(struct session *session, mr_str sql, struct mr_error *err)
{
	if (is_about_catalogue(sql))
		return bind_all(session->binding, err);
	mr_str *names;
	size_t count;
	int rc = sql_table_names(session->conn, sql, &session->arena, &names, &count, err);
	return rc < 0 ? rc : bind_tables(session->binding, names, count, err);
}

static bool asks_of_rows(mr_str sql)
{
	static const char word[] = "where";
	for (size_t at = 0; at + sizeof word <= sql.len; at++)
		if (strncasecmp(sql.ptr + at, word, sizeof word - 1) == 0)
			return true;
	return false;
}

static void begin(struct session *session)
{
	binding_free(session->binding);
	session->binding = binding_new(session->catalog, session->conn, BIND_FRESH);
	session->attempt = lake_session_attempt(session->lake);
}

/* A statement as it is written, or a part of one, made ready for the engine; what it names is bound. */
static int bind_text(void *arg, mr_str text, struct arena *arena, mr_str *out, struct mr_error *err)
{
	struct session *session = arg;
	struct sql_table_predicate *predicates = NULL;
	size_t count = 0;
	if (session->attempt != lake_session_attempt(session->lake))
		begin(session);
	int rc = lake_rewrite(session->lake, text, arena, &text, err);
	if (rc == 0)
		rc = spark_translate(text, arena, out, err);
	/* What it asks can only make it faster: an error in it is reported where the statement runs. */
	if (rc == 0 && asks_of_rows(*out) &&
	    sql_predicates(session->conn, *out, &session->arena, &predicates, &count, NULL) < 0)
		count = 0;
	if (rc == 0)
		rc = lake_make_views(session->lake, predicates, count, err);
	bind_predicates(session->binding, predicates, count);
	if (rc == 0)
		rc = bind_statement(session, *out, err);
	bind_predicates(session->binding, NULL, 0);
	return rc;
}

int session_take(struct session_pool *pool, struct session **out, struct mr_error *err)
{
	pthread_mutex_lock(&pool->lock);
	while (!pool->idle.len && pool->made == pool->max)
		pthread_cond_wait(&pool->back, &pool->lock);
	struct session *session = NULL;
	if (pool->idle.len)
		session = pool->idle.items[--pool->idle.len];
	else
		pool->made++;
	pthread_mutex_unlock(&pool->lock);
	if (session) {
		*out = session;
		return 0;
	}
	session = mr_calloc(1, sizeof *session);
	session->catalog = pool->catalog;
	int rc = sql_connect(catalog_engine(pool->catalog), &session->conn, err);
	if (rc < 0) {
		free(session);
		pthread_mutex_lock(&pool->lock);
		pool->made--;
		pthread_cond_signal(&pool->back);
		pthread_mutex_unlock(&pool->lock);
		return rc;
	}
	session->lake = lake_session_new(catalog_lake(pool->catalog), session->conn, bind_text, session);
	*out = session;
	return 0;
}

void session_give(struct session_pool *pool, struct session *session)
{
	binding_free(session->binding);
	session->binding = NULL;
	lake_session_reset(session->lake);
	arena_reset(&session->arena);
	pthread_mutex_lock(&pool->lock);
	mr_vec_push(&pool->idle, session);
	pthread_cond_signal(&pool->back);
	pthread_mutex_unlock(&pool->lock);
}

void session_interrupt(struct session *session)
{
	sql_interrupt(session->conn);
}

int session_run(struct session *session, mr_str *text, struct sql_result **out, struct mr_error *err)
{
	arena_reset(&session->arena);
	lake_session_reset(session->lake);
	begin(session);
	mr_str statement = statement_next(text), sql;
	if (!statement.len)
		return 0;
	struct mr_buf report = {0};
	int rc = lake_execute(session->lake, statement, &report, err);
	if (rc == 1) {
		rc = sql_query(session->conn, mr_buf_view(&report), out, err);
	} else if (rc == 0) {
		rc = bind_text(session, shown_tables(statement), &session->arena, &sql, err);
		if (rc == 0)
			rc = sql_query(session->conn, sql, out, err);
	}
	mr_buf_release(&report);
	return rc < 0 ? rc : 1;
}
