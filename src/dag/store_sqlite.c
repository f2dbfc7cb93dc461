/* dag/store_sqlite.c - the scheduler's store in one SQLite file.
 *
 * The tables have Airflow's names and columns where they mean the same. A run's rows begin with its
 * number, and numbers grow: what is written now lies at the end of every index, so a long history
 * costs the present nothing. Times are integers, microseconds since 1970; states are Airflow's words,
 * held by a CHECK that dag/state.def writes.
 *
 * Durability: WAL with synchronous=FULL: a batch that apply returned 0 for survives power loss.
 * Threading: apply and claim use the writer's connection, everything else the reader's; each has a
 * lock. A memory database has one connection and one lock for both.
 */
#include "dag/store.h"

#include "base/buf.h"
#include "codec/json.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define BUSY_MS 10000
#define ROWS_MAX 100000

enum column_kind { TEXT, TIME, INT32, INT64, BOOLEAN, TASK_STATE, RUN_STATE };

struct column {
	const char *name;
	enum column_kind kind;
	size_t offset;
};

/* A row type: which members are which columns. */
struct table {
	const char *name;
	const struct column *columns;
	size_t count;
	const char *verb;   /* INSERT, or INSERT OR REPLACE */
	const char *upsert; /* the key on which a row is replaced; another key's conflict is an error */
};

#define DAG(member) offsetof(struct store_dag, member)
static const struct column dag_columns[] = {
    {"dag_id", TEXT, DAG(dag_id)},
    {"dag_version", TEXT, DAG(version)},
    {"fileloc", TEXT, DAG(file)},
    {"is_paused", BOOLEAN, DAG(paused)},
    {"is_active", BOOLEAN, DAG(active)},
    {"last_interval_start", TIME, DAG(last_start_us)},
    {"last_interval_end", TIME, DAG(last_end_us)},
    {"next_dagrun_run_after", TIME, DAG(next_run_us)},
};
static const struct column version_columns[] = {
    {"dag_id", TEXT, DAG(dag_id)},
    {"dag_version", TEXT, DAG(version)},
    {"source", TEXT, DAG(source)},
    {"created_at", TIME, DAG(version_at_us)},
};

#define RUN(member) offsetof(struct store_run, member)
static const struct column run_columns[] = {
    {"run_no", INT64, RUN(run_no)},
    {"dag_id", TEXT, RUN(dag_id)},
    {"run_id", TEXT, RUN(run_id)},
    {"run_type", TEXT, RUN(run_type)},
    {"dag_version", TEXT, RUN(version)},
    {"state", RUN_STATE, RUN(state)},
    {"logical_date", TIME, RUN(logical_date_us)},
    {"data_interval_start", TIME, RUN(interval_start_us)},
    {"data_interval_end", TIME, RUN(interval_end_us)},
    {"run_after", TIME, RUN(run_after_us)},
    {"queued_at", TIME, RUN(queued_at_us)},
    {"start_date", TIME, RUN(start_us)},
    {"end_date", TIME, RUN(end_us)},
    {"conf", TEXT, RUN(conf_json)},
    {"asset_events", TEXT, RUN(asset_events_json)},
    {"backfill_id", TEXT, RUN(backfill_id)},
    {"clear_number", INT32, RUN(clear_number)},
};

#define TI(member) offsetof(struct store_task, member)
static const struct column task_columns[] = {
    {"run_no", INT64, TI(run_no)},
    {"task_id", TEXT, TI(task_id)},
    {"map_index", INT32, TI(map_index)},
    {"try_number", INT32, TI(try_number)},
    {"id", TEXT, TI(id)},
    {"state", TASK_STATE, TI(state)},
    {"max_tries", INT32, TI(max_tries)},
    {"poke", INT32, TI(poke)},
    {"operator", TEXT, TI(operator_name)},
    {"pool", TEXT, TI(pool)},
    {"queue", TEXT, TI(queue)},
    {"hostname", TEXT, TI(hostname)},
    {"pid", INT64, TI(pid)},
    {"reason", TEXT, TI(reason)},
    {"exit_code", INT32, TI(exit_code)},
    {"pool_slots", INT32, TI(pool_slots)},
    {"priority_weight", INT32, TI(priority_weight)},
    {"scheduled_dttm", TIME, TI(scheduled_us)},
    {"queued_dttm", TIME, TI(queued_us)},
    {"start_date", TIME, TI(start_us)},
    {"end_date", TIME, TI(end_us)},
    {"first_start", TIME, TI(first_start_us)},
    {"due", TIME, TI(due_us)},
    {"event", TEXT, TI(event)},
    {"resume", TEXT, TI(resume_json)},
    {"map_args", TEXT, TI(map_json)},
    {"cleared", BOOLEAN, TI(cleared)},
};

