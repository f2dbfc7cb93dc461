/* dag/store_postgres.c - the scheduler's store in PostgreSQL.
 *
 * A transaction is two round trips however many rows it has: BEGIN goes out with the question for the
 * epoch, the rows with COMMIT (libpq's pipeline mode, statements prepared once a connection). A failure
 * of a row is told at the commit.
 *
 * Durability: the server's; synchronous_commit is left as the server, role or URL sets it. When the
 * connection is lost while it commits, the outcome is not known: the batch comes again, and its number
 * says whether it is there (store.h).
 *
 * A lost connection, or none from the beginning, is MR_ERR_UNAVAILABLE and made by the next call. An answer
 * that does not come within ANSWER_MS is a lost connection. A transaction that is left open (a stopped
 * process) is ended by the server after IDLE_MS, so that it cannot keep another scheduler from taking over.
 *
 * Text that is not UTF-8, and NUL, which PostgreSQL cannot hold, is stored with U+FFFD in its place.
 *
 * Threading: writing uses the writer's connection, reading the reader's.
 */
#include "dag/store_sql.h"

#include "base/log.h"
#include "codec/utf8.h"
#include "dag/libpq_calls.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ANSWER_MS 30000
#define IDLE_MS "5000"
#define REPLACEMENT "\xEF\xBF\xBD"
/* Of pg_advisory_xact_lock: two that start together do not make the tables both. */
#define SCHEMA_LOCK "5570193"

enum { OID_BOOL = 16, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_TEXT = 25 };
enum { OID_FLOAT4 = 700, OID_FLOAT8 = 701, OID_NUMERIC = 1700 };

struct postgres_db {
	struct store_db base;
	char *url;
	char *place; /* without the password: for messages */
	PGconn *writer, *reader;
	_Atomic bool created; /* its tables are there */
	size_t pending;       /* results that the writer has not read */
	struct mr_buf text;   /* of the parameters that are being sent */
};

static struct postgres_db *db_of(struct store_db *base)
{
	return MR_CONTAINER_OF(base, struct postgres_db, base);
}

/* ---- failures ---- */

static int code_of(const char *state)
{
	static const struct {
		const char *prefix;
		int code;
	} table[] = {
	    {"08", MR_ERR_UNAVAILABLE}, {"57P", MR_ERR_UNAVAILABLE}, {"25P03", MR_ERR_UNAVAILABLE},
	    {"28", MR_ERR_UNAVAILABLE}, {"53100", MR_ERR_NO_SPACE},  {"53", MR_ERR_BUSY},
	    {"40", MR_ERR_BUSY},        {"55P03", MR_ERR_BUSY},      {"57014", MR_ERR_BUSY},
	    {"25006", MR_ERR_INVALID},  {"22", MR_ERR_INVALID},      {"42", MR_ERR_INVALID},
	    {"XX001", MR_ERR_CORRUPT},  {"XX002", MR_ERR_CORRUPT},
	};
	for (size_t i = 0; i < MR_COUNT(table); i++) {
		if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0)
			return table[i].code;
	}
	return MR_ERR_IO;
}

static int unavailable(const struct postgres_db *db, const char *why, struct mr_error *err)
{
	size_t len = strcspn(why, "\n");
	mr_fail(err, MR_ERR_UNAVAILABLE, "the scheduler's store %s is not there: %.*s", db->place, (int)len,
		why);
	return mr_hint(err,
		       "does it run, and does it let this user in? What waits is written once it answers");
}

static int failed(const struct postgres_db *db, const PGconn *connection, const PGresult *result,
		  const char *what, struct mr_error *err)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	int code = state ? code_of(state) : MR_ERR_UNAVAILABLE;
	if (code == MR_ERR_UNAVAILABLE)
		return unavailable(db, message ? message : PQerrorMessage(connection), err);
	return mr_fail(err, code, "the scheduler's store %s: cannot %s: %s (SQLSTATE %s)", db->place, what,
		       message ? message : "no message", state);
}

/* ---- results ---- */

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The next result; NULL between two statements. */
static int next_result(struct postgres_db *db, PGconn *connection, PGresult **out, struct mr_error *err)
{
	int64_t end = now_ms() + ANSWER_MS;
	while (PQisBusy(connection)) {
		struct pollfd poll_fd = {.fd = PQsocket(connection), .events = POLLIN};
		int64_t left = end - now_ms();
		if (left <= 0)
			return unavailable(db, "it does not answer", err);
		if (poll(&poll_fd, 1, (int)left) > 0 && !PQconsumeInput(connection))
			return unavailable(db, PQerrorMessage(connection), err);
	}
	*out = PQgetResult(connection);
	return 0;
}