#define XCOM(member) offsetof(struct store_xcom, member)
static const struct column xcom_columns[] = {
    {"run_no", INT64, XCOM(run_no)}, {"task_id", TEXT, XCOM(task_id)}, {"map_index", INT32, XCOM(map_index)},
    {"key", TEXT, XCOM(key)},        {"value", TEXT, XCOM(json)},
};

#define ASSET(member) offsetof(struct store_asset_event, member)
static const struct column asset_columns[] = {
    {"uri", TEXT, ASSET(uri)},
    {"extra", TEXT, ASSET(extra_json)},
    {"source_dag_id", TEXT, ASSET(source_dag_id)},
    {"source_run_id", TEXT, ASSET(source_run_id)},
    {"source_task_id", TEXT, ASSET(source_task_id)},
    {"timestamp", TIME, ASSET(at_us)},
    {"version", INT64, ASSET(version)},
};

#define WAITING(member) offsetof(struct store_asset_wait, member)
static const struct column wait_columns[] = {
    {"dag_id", TEXT, WAITING(dag_id)},
    {"uri", TEXT, WAITING(uri)},
    {"timestamp", TIME, WAITING(event_at_us)},
    {"extra", TEXT, WAITING(extra_json)},
};

#define EVENT(member) offsetof(struct store_event, member)
static const struct column event_columns[] = {
    {"event", TEXT, EVENT(what)},           {"dag_id", TEXT, EVENT(dag_id)},
    {"run_id", TEXT, EVENT(run_id)},        {"task_id", TEXT, EVENT(task_id)},
    {"map_index", INT32, EVENT(map_index)}, {"owner", TEXT, EVENT(who)},
    {"extra", TEXT, EVENT(detail)},         {"dttm", TIME, EVENT(at_us)},
};

#define POOL(member) offsetof(struct store_pool, member)
static const struct column pool_columns[] = {
    {"pool", TEXT, POOL(name)},
    {"slots", INT32, POOL(slots)},
    {"description", TEXT, POOL(description)},
};

#define NOTE(member) offsetof(struct store_note, member)
static const struct column note_columns[] = {
    {"dag_id", TEXT, NOTE(dag_id)},        {"run_id", TEXT, NOTE(run_id)}, {"task_id", TEXT, NOTE(task_id)},
    {"map_index", INT32, NOTE(map_index)}, {"content", TEXT, NOTE(text)},
};

#define BACKFILL(member) offsetof(struct store_backfill, member)
static const struct column backfill_columns[] = {
    {"backfill_id", TEXT, BACKFILL(id)},
    {"dag_id", TEXT, BACKFILL(dag_id)},
    {"max_active_runs", INT32, BACKFILL(max_active_runs)},
};

enum { DAGS, VERSIONS, BACKFILLS, RUNS, TASKS, TRIES, XCOMS, ASSETS, WAITS, EVENTS, POOLS, NOTES, TABLES };

#define COLUMNS(array) .columns = (array), .count = MR_COUNT(array)
static const struct table tables[TABLES] = {
    [DAGS] = {"dag", COLUMNS(dag_columns), "INSERT OR REPLACE"},
    [VERSIONS] = {"dag_version", COLUMNS(version_columns), "INSERT OR IGNORE"},
    [BACKFILLS] = {"backfill", COLUMNS(backfill_columns), "INSERT OR REPLACE"},
    [RUNS] = {"dag_run", COLUMNS(run_columns), "INSERT", .upsert = "run_no"},
    [TASKS] = {"task_instance", COLUMNS(task_columns), "INSERT OR REPLACE"},
    [TRIES] = {"task_instance_history", COLUMNS(task_columns), "INSERT OR REPLACE"},
    [XCOMS] = {"xcom", COLUMNS(xcom_columns), "INSERT OR REPLACE"},
    [ASSETS] = {"asset_event", COLUMNS(asset_columns), "INSERT"},
    [WAITS] = {"asset_dag_run_queue", COLUMNS(wait_columns), "INSERT"},
    [EVENTS] = {"log", COLUMNS(event_columns), "INSERT"},
    [POOLS] = {"slot_pool", COLUMNS(pool_columns), "INSERT OR REPLACE"},
    [NOTES] = {"note", COLUMNS(note_columns), "INSERT OR REPLACE"},
};