static struct sql_value number(const char *text)
{
	if (strpbrk(text, ".eEN"))
		return (struct sql_value){.kind = SQL_REAL, .real = strtod(text, NULL)};
	return (struct sql_value){.kind = SQL_INTEGER, .integer = strtoll(text, NULL, 10)};
}

static struct sql_value cell(const PGresult *result, int row, int column)
{
	const char *text = PQgetvalue(result, row, column);
	if (PQgetisnull(result, row, column))
		return (struct sql_value){.kind = SQL_NULL};
	switch (PQftype(result, column)) {
	case OID_BOOL:
		return (struct sql_value){.kind = SQL_INTEGER, .integer = text[0] == 't'};
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
	case OID_FLOAT4:
	case OID_FLOAT8:
	case OID_NUMERIC:
		return number(text);
	default:
		return (struct sql_value){.kind = SQL_TEXT,
					  .text = mr_str_n(text, (size_t)PQgetlength(result, row, column))};
	}
}

static int give_rows(const PGresult *result, sql_row_fn *fn, void *arg, struct mr_error *err)
{
	struct sql_value values[STORE_COLUMNS_MAX];
	const char *names[STORE_COLUMNS_MAX];
	struct sql_row row = {names, values, mr_min_size((size_t)PQnfields(result), STORE_COLUMNS_MAX)};
	int rc = 0;
	for (size_t i = 0; i < row.count; i++)
		names[i] = PQfname(result, (int)i);
	for (int r = 0; rc == 0 && r < PQntuples(result); r++) {
		for (size_t i = 0; i < row.count; i++)
			values[i] = cell(result, r, (int)i);
		rc = fn(arg, &row, err);
	}
	return rc;
}

/* ---- parameters ---- */

static void put_text(struct mr_buf *out, mr_str text)
{
	const unsigned char *at = (const unsigned char *)text.ptr;
	for (size_t left = text.len; left;) {
		size_t n = *at ? utf8_sequence(at, left) : 0;
		if (n)
			mr_buf_append(out, at, n);
		else
			mr_buf_cstr(out, REPLACEMENT);
		n = n ? n : 1;
		at += n;
		left -= n;
	}
	mr_buf_char(out, 0);
}

/* Parameters as libpq wants them, in db->text until the next call. */
static void put_params(struct postgres_db *db, const struct sql_value *values, size_t count,
		       const char **params)
{
	size_t at[STORE_COLUMNS_MAX];
	mr_buf_clear(&db->text);
	for (size_t i = 0; i < count; i++) {
		at[i] = db->text.len;
		if (values[i].kind == SQL_TEXT)
			put_text(&db->text, values[i].text);
		else if (values[i].kind == SQL_INTEGER)
			mr_buf_printf(&db->text, "%lld%c", (long long)values[i].integer, 0);
		else if (values[i].kind == SQL_REAL)
			mr_buf_printf(&db->text, "%.17g%c", values[i].real, 0);
	}
	for (size_t i = 0; i < count; i++)
		params[i] = values[i].kind == SQL_NULL ? NULL : db->text.ptr + at[i];
}

/* ---- connections ---- */