/* What comes after the columns: keys, and rowid or not. */
static const char *const keys[TABLES] = {
    [DAGS] = "PRIMARY KEY(dag_id)) WITHOUT ROWID",
    [VERSIONS] = "id INTEGER PRIMARY KEY, UNIQUE(dag_id, dag_version))",
    [BACKFILLS] = "PRIMARY KEY(backfill_id)) WITHOUT ROWID",
    [RUNS] = "PRIMARY KEY(run_no), UNIQUE(dag_id, run_id))",
    [TASKS] = "PRIMARY KEY(run_no, task_id, map_index)) WITHOUT ROWID",
    [TRIES] = "PRIMARY KEY(run_no, task_id, map_index, try_number, id)) WITHOUT ROWID",
    [XCOMS] = "PRIMARY KEY(run_no, task_id, map_index, key)) WITHOUT ROWID",
    [ASSETS] = "id INTEGER PRIMARY KEY)",
    [WAITS] = "id INTEGER PRIMARY KEY)",
    [EVENTS] = "id INTEGER PRIMARY KEY)",
    [POOLS] = "PRIMARY KEY(pool)) WITHOUT ROWID",
    [NOTES] = "PRIMARY KEY(dag_id, run_id, task_id, map_index)) WITHOUT ROWID",
};

static const char more_schema[] =
    "CREATE TABLE IF NOT EXISTS scheduler (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL,"
    " hostname TEXT NOT NULL);"
    "CREATE INDEX IF NOT EXISTS dag_run_open ON dag_run(dag_id) WHERE state IN ('queued', 'running');"
    "CREATE INDEX IF NOT EXISTS dag_run_by_date ON dag_run(dag_id, run_after);"
    "CREATE INDEX IF NOT EXISTS asset_event_by_uri ON asset_event(uri, version);"
    "CREATE INDEX IF NOT EXISTS log_by_run ON log(dag_id, run_id);"
    "CREATE INDEX IF NOT EXISTS asset_wait_by_dag ON asset_dag_run_queue(dag_id);";

struct sqlite_store {
	struct dag_store base;
	sqlite3 *writer;
	sqlite3 *reader; /* the writer's, of a memory database */
	pthread_mutex_t read_lock, write_lock;
	pthread_mutex_t *reading; /* of a memory database: the writer's */
	sqlite3_stmt *insert[TABLES];
	sqlite3_stmt *begin, *commit, *rollback, *epoch, *forget_xcoms, *clear_waits, *remove_task;
};

static int failed(sqlite3 *db, struct mr_error *err, const char *what)
{
	int code = sqlite3_extended_errcode(db);
	int ours = code == SQLITE_FULL               ? MR_ERR_NO_SPACE
		   : (code & 0xff) == SQLITE_CORRUPT ? MR_ERR_CORRUPT
		   : (code & 0xff) == SQLITE_BUSY    ? MR_ERR_BUSY
		   : (code & 0xff) == SQLITE_ERROR   ? MR_ERR_INVALID
						     : MR_ERR_IO;
	return mr_fail(err, ours, "the scheduler's store: cannot %s: %s", what, sqlite3_errmsg(db));
}

static struct sqlite_store *store_of(struct dag_store *base)
{
	return MR_CONTAINER_OF(base, struct sqlite_store, base);
}

/* ---- schema ---- */

static void put_state_words(struct mr_buf *sql, const struct column *column)
{
	bool task = column->kind == TASK_STATE;
	mr_buf_printf(sql, " CHECK (%s IN (", column->name);
	for (int i = 0; i < (task ? (int)TASK_STATES : (int)RUN_STATES); i++)
		mr_buf_printf(sql, "%s'%s'", i ? ", " : "",
			      task ? task_state_name((enum task_state)i) : run_state_name((enum run_state)i));
	mr_buf_cstr(sql, "))");
}

static void put_create(struct mr_buf *sql, int t)
{
	static const char *const types[] = {[TEXT] = "TEXT NOT NULL",       [TIME] = "INTEGER",
					    [INT32] = "INTEGER NOT NULL",   [INT64] = "INTEGER NOT NULL",
					    [BOOLEAN] = "INTEGER NOT NULL", [TASK_STATE] = "TEXT NOT NULL",
					    [RUN_STATE] = "TEXT NOT NULL"};
	mr_buf_printf(sql, "CREATE TABLE IF NOT EXISTS %s (", tables[t].name);
	for (size_t i = 0; i < tables[t].count; i++) {
		const struct column *column = &tables[t].columns[i];
		mr_buf_printf(sql, "%s %s", column->name, types[column->kind]);
		if (column->kind == TASK_STATE || column->kind == RUN_STATE)
			put_state_words(sql, column);
		mr_buf_cstr(sql, ", ");
	}
	mr_buf_printf(sql, "%s;", keys[t]);
}