static void be_quiet(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

static void disconnect(PGconn **connection)
{
	PQfinish(*connection);
	*connection = NULL;
}

static int connect_one(struct postgres_db *db, PGconn **out, struct mr_error *err)
{
	/* The URL comes after what it may override. */
	static const char *const names[] = {"connect_timeout",     "keepalives_idle",
					    "keepalives_interval", "keepalives_count",
					    "tcp_user_timeout",    "gssencmode",
					    "application_name",    "dbname",
					    "client_encoding",     NULL};
	const char *const values[] = {"5",       "5",        "2",     "3",    "10000",
				      "disable", "millrace", db->url, "UTF8", NULL};
	PGconn *connection = PQconnectdbParams(names, values, 1);
	if (PQstatus(connection) != CONNECTION_OK) {
		int rc = unavailable(db, PQerrorMessage(connection), err);
		disconnect(&connection);
		return rc;
	}
	PQsetNoticeProcessor(connection, be_quiet, NULL);
	*out = connection;
	return 0;
}

/* Statements without an answer to look at, before the pipeline begins. */
static int run_plain(struct postgres_db *db, PGconn *connection, const char *sql, const char *what,
		     struct mr_error *err)
{
	PGresult *result = PQexec(connection, sql);
	ExecStatusType status = PQresultStatus(result);
	int rc = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
		     ? 0
		     : failed(db, connection, result, what, err);
	PQclear(result);
	return rc;
}

struct later {
	struct postgres_db *db;
	PGconn *connection;
	int rc;
	struct mr_error *err;
};

/* A column that the tables of an earlier version lack; two servers may find that at once. */
static void add_later(void *arg, const char *table, const char *column, mr_str add)
{
	struct later *later = arg;
	struct mr_buf sql = {0};
	if (later->rc < 0)
		return;
	mr_buf_printf(&sql, "SELECT %s FROM %s LIMIT 0", column, table);
	PGresult *result = PQexec(later->connection, sql.ptr);
	bool there = PQresultStatus(result) == PGRES_TUPLES_OK;
	PQclear(result);
	mr_buf_release(&sql);
	if (there)
		return;
	mr_buf_printf(&sql, "BEGIN; SELECT pg_advisory_xact_lock(" SCHEMA_LOCK "); %.*s; COMMIT",
		      MR_FMT(add));
	later->rc = run_plain(later->db, later->connection, sql.ptr, "add columns to its tables", later->err);
	mr_buf_release(&sql);
}

/* Its tables, before anything else is asked of it. */
static int create(struct postgres_db *db, struct mr_error *err)
{
	PGconn *connection = NULL;
	PGresult *result = NULL;
	struct mr_buf sql = {0};
	if (db->created)
		return 0;
	int rc = connect_one(db, &connection, err);
	if (rc == 0)
		result = PQexec(connection, "SELECT to_regclass('leader') IS NOT NULL");
	if (rc == 0 && PQresultStatus(result) != PGRES_TUPLES_OK)
		rc = failed(db, connection, result, "look for its tables", err);
	if (rc == 0 && PQgetvalue(result, 0, 0)[0] != 't') {
		mr_buf_cstr(&sql, "BEGIN; SELECT pg_advisory_xact_lock(" SCHEMA_LOCK ");");
		store_put_schema(&sql, db->base.dialect);
		mr_buf_cstr(&sql, "COMMIT");
		rc = run_plain(db, connection, sql.ptr, "make its tables", err);
	}
	struct later later = {db, connection, rc, err};
	if (rc == 0)
		store_later_columns(db->base.dialect, add_later, &later);
	rc = later.rc;
	mr_buf_release(&sql);
	PQclear(result);
	disconnect(&connection);
	if (rc == 0)
		db->created = true;
	return rc;
}

static int send_prepares(struct postgres_db *db, struct mr_error *err)
{
	int rc = 0;
	for (int i = 0; rc == 0 && i < STORE_STATEMENTS; i++) {
		struct mr_buf sql = {0};
		char name[16];
		snprintf(name, sizeof name, "s%d", i);
		store_put_statement(&sql, db->base.dialect, i);
		if (!PQsendPrepare(db->writer, name, sql.ptr, 0, NULL))
			rc = unavailable(db, PQerrorMessage(db->writer), err);
		db->pending++;
		mr_buf_release(&sql);
	}
	return rc;
}

static int need_writer(struct postgres_db *db, struct mr_error *err)
{
	if (db->writer && PQstatus(db->writer) == CONNECTION_OK)
		return 0;
	disconnect(&db->writer);
	db->pending = 0;
	int rc = create(db, err);
	if (rc == 0)
		rc = connect_one(db, &db->writer, err);
	if (rc == 0)
		rc = run_plain(db, db->writer,
			       "SET lock_timeout = " IDLE_MS
			       "; SET idle_in_transaction_session_timeout = " IDLE_MS,
			       "set up its session", err);
	if (rc == 0 && !PQenterPipelineMode(db->writer))
		rc = unavailable(db, PQerrorMessage(db->writer), err);
	return rc == 0 ? send_prepares(db, err) : rc;
}

static int need_reader(struct postgres_db *db, struct mr_error *err)
{
	if (db->reader && PQstatus(db->reader) == CONNECTION_OK)
		return 0;
	disconnect(&db->reader);
	int rc = create(db, err);
	if (rc == 0)
		rc = connect_one(db, &db->reader, err);
	return rc < 0 ? rc
		      : run_plain(db, db->reader, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
				  "set up its session", err);
}

/* ---- the seam ---- */

static int send_plain(struct postgres_db *db, const char *sql, struct mr_error *err)
{
	if (!PQsendQueryParams(db->writer, sql, 0, NULL, NULL, NULL, NULL, 0))
		return unavailable(db, PQerrorMessage(db->writer), err);
	db->pending++;
	return 0;
}

/* One statement's results; of the last the rows. */
static int read_answer(struct postgres_db *db, sql_row_fn *fn, void *arg, struct mr_error *err)
{
	PGresult *result;
	int rc = 0, got;
	while ((got = next_result(db, db->writer, &result, err)) == 0 && result) {
		ExecStatusType status = PQresultStatus(result);
		if (status == PGRES_TUPLES_OK && fn && rc == 0)
			rc = give_rows(result, fn, arg, err);
		else if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && rc == 0)
			rc = failed(db, db->writer, result, "write", err);
		PQclear(result);
		if (PQstatus(db->writer) != CONNECTION_OK)
			break;
	}
	return got < 0 ? got : rc;
}