static int create(struct sqlite_store *store, struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
			  "PRAGMA cache_size = -16384; BEGIN IMMEDIATE;");
	for (int t = 0; t < TABLES; t++)
		put_create(&sql, t);
	mr_buf_cstr(&sql, more_schema);
	mr_buf_cstr(&sql, "COMMIT;");
	int rc = sqlite3_exec(store->writer, sql.ptr, NULL, NULL, NULL);
	mr_buf_release(&sql);
	return rc == SQLITE_OK ? 0 : failed(store->writer, err, "make its tables");
}

static void put_insert(struct mr_buf *sql, const struct table *table)
{
	mr_buf_printf(sql, "%s INTO %s (", table->verb, table->name);
	for (size_t i = 0; i < table->count; i++)
		mr_buf_printf(sql, "%s%s", i ? ", " : "", table->columns[i].name);
	mr_buf_cstr(sql, ") VALUES (");
	for (size_t i = 0; i < table->count; i++)
		mr_buf_cstr(sql, i ? ", ?" : "?");
	mr_buf_cstr(sql, ")");
	for (size_t i = 0; table->upsert && i < table->count; i++) {
		const char *name = table->columns[i].name;
		if (i == 0)
			mr_buf_printf(sql, " ON CONFLICT (%s) DO UPDATE SET ", table->upsert);
		mr_buf_printf(sql, "%s%s = excluded.%s", i ? ", " : "", name, name);
	}
}

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct mr_error *err)
{
	int rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
	return rc == SQLITE_OK ? 0 : failed(db, err, "prepare a statement");
}

static int prepare_all(struct sqlite_store *store, struct mr_error *err)
{
	const struct {
		sqlite3_stmt **to;
		const char *sql;
	} plain[] = {
	    {&store->begin, "BEGIN IMMEDIATE"},
	    {&store->commit, "COMMIT"},
	    {&store->rollback, "ROLLBACK"},
	    {&store->epoch, "SELECT epoch FROM scheduler"},
	    {&store->forget_xcoms, "DELETE FROM xcom WHERE run_no = ? AND task_id = ? AND map_index = ?"},
	    {&store->remove_task,
	     "DELETE FROM task_instance WHERE run_no = ? AND task_id = ? AND map_index = ?"},
	    {&store->clear_waits, "DELETE FROM asset_dag_run_queue WHERE dag_id = ?"},
	};
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < MR_COUNT(plain); i++)
		rc = prepare(store->writer, plain[i].sql, plain[i].to, err);
	for (int t = 0; rc == 0 && t < TABLES; t++) {
		struct mr_buf sql = {0};
		put_insert(&sql, &tables[t]);
		rc = prepare(store->writer, sql.ptr, &store->insert[t], err);
		mr_buf_release(&sql);
	}
	return rc;
}

/* ---- writing ---- */

static void bind_text(sqlite3_stmt *stmt, int i, mr_str text)
{
	sqlite3_bind_text(stmt, i, text.len ? text.ptr : "", (int)text.len, SQLITE_STATIC);
}

static void bind(sqlite3_stmt *stmt, int i, const struct column *column, const void *row)
{
	const void *at = (const char *)row + column->offset;
	switch (column->kind) {
	case TEXT:
		bind_text(stmt, i, *(const mr_str *)at);
		break;
	case TIME:
		if (*(const int64_t *)at == NO_TIME)
			sqlite3_bind_null(stmt, i);
		else
			sqlite3_bind_int64(stmt, i, *(const int64_t *)at);
		break;
	case INT32:
		sqlite3_bind_int(stmt, i, *(const int32_t *)at);
		break;
	case INT64:
		sqlite3_bind_int64(stmt, i, *(const int64_t *)at);
		break;
	case BOOLEAN:
		sqlite3_bind_int(stmt, i, *(const bool *)at);
		break;
	case TASK_STATE:
		bind_text(stmt, i, mr_str_from(task_state_name(*(const enum task_state *)at)));
		break;
	case RUN_STATE:
		bind_text(stmt, i, mr_str_from(run_state_name(*(const enum run_state *)at)));
		break;
	}
}

static int run(sqlite3_stmt *stmt, struct mr_error *err)
{
	int rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : failed(sqlite3_db_handle(stmt), err, "write");
}

static int insert(struct sqlite_store *store, int t, const void *row, struct mr_error *err)
{
	for (size_t i = 0; i < tables[t].count; i++)
		bind(store->insert[t], (int)i + 1, &tables[t].columns[i], row);
	return run(store->insert[t], err);
}

/* A DELETE by the key of an instance. */
static int remove_by(sqlite3_stmt *stmt, int64_t run_no, mr_str task_id, int32_t map_index,
		     struct mr_error *err)
{
	sqlite3_bind_int64(stmt, 1, run_no);
	bind_text(stmt, 2, task_id);
	sqlite3_bind_int(stmt, 3, map_index);
	return run(stmt, err);
}

static int insert_xcom(struct sqlite_store *store, const struct store_xcom *xcom, struct mr_error *err)
{
	if (!xcom->remove)
		return insert(store, XCOMS, xcom, err);
	return remove_by(store->forget_xcoms, xcom->run_no, xcom->task_id, xcom->map_index, err);
}

static int remove_task(struct sqlite_store *store, const struct store_task *task, struct mr_error *err)
{
	return remove_by(store->remove_task, task->run_no, task->task_id, task->map_index, err);
}

static int insert_wait(struct sqlite_store *store, const struct store_asset_wait *wait, struct mr_error *err)
{
	if (!wait->clear)
		return insert(store, WAITS, wait, err);
	bind_text(store->clear_waits, 1, wait->dag_id);
	return run(store->clear_waits, err);
}

static int insert_dag(struct sqlite_store *store, const struct store_dag *dag, struct mr_error *err)
{
	int rc = dag->source.len ? insert(store, VERSIONS, dag, err) : 0;
	return rc < 0 ? rc : insert(store, DAGS, dag, err);
}

static int check_epoch(struct sqlite_store *store, uint64_t epoch, struct mr_error *err)
{
	int rc = sqlite3_step(store->epoch);
	uint64_t now = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(store->epoch, 0) : 0;
	sqlite3_reset(store->epoch);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return failed(store->writer, err, "read its epoch");
	if (now == epoch)
		return 0;
	mr_fail(err, MR_ERR_CONFLICT, "another scheduler has taken over (epoch %llu, ours %llu)",
		(unsigned long long)now, (unsigned long long)epoch);
	return mr_hint(err, "this one has stopped scheduling; its tasks go on and report to the other");
}

#define INSERT_ALL(rc, rows, call) \
	for (size_t i = 0; (rc) == 0 && i < (rows).len; i++) \
	(rc) = call

static int write_rows(struct sqlite_store *store, const struct store_batch *batch, struct mr_error *err)
{
	int rc = check_epoch(store, batch->epoch, err);
	INSERT_ALL(rc, batch->pools, insert(store, POOLS, &batch->pools.items[i], err));
	INSERT_ALL(rc, batch->dags, insert_dag(store, &batch->dags.items[i], err));
	INSERT_ALL(rc, batch->backfills, insert(store, BACKFILLS, &batch->backfills.items[i], err));
	INSERT_ALL(rc, batch->runs, insert(store, RUNS, &batch->runs.items[i], err));
	INSERT_ALL(rc, batch->removed, remove_task(store, &batch->removed.items[i], err));
	INSERT_ALL(rc, batch->tasks, insert(store, TASKS, &batch->tasks.items[i], err));
	INSERT_ALL(rc, batch->tries, insert(store, TRIES, &batch->tries.items[i], err));
	INSERT_ALL(rc, batch->xcoms, insert_xcom(store, &batch->xcoms.items[i], err));
	INSERT_ALL(rc, batch->asset_events, insert(store, ASSETS, &batch->asset_events.items[i], err));
	INSERT_ALL(rc, batch->asset_waits, insert_wait(store, &batch->asset_waits.items[i], err));
	INSERT_ALL(rc, batch->notes, insert(store, NOTES, &batch->notes.items[i], err));
	INSERT_ALL(rc, batch->events, insert(store, EVENTS, &batch->events.items[i], err));
	return rc;
}

static bool shared(const struct sqlite_store *store)
{
	return store->reader == store->writer;
}

static int store_apply(struct dag_store *base, const struct store_batch *batch, struct mr_error *err)
{
	struct sqlite_store *store = store_of(base);
	pthread_mutex_lock(&store->write_lock);
	int rc = run(store->begin, err);
	if (rc == 0) {
		rc = write_rows(store, batch, err);
		if (rc == 0)
			rc = run(store->commit, err);
		if (rc < 0 && !sqlite3_get_autocommit(store->writer))
			run(store->rollback, NULL);
	}
	pthread_mutex_unlock(&store->write_lock);
	return rc;
}

static int store_claim(struct dag_store *base, mr_str who, uint64_t *epoch, struct mr_error *err)
{
	struct sqlite_store *store = store_of(base);
	sqlite3_stmt *claim = NULL;
	pthread_mutex_lock(&store->write_lock);
	int rc = prepare(store->writer,
			 "INSERT INTO scheduler VALUES (1, 1, ?1) ON CONFLICT (one) DO UPDATE SET "
			 "epoch = epoch + 1, hostname = ?1 RETURNING epoch",
			 &claim, err);
	if (rc == 0) {
		bind_text(claim, 1, who);
		if (sqlite3_step(claim) == SQLITE_ROW) {
			*epoch = (uint64_t)sqlite3_column_int64(claim, 0);
			rc = sqlite3_step(claim) == SQLITE_DONE ? 0 : failed(store->writer, err, "claim it");
		} else {
			rc = failed(store->writer, err, "claim it");
		}
	}
	sqlite3_finalize(claim);
	pthread_mutex_unlock(&store->write_lock);
	return rc;
}