/* Send what is pending and read what comes of it, to the end. The first failure counts. */
static int sync_writer(struct postgres_db *db, sql_row_fn *fn, void *arg, struct mr_error *err)
{
	struct mr_error later;
	PGresult *result = NULL;
	int rc = PQpipelineSync(db->writer) ? 0 : unavailable(db, PQerrorMessage(db->writer), err);
	int lost = rc;
	for (; !lost && db->pending; db->pending--) {
		int one = read_answer(db, db->pending == 1 ? fn : NULL, arg, rc == 0 ? err : &later);
		rc = rc == 0 ? one : rc;
		if (PQstatus(db->writer) != CONNECTION_OK || one == MR_ERR_UNAVAILABLE)
			lost = MR_ERR_UNAVAILABLE;
	}
	if (!lost)
		lost = next_result(db, db->writer, &result, rc == 0 ? err : &later);
	if (!lost && PQresultStatus(result) != PGRES_PIPELINE_SYNC)
		lost = unavailable(db, PQerrorMessage(db->writer), rc == 0 ? err : &later);
	PQclear(result);
	if (lost)
		disconnect(&db->writer);
	db->pending = 0;
	return rc ? rc : lost;
}

static int db_begin(struct store_db *base, struct mr_error *err)
{
	struct postgres_db *db = db_of(base);
	int rc = need_writer(db, err);
	if (rc == 0)
		rc = send_plain(db, "BEGIN", err);
	if (rc < 0)
		disconnect(&db->writer);
	return rc;
}

static int db_write(struct store_db *base, int statement, const struct sql_value *values, size_t count,
		    struct mr_error *err)
{
	struct postgres_db *db = db_of(base);
	const char *params[STORE_COLUMNS_MAX];
	char name[16];
	snprintf(name, sizeof name, "s%d", statement);
	put_params(db, values, count, params);
	if (!PQsendQueryPrepared(db->writer, name, (int)count, params, NULL, NULL, 0))
		return unavailable(db, PQerrorMessage(db->writer), err);
	db->pending++;
	return 0;
}

static int db_ask(struct store_db *base, int statement, const struct sql_value *values, size_t count,
		  sql_row_fn *fn, void *arg, struct mr_error *err)
{
	int rc = db_write(base, statement, values, count, err);
	return rc < 0 ? rc : sync_writer(db_of(base), fn, arg, err);
}

static void db_rollback(struct store_db *base)
{
	struct postgres_db *db = db_of(base);
	/* Unsent rows must not be sent: without a connection there is no transaction either. */
	if (db->writer &&
	    (db->pending || send_plain(db, "ROLLBACK", NULL) < 0 || sync_writer(db, NULL, NULL, NULL) < 0))
		disconnect(&db->writer);
	db->pending = 0;
}

static int db_commit(struct store_db *base, struct mr_error *err)
{
	struct postgres_db *db = db_of(base);
	int rc = send_plain(db, "COMMIT", err);
	if (rc == 0)
		rc = sync_writer(db, NULL, NULL, err);
	if (rc < 0)
		db_rollback(base);
	return rc;
}