/* ---- reading ---- */

static void take(sqlite3_stmt *stmt, int i, const struct column *column, void *row)
{
	void *at = (char *)row + column->offset;
	mr_str text = {(const char *)sqlite3_column_text(stmt, i), (size_t)sqlite3_column_bytes(stmt, i)};
	switch (column->kind) {
	case TEXT:
		*(mr_str *)at = text;
		break;
	case TIME:
		*(int64_t *)at =
		    sqlite3_column_type(stmt, i) == SQLITE_NULL ? NO_TIME : sqlite3_column_int64(stmt, i);
		break;
	case INT32:
		*(int32_t *)at = sqlite3_column_int(stmt, i);
		break;
	case INT64:
		*(int64_t *)at = sqlite3_column_int64(stmt, i);
		break;
	case BOOLEAN:
		*(bool *)at = sqlite3_column_int(stmt, i) != 0;
		break;
	case TASK_STATE:
		task_state_parse(text, at);
		break;
	case RUN_STATE:
		run_state_parse(text, at);
		break;
	}
}

/* SELECT all columns of a table with a condition; each row into *row and to the visitor. */
static int visit(struct sqlite_store *store, int t, const char *where, const mr_str *params,
		 size_t param_count, void *row, int (*fn)(void *arg, const void *row), void *arg,
		 struct mr_error *err)
{
	struct mr_buf sql = {0};
	sqlite3_stmt *stmt = NULL;
	mr_buf_cstr(&sql, "SELECT ");
	for (size_t i = 0; i < tables[t].count; i++)
		mr_buf_printf(&sql, "%s%s", i ? ", " : "", tables[t].columns[i].name);
	mr_buf_printf(&sql, " FROM %s %s", tables[t].name, where);
	int rc = prepare(store->reader, sql.ptr, &stmt, err), step = SQLITE_ROW;
	mr_buf_release(&sql);
	for (size_t i = 0; rc == 0 && i < param_count; i++)
		bind_text(stmt, (int)i + 1, params[i]);
	while (rc == 0 && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		for (size_t i = 0; i < tables[t].count; i++)
			take(stmt, (int)i, &tables[t].columns[i], row);
		rc = fn(arg, row);
	}
	if (rc == 0 && step != SQLITE_DONE)
		rc = failed(store->reader, err, "read");
	sqlite3_finalize(stmt);
	return rc;
}

typedef int visit_fn(void *arg, const void *row);
#define VISIT(fn) ((visit_fn *)(void (*)(void))(fn))

static int visit_numbers(struct sqlite_store *store, const struct store_visitor *v, struct mr_error *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = prepare(store->reader, "SELECT coalesce(max(run_no), 0) FROM dag_run", &stmt, err);
	if (rc == 0 && sqlite3_step(stmt) == SQLITE_ROW)
		rc = v->counters(v->arg, sqlite3_column_int64(stmt, 0));
	sqlite3_finalize(stmt);
	stmt = NULL;
	if (rc == 0)
		rc = prepare(store->reader,
			     "SELECT uri, max(version) FROM asset_event WHERE version >= 0 GROUP BY uri",
			     &stmt, err);
	while (rc == 0 && sqlite3_step(stmt) == SQLITE_ROW)
		rc = v->asset_version(
		    v->arg, mr_str_n(sqlite3_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0)),
		    sqlite3_column_int64(stmt, 1));
	sqlite3_finalize(stmt);
	return rc;
}

/* Runs that are open, and of each DAG the last that is not. */
#define WANTED \
	"SELECT run_no FROM dag_run WHERE state IN ('queued', 'running') UNION " \
	"SELECT (SELECT run_no FROM dag_run r WHERE r.dag_id = d.dag_id AND state IN ('success', 'failed') " \
	"ORDER BY run_after DESC LIMIT 1) FROM dag d"

/* The backfills that the runs of a query name. */
#define BACKFILLS_OF(runs) "WHERE backfill_id IN (SELECT backfill_id FROM dag_run WHERE " runs ")"