static int read_once(struct postgres_db *db, const char *sql, const char *const *params, size_t count,
		     PGresult **out, struct mr_error *err)
{
	Oid types[STORE_PARAMS_MAX];
	PGresult *next;
	for (size_t i = 0; i < count; i++)
		types[i] = OID_TEXT;
	int rc = need_reader(db, err);
	if (rc == 0 && !PQsendQueryParams(db->reader, sql, (int)count, types, params, NULL, NULL, 0))
		rc = unavailable(db, PQerrorMessage(db->reader), err);
	if (rc == 0)
		rc = next_result(db, db->reader, out, err);
	while (rc == 0 && (rc = next_result(db, db->reader, &next, err)) == 0 && next)
		PQclear(next);
	if (rc == 0 && PQresultStatus(*out) != PGRES_TUPLES_OK)
		rc = failed(db, db->reader, *out, "read", err);
	if (rc == MR_ERR_UNAVAILABLE)
		disconnect(&db->reader);
	return rc;
}

static int db_read(struct store_db *base, const char *sql, const mr_str *params, size_t count, sql_row_fn *fn,
		   void *arg, struct mr_error *err)
{
	struct postgres_db *db = db_of(base);
	const char *texts[STORE_PARAMS_MAX];
	size_t at[STORE_PARAMS_MAX];
	struct mr_buf text = {0};
	PGresult *result = NULL;
	if (count > STORE_PARAMS_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "more than %d parameters", STORE_PARAMS_MAX);
	for (size_t i = 0; i < count; i++) {
		at[i] = text.len;
		put_text(&text, params[i]);
	}
	for (size_t i = 0; i < count; i++)
		texts[i] = text.ptr + at[i];
	bool had = db->reader != NULL; /* its server may have gone since the last question */
	int rc = read_once(db, sql, texts, count, &result, err);
	if (rc == MR_ERR_UNAVAILABLE && had) {
		PQclear(result);
		result = NULL;
		rc = read_once(db, sql, texts, count, &result, err);
	}
	if (rc == 0)
		rc = give_rows(result, fn, arg, err);
	PQclear(result);
	mr_buf_release(&text);
	return rc;
}

static void db_free(struct store_db *base)
{
	struct postgres_db *db = db_of(base);
	disconnect(&db->writer);
	disconnect(&db->reader);
	mr_buf_release(&db->text);
	free(db->place);
	free(db->url);
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

/* user@host:port/database; libpq's own messages may show the whole URL. */
static int describe(struct postgres_db *db, struct mr_error *err)
{
	const char *user = "", *host = "", *port = "", *name = "";
	int rc = libpq_load(err);
	if (rc < 0)
		return rc;
	PQconninfoOption *all = PQconninfoParse(db->url, NULL);
	if (!all) {
		mr_fail(err, MR_ERR_INVALID,
			"the address of the scheduler's store is not one that PostgreSQL's "
			"client library understands");
		return mr_hint(err,
			       "postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…, special characters "
			       "of the password as %%XX; or no password there and a ~/.pgpass");
	}
	for (const PQconninfoOption *option = all; option->keyword; option++) {
		const char **to = strcmp(option->keyword, "user") == 0     ? &user
				  : strcmp(option->keyword, "host") == 0   ? &host
				  : strcmp(option->keyword, "port") == 0   ? &port
				  : strcmp(option->keyword, "dbname") == 0 ? &name
									   : NULL;
		if (to && option->val)
			*to = option->val;
	}
	db->place = mr_asprintf("postgresql://%s%s%s%s%s/%s", user, user[0] ? "@" : "", host,
				port[0] ? ":" : "", port, name);
	PQconninfoFree(all);
	return 0;
}

int store_postgres_open(const char *url, struct dag_store **out, struct mr_error *err)
{
	struct postgres_db *db = mr_calloc(1, sizeof *db);
	db->base.ops = &ops;
	db->base.dialect = &store_postgres_dialect;
	db->url = mr_strdup(url);
	int rc = describe(db, err);
	if (rc == 0)
		rc = create(db, err);
	if (rc < 0 && rc != MR_ERR_UNAVAILABLE) {
		db_free(&db->base);
		return rc;
	}
	if (rc < 0)
		mr_log_error("dags", err); /* the rest of the server does not wait for it */
	*out = store_sql_new(&db->base);
	return 0;
}