static int store_load(struct dag_store *base, const struct store_visitor *v, struct mr_error *err)
{
	struct sqlite_store *store = store_of(base);
	struct store_dag dag = {0};
	struct store_pool pool;
	struct store_backfill backfill;
	struct store_run one = {0};
	struct store_task task = {0};
	struct store_asset_wait wait = {0};
	pthread_mutex_lock(store->reading);
	int rc = visit_numbers(store, v, err);
	if (rc == 0)
		rc = visit(store, POOLS, "ORDER BY pool", NULL, 0, &pool, VISIT(v->pool), v->arg, err);
	if (rc == 0)
		rc = visit(store, DAGS, "ORDER BY dag_id", NULL, 0, &dag, VISIT(v->dag), v->arg, err);
	if (rc == 0)
		rc = visit(store, BACKFILLS, BACKFILLS_OF("run_no IN (" WANTED ")"), NULL, 0, &backfill,
			   VISIT(v->backfill), v->arg, err);
	if (rc == 0)
		rc = visit(store, RUNS, "WHERE run_no IN (" WANTED ") ORDER BY run_no", NULL, 0, &one,
			   VISIT(v->run), v->arg, err);
	if (rc == 0)
		rc = visit(store, TASKS, "WHERE run_no IN (" WANTED ") ORDER BY run_no, task_id, map_index",
			   NULL, 0, &task, VISIT(v->task), v->arg, err);
	if (rc == 0)
		rc = visit(store, WAITS, "ORDER BY id", NULL, 0, &wait, VISIT(v->asset_wait), v->arg, err);
	pthread_mutex_unlock(store->reading);
	return rc;
}

struct found_run {
	const struct store_visitor *v;
	int64_t run_no;
};

static int note_run(void *arg, const void *row)
{
	struct found_run *found = arg;
	found->run_no = ((const struct store_run *)row)->run_no;
	return found->v->run(found->v->arg, row);
}

static int store_load_run(struct dag_store *base, mr_str dag_id, mr_str run_id, const struct store_visitor *v,
			  struct mr_error *err)
{
	struct sqlite_store *store = store_of(base);
	struct found_run found = {v, -1};
	struct store_backfill backfill;
	struct store_run one = {0};
	struct store_task task = {0};
	mr_str params[] = {dag_id, run_id};
	char number[24];
	pthread_mutex_lock(store->reading);
	int rc = visit(store, BACKFILLS, BACKFILLS_OF("dag_id = ? AND run_id = ?"), params, 2, &backfill,
		       VISIT(v->backfill), v->arg, err);
	if (rc == 0)
		rc = visit(store, RUNS, "WHERE dag_id = ? AND run_id = ?", params, 2, &one, note_run, &found,
			   err);
	if (rc == 0 && found.run_no < 0)
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "DAG '%.*s' has no run '%.*s'", MR_FMT(dag_id),
			     MR_FMT(run_id));
	snprintf(number, sizeof number, "%lld", (long long)found.run_no);
	mr_str param = mr_str_from(number);
	if (rc == 0)
		rc = visit(store, TASKS, "WHERE run_no = CAST(? AS INTEGER) ORDER BY task_id, map_index",
			   &param, 1, &task, VISIT(v->task), v->arg, err);
	pthread_mutex_unlock(store->reading);
	return rc;
}

static int store_source(struct dag_store *base, mr_str dag_id, mr_str version, struct mr_buf *out,
			struct mr_error *err)
{
	struct sqlite_store *store = store_of(base);
	sqlite3_stmt *stmt = NULL;
	pthread_mutex_lock(store->reading);
	int rc = prepare(store->reader, "SELECT source FROM dag_version WHERE dag_id = ? AND dag_version = ?",
			 &stmt, err);
	if (rc == 0) {
		bind_text(stmt, 1, dag_id);
		bind_text(stmt, 2, version);
		if (sqlite3_step(stmt) == SQLITE_ROW)
			mr_buf_append(out, sqlite3_column_text(stmt, 0),
				      (size_t)sqlite3_column_bytes(stmt, 0));
		else
			rc = mr_fail(err, MR_ERR_NOT_FOUND, "version %.*s of DAG '%.*s' is not stored",
				     MR_FMT(version), MR_FMT(dag_id));
	}
	sqlite3_finalize(stmt);
	pthread_mutex_unlock(store->reading);
	return rc;
}

static int store_xcom_get(struct dag_store *base, int64_t run_no, mr_str task_id, int32_t map_index,
			  mr_str key, struct mr_buf *out, struct mr_error *err)
{
	struct sqlite_store *store = store_of(base);
	sqlite3_stmt *stmt = NULL;
	size_t rows = 0;
	pthread_mutex_lock(store->reading);
	int rc =
	    prepare(store->reader,
		    "SELECT value, map_index FROM xcom WHERE run_no = ?1 AND task_id = ?2 AND key = ?3 AND "
		    "(map_index = ?4 OR ?4 = -1) ORDER BY map_index",
		    &stmt, err);
	if (rc == 0) {
		sqlite3_bind_int64(stmt, 1, run_no);
		bind_text(stmt, 2, task_id);
		bind_text(stmt, 3, key);
		sqlite3_bind_int(stmt, 4, map_index);
	}
	bool list = false;
	while (rc == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
		list = map_index < 0 && sqlite3_column_int(stmt, 1) >= 0;
		if (list)
			mr_buf_char(out, rows ? ',' : '[');
		mr_buf_append(out, sqlite3_column_text(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
		rows++;
	}
	if (list)
		mr_buf_char(out, ']');
	sqlite3_finalize(stmt);
	pthread_mutex_unlock(store->reading);
	return rc < 0 ? rc : rows ? 0 : 1;
}

static void put_row(sqlite3_stmt *stmt, struct mr_buf *out)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	for (int i = 0; i < sqlite3_column_count(stmt); i++) {
		json_key(&w, sqlite3_column_name(stmt, i));
		switch (sqlite3_column_type(stmt, i)) {
		case SQLITE_NULL:
			json_put_null(&w);
			break;
		case SQLITE_INTEGER:
			json_put_int(&w, sqlite3_column_int64(stmt, i));
			break;
		case SQLITE_FLOAT:
			json_put_double(&w, sqlite3_column_double(stmt, i));
			break;
		default:
			json_put_str(&w, mr_str_n(sqlite3_column_text(stmt, i),
						  (size_t)sqlite3_column_bytes(stmt, i)));
		}
	}
	json_end_object(&w);
	mr_buf_char(out, '\n');
}

static int store_query(struct dag_store *base, const char *sql, const mr_str *params, size_t param_count,
		       struct mr_buf *out, struct mr_error *err)
{
	struct sqlite_store *store = store_of(base);
	sqlite3_stmt *stmt = NULL;
	int step = SQLITE_DONE;
	pthread_mutex_lock(store->reading);
	int rc = prepare(store->reader, sql, &stmt, err);
	if (rc == 0 && !sqlite3_stmt_readonly(stmt))
		rc = mr_fail(err, MR_ERR_INVALID, "a query of the scheduler's store only reads");
	for (size_t i = 0; rc == 0 && i < param_count; i++)
		bind_text(stmt, (int)i + 1, params[i]);
	for (size_t rows = 0; rc == 0 && rows < ROWS_MAX && (step = sqlite3_step(stmt)) == SQLITE_ROW; rows++)
		put_row(stmt, out);
	if (rc == 0 && step != SQLITE_DONE && step != SQLITE_ROW)
		rc = failed(store->reader, err, "read");
	sqlite3_finalize(stmt);
	pthread_mutex_unlock(store->reading);
	return rc;
}

/* ---- opening ---- */

static void store_free(struct dag_store *base)
{
	struct sqlite_store *store = store_of(base);
	sqlite3_stmt *const plain[] = {store->begin,      store->commit,       store->rollback,
				       store->epoch,      store->forget_xcoms, store->clear_waits,
				       store->remove_task};
	for (size_t i = 0; i < MR_COUNT(plain); i++)
		sqlite3_finalize(plain[i]);
	for (int t = 0; t < TABLES; t++)
		sqlite3_finalize(store->insert[t]);
	if (!shared(store))
		sqlite3_close(store->reader);
	sqlite3_close(store->writer);
	pthread_mutex_destroy(&store->read_lock);
	pthread_mutex_destroy(&store->write_lock);
	free(store);
}

static const struct dag_store_ops ops = {
    .claim = store_claim,
    .apply = store_apply,
    .load = store_load,
    .load_run = store_load_run,
    .source = store_source,
    .xcom = store_xcom_get,
    .query = store_query,
    .free = store_free,
};

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
	struct sqlite_store *store = mr_calloc(1, sizeof *store);
	store->base.ops = &ops;
	pthread_mutex_init(&store->read_lock, NULL);
	pthread_mutex_init(&store->write_lock, NULL);
	store->reading = &store->write_lock;
	int rc = open_one(path, &store->writer, err);
	store->reader = store->writer;
	if (rc == 0)
		rc = create(store, err);
	if (rc == 0)
		rc = prepare_all(store, err);
	if (rc == 0 && strcmp(path, ":memory:") != 0) {
		store->reader = NULL;
		store->reading = &store->read_lock;
		rc = open_one(path, &store->reader, err);
	}
	if (rc < 0) {
		store_free(&store->base);
		return rc;
	}
	*out = &store->base;
	return 0;
}
