#include "dag/store_schema.h"

#include "dag/store.h"

#define DAG(member) offsetof(struct store_dag, member)
static const struct store_column dag_columns[] = {
    {"dag_id", COLUMN_TEXT, DAG(dag_id)},
    {"dag_version", COLUMN_TEXT, DAG(version)},
    {"fileloc", COLUMN_TEXT, DAG(file)},
    {"is_paused", COLUMN_BOOLEAN, DAG(paused)},
    {"is_active", COLUMN_BOOLEAN, DAG(active)},
    {"last_interval_start", COLUMN_TIME, DAG(last_start_us)},
    {"last_interval_end", COLUMN_TIME, DAG(last_end_us)},
    {"next_dagrun_run_after", COLUMN_TIME, DAG(next_run_us)},
};
static const struct store_column version_columns[] = {
    {"dag_id", COLUMN_TEXT, DAG(dag_id)},
    {"dag_version", COLUMN_TEXT, DAG(version)},
    {"source", COLUMN_TEXT, DAG(source)},
    {"created_at", COLUMN_TIME, DAG(version_at_us)},
};

#define RUN(member) offsetof(struct store_run, member)
static const struct store_column run_columns[] = {
    {"run_no", COLUMN_INT64, RUN(run_no)},
    {"dag_id", COLUMN_TEXT, RUN(dag_id)},
    {"run_id", COLUMN_TEXT, RUN(run_id)},
    {"run_type", COLUMN_TEXT, RUN(run_type)},
    {"dag_version", COLUMN_TEXT, RUN(version)},
    {"state", COLUMN_RUN_STATE, RUN(state)},
    {"logical_date", COLUMN_TIME, RUN(logical_date_us)},
    {"data_interval_start", COLUMN_TIME, RUN(interval_start_us)},
    {"data_interval_end", COLUMN_TIME, RUN(interval_end_us)},
    {"run_after", COLUMN_TIME, RUN(run_after_us)},
    {"queued_at", COLUMN_TIME, RUN(queued_at_us)},
    {"start_date", COLUMN_TIME, RUN(start_us)},
    {"end_date", COLUMN_TIME, RUN(end_us)},
    {"conf", COLUMN_TEXT, RUN(conf_json)},
    {"asset_events", COLUMN_TEXT, RUN(asset_events_json)},
    {"backfill_id", COLUMN_TEXT, RUN(backfill_id)},
    {"clear_number", COLUMN_INT32, RUN(clear_number)},
};

#define TI(member) offsetof(struct store_task, member)
static const struct store_column task_columns[] = {
    {"run_no", COLUMN_INT64, TI(run_no)},
    {"task_id", COLUMN_TEXT, TI(task_id)},
    {"map_index", COLUMN_INT32, TI(map_index)},
    {"try_number", COLUMN_INT32, TI(try_number)},
    {"id", COLUMN_TEXT, TI(id)},
    {"state", COLUMN_TASK_STATE, TI(state)},
    {"max_tries", COLUMN_INT32, TI(max_tries)},
    {"poke", COLUMN_INT32, TI(poke)},
    {"operator", COLUMN_TEXT, TI(operator_name)},
    {"pool", COLUMN_TEXT, TI(pool)},
    {"queue", COLUMN_TEXT, TI(queue)},
    {"hostname", COLUMN_TEXT, TI(hostname)},
    {"pid", COLUMN_INT64, TI(pid)},
    {"reason", COLUMN_TEXT, TI(reason)},
    {"exit_code", COLUMN_INT32, TI(exit_code)},
    {"pool_slots", COLUMN_INT32, TI(pool_slots)},
    {"priority_weight", COLUMN_INT32, TI(priority_weight)},
    {"scheduled_dttm", COLUMN_TIME, TI(scheduled_us)},
    {"queued_dttm", COLUMN_TIME, TI(queued_us)},
    {"start_date", COLUMN_TIME, TI(start_us)},
    {"end_date", COLUMN_TIME, TI(end_us)},
    {"first_start", COLUMN_TIME, TI(first_start_us)},
    {"due", COLUMN_TIME, TI(due_us)},
    {"event", COLUMN_TEXT, TI(event)},
    {"resume", COLUMN_TEXT, TI(resume_json)},
    {"map_args", COLUMN_TEXT, TI(map_json)},
    {"cleared", COLUMN_BOOLEAN, TI(cleared)},
    {"executor", COLUMN_TEXT, TI(executor), .later = true},
    {"executor_config", COLUMN_TEXT, TI(executor_config), .later = true},
};

#define XCOM(member) offsetof(struct store_xcom, member)
static const struct store_column xcom_columns[] = {
    {"run_no", COLUMN_INT64, XCOM(run_no)},       {"task_id", COLUMN_TEXT, XCOM(task_id)},
    {"map_index", COLUMN_INT32, XCOM(map_index)}, {"key", COLUMN_TEXT, XCOM(key)},
    {"value", COLUMN_TEXT, XCOM(json)},
};

#define ASSET(member) offsetof(struct store_asset_event, member)
static const struct store_column asset_columns[] = {
    {"uri", COLUMN_TEXT, ASSET(uri)},
    {"extra", COLUMN_TEXT, ASSET(extra_json)},
    {"source_dag_id", COLUMN_TEXT, ASSET(source_dag_id)},
    {"source_run_id", COLUMN_TEXT, ASSET(source_run_id)},
    {"source_task_id", COLUMN_TEXT, ASSET(source_task_id)},
    {"timestamp", COLUMN_TIME, ASSET(at_us)},
    {"version", COLUMN_INT64, ASSET(version)},
};

#define WAITING(member) offsetof(struct store_asset_wait, member)
static const struct store_column wait_columns[] = {
    {"dag_id", COLUMN_TEXT, WAITING(dag_id)},
    {"uri", COLUMN_TEXT, WAITING(uri)},
    {"timestamp", COLUMN_TIME, WAITING(event_at_us)},
    {"extra", COLUMN_TEXT, WAITING(extra_json)},
};

#define EVENT(member) offsetof(struct store_event, member)
static const struct store_column event_columns[] = {
    {"event", COLUMN_TEXT, EVENT(what)},           {"dag_id", COLUMN_TEXT, EVENT(dag_id)},
    {"run_id", COLUMN_TEXT, EVENT(run_id)},        {"task_id", COLUMN_TEXT, EVENT(task_id)},
    {"map_index", COLUMN_INT32, EVENT(map_index)}, {"owner", COLUMN_TEXT, EVENT(who)},
    {"extra", COLUMN_TEXT, EVENT(detail)},         {"dttm", COLUMN_TIME, EVENT(at_us)},
};

#define POOL(member) offsetof(struct store_pool, member)
static const struct store_column pool_columns[] = {
    {"pool", COLUMN_TEXT, POOL(name)},
    {"slots", COLUMN_INT32, POOL(slots)},
    {"description", COLUMN_TEXT, POOL(description)},
};

#define NOTE(member) offsetof(struct store_note, member)
static const struct store_column note_columns[] = {
    {"dag_id", COLUMN_TEXT, NOTE(dag_id)},   {"run_id", COLUMN_TEXT, NOTE(run_id)},
    {"task_id", COLUMN_TEXT, NOTE(task_id)}, {"map_index", COLUMN_INT32, NOTE(map_index)},
    {"content", COLUMN_TEXT, NOTE(text)},
};

#define BACKFILL(member) offsetof(struct store_backfill, member)
static const struct store_column backfill_columns[] = {
    {"backfill_id", COLUMN_TEXT, BACKFILL(id)},
    {"dag_id", COLUMN_TEXT, BACKFILL(dag_id)},
    {"max_active_runs", COLUMN_INT32, BACKFILL(max_active_runs)},
};

#define COLUMNS(array) .columns = (array), .count = MR_COUNT(array)
const struct store_table store_tables[STORE_TABLES] = {
    [STORE_DAGS] = {"dag", COLUMNS(dag_columns), "dag_id", ON_CONFLICT_REPLACE},
    [STORE_VERSIONS] = {"dag_version", COLUMNS(version_columns), "dag_id, dag_version", ON_CONFLICT_KEEP,
			.numbered = true},
    [STORE_BACKFILLS] = {"backfill", COLUMNS(backfill_columns), "backfill_id", ON_CONFLICT_REPLACE},
    [STORE_RUNS] = {"dag_run", COLUMNS(run_columns), "run_no", ON_CONFLICT_REPLACE,
		    .also = ", UNIQUE (dag_id, run_id)"},
    [STORE_TASKS] = {"task_instance", COLUMNS(task_columns), "run_no, task_id, map_index",
		     ON_CONFLICT_REPLACE},
    [STORE_TRIES] = {"task_instance_history", COLUMNS(task_columns),
		     "run_no, task_id, map_index, try_number, id", ON_CONFLICT_REPLACE},
    [STORE_XCOMS] = {"xcom", COLUMNS(xcom_columns), "run_no, task_id, map_index, key", ON_CONFLICT_REPLACE},
    [STORE_ASSETS] = {"asset_event", COLUMNS(asset_columns), .numbered = true},
    [STORE_WAITS] = {"asset_dag_run_queue", COLUMNS(wait_columns), .numbered = true},
    [STORE_EVENTS] = {"log", COLUMNS(event_columns), .numbered = true},
    [STORE_POOLS] = {"slot_pool", COLUMNS(pool_columns), "pool", ON_CONFLICT_REPLACE},
    [STORE_NOTES] = {"note", COLUMNS(note_columns), "dag_id, run_id, task_id, map_index",
		     ON_CONFLICT_REPLACE},
};

static const char *const indexes[] = {
    "dag_run_open ON dag_run(dag_id) WHERE state IN ('queued', 'running')",
    "dag_run_by_date ON dag_run(dag_id, run_after)",
    "asset_event_by_uri ON asset_event(uri, version)",
    "log_by_run ON log(dag_id, run_id)",
    "asset_wait_by_dag ON asset_dag_run_queue(dag_id)",
};

/* ---- dialects ---- */

const struct store_dialect store_sqlite_dialect = {
    .types = {[COLUMN_TEXT] = "TEXT NOT NULL",
	      [COLUMN_TIME] = "INTEGER",
	      [COLUMN_INT32] = "INTEGER NOT NULL",
	      [COLUMN_INT64] = "INTEGER NOT NULL",
	      [COLUMN_BOOLEAN] = "INTEGER NOT NULL",
	      [COLUMN_TASK_STATE] = "TEXT NOT NULL",
	      [COLUMN_RUN_STATE] = "TEXT NOT NULL"},
    .number = "id INTEGER PRIMARY KEY",
    .keyed = " WITHOUT ROWID",
    .add = "ADD COLUMN",
    .parameter = '?',
};

/* Text is compared byte by byte in both: a list is in the same order whatever the server's locale. */
#define PG_TEXT "TEXT COLLATE \"C\" NOT NULL"
const struct store_dialect store_postgres_dialect = {
    .types = {[COLUMN_TEXT] = PG_TEXT,
	      [COLUMN_TIME] = "BIGINT",
	      [COLUMN_INT32] = "INTEGER NOT NULL",
	      [COLUMN_INT64] = "BIGINT NOT NULL",
	      [COLUMN_BOOLEAN] = "SMALLINT NOT NULL",
	      [COLUMN_TASK_STATE] = PG_TEXT,
	      [COLUMN_RUN_STATE] = PG_TEXT},
    .number = "id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    .keyed = "",
    .add = "ADD COLUMN IF NOT EXISTS",
    .parameter = '$',
    .lock_row = " FOR UPDATE",
    .spellings = {{"LIKE", "ILIKE"}, {"json_array", "json_build_array"}},
};

static size_t word_length(const char *text)
{
	size_t n = 0;
	while ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= 'A' && text[n] <= 'Z') || text[n] == '_' ||
	       (n && text[n] >= '0' && text[n] <= '9'))
		n++;
	return n;
}

static void put_word(struct mr_buf *out, const struct store_dialect *dialect, mr_str word)
{
	for (size_t i = 0; i < MR_COUNT(dialect->spellings) && dialect->spellings[i].from; i++) {
		if (mr_str_is(word, dialect->spellings[i].from)) {
			mr_buf_cstr(out, dialect->spellings[i].to);
			return;
		}
	}
	mr_buf_str(out, word);
}

void store_put_sql(struct mr_buf *out, const struct store_dialect *dialect, const char *sql)
{
	while (*sql) {
		size_t word = word_length(sql);
		if (word) {
			put_word(out, dialect, mr_str_n(sql, word));
			sql += word;
		} else if (*sql == '\'') {
			const char *end = strchr(sql + 1, '\'');
			size_t len = end ? (size_t)(end + 1 - sql) : strlen(sql);
			mr_buf_append(out, sql, len);
			sql += len;
		} else {
			mr_buf_char(out, *sql == '?' ? dialect->parameter : *sql);
			sql++;
		}
	}
}

/* ---- tables ---- */

#define LATER_PRESET " DEFAULT ''"

static void put_state_words(struct mr_buf *sql, const struct store_column *column)
{
	bool task = column->kind == COLUMN_TASK_STATE;
	mr_buf_printf(sql, " CHECK (%s IN (", column->name);
	for (int i = 0; i < (task ? (int)TASK_STATES : (int)RUN_STATES); i++)
		mr_buf_printf(sql, "%s'%s'", i ? ", " : "",
			      task ? task_state_name((enum task_state)i) : run_state_name((enum run_state)i));
	mr_buf_cstr(sql, "))");
}

static void put_table(struct mr_buf *sql, const struct store_dialect *dialect,
		      const struct store_table *table)
{
	mr_buf_printf(sql, "CREATE TABLE IF NOT EXISTS %s (", table->name);
	for (size_t i = 0; i < table->count; i++) {
		const struct store_column *column = &table->columns[i];
		mr_buf_printf(sql, "%s %s", column->name, dialect->types[column->kind]);
		if (column->kind == COLUMN_TASK_STATE || column->kind == COLUMN_RUN_STATE)
			put_state_words(sql, column);
		mr_buf_printf(sql, "%s, ", column->later ? LATER_PRESET : "");
	}
	if (table->numbered)
		mr_buf_cstr(sql, dialect->number);
	if (table->key)
		mr_buf_printf(sql, "%s (%s)", table->numbered ? ", UNIQUE" : "PRIMARY KEY", table->key);
	/* A run's rowid is its number already. */
	bool keyed = !table->numbered && !table->also;
	mr_buf_printf(sql, "%s)%s;", table->also ? table->also : "", keyed ? dialect->keyed : "");
}

void store_later_columns(const struct store_dialect *dialect, store_later_fn *fn, void *arg)
{
	for (int t = 0; t < STORE_TABLES; t++) {
		const struct store_table *table = &store_tables[t];
		for (size_t i = 0; i < table->count; i++) {
			const struct store_column *column = &table->columns[i];
			if (!column->later)
				continue;
			struct mr_buf sql = {0};
			mr_buf_printf(&sql, "ALTER TABLE %s %s %s %s" LATER_PRESET, table->name, dialect->add,
				      column->name, dialect->types[column->kind]);
			fn(arg, table->name, column->name, mr_buf_view(&sql));
			mr_buf_release(&sql);
		}
	}
}

void store_put_schema(struct mr_buf *sql, const struct store_dialect *dialect)
{
	for (int t = 0; t < STORE_TABLES; t++)
		put_table(sql, dialect, &store_tables[t]);
	mr_buf_cstr(sql, "CREATE TABLE IF NOT EXISTS leader (one INTEGER PRIMARY KEY CHECK (one = 1),"
			 " epoch BIGINT NOT NULL, batch BIGINT NOT NULL, beat BIGINT NOT NULL, watched "
			 "SMALLINT NOT NULL, attended BIGINT NOT NULL, hostname TEXT "
			 "NOT NULL);");
	for (size_t i = 0; i < MR_COUNT(indexes); i++)
		mr_buf_printf(sql, "CREATE INDEX IF NOT EXISTS %s;", indexes[i]);
}

static void put_insert(struct mr_buf *sql, const struct store_dialect *dialect,
		       const struct store_table *table)
{
	mr_buf_printf(sql, "INSERT INTO %s", table->name);
	for (size_t i = 0; i < table->count; i++)
		mr_buf_printf(sql, "%s%s", i ? ", " : " (", table->columns[i].name);
	mr_buf_cstr(sql, ") VALUES (");
	for (size_t i = 0; i < table->count; i++)
		mr_buf_printf(sql, "%s%c%zu", i ? ", " : "", dialect->parameter, i + 1);
	mr_buf_char(sql, ')');
	if (!table->key)
		return;
	mr_buf_printf(sql, " ON CONFLICT (%s) DO ", table->key);
	if (table->conflict == ON_CONFLICT_KEEP) {
		mr_buf_cstr(sql, "NOTHING");
		return;
	}
	mr_buf_cstr(sql, "UPDATE SET ");
	for (size_t i = 0; i < table->count; i++)
		mr_buf_printf(sql, "%s%s = excluded.%s", i ? ", " : "", table->columns[i].name,
			      table->columns[i].name);
}

void store_put_select(struct mr_buf *sql, int t, const char *where)
{
	const struct store_table *table = &store_tables[t];
	for (size_t i = 0; i < table->count; i++)
		mr_buf_printf(sql, "%s%s", i ? ", " : "SELECT ", table->columns[i].name);
	mr_buf_printf(sql, " FROM %s %s", table->name, where);
}

/* ---- statements ---- */

static const char *const statements[] = {
    [STORE_CLAIM - STORE_TABLES] =
	"INSERT INTO leader (one, epoch, batch, beat, watched, attended, hostname) VALUES (1, 1, 0, 0, 1, 0, "
	"?1) "
	"ON CONFLICT (one) DO UPDATE SET epoch = leader.epoch + 1, batch = 0, beat = 0, watched = 1, "
	"hostname = excluded.hostname WHERE CAST(?2 AS BIGINT) = -1 OR (leader.epoch = CAST(?2 AS BIGINT) "
	"AND "
	"leader.beat = CAST(?3 AS BIGINT)) RETURNING epoch",
    [STORE_BEAT - STORE_TABLES] =
	"UPDATE leader SET beat = beat + 1, watched = ?2 WHERE epoch = ?1 RETURNING attended",
    [STORE_ATTEND - STORE_TABLES] = "UPDATE leader SET attended = attended + 1",
    [STORE_RESIGN - STORE_TABLES] = "UPDATE leader SET beat = beat + 1, hostname = '' WHERE epoch = ?1",
    [STORE_EPOCH - STORE_TABLES] = "SELECT epoch, batch FROM leader",
    [STORE_BATCH - STORE_TABLES] = "UPDATE leader SET batch = ?1, beat = beat + 1",
    [STORE_FORGET_XCOMS - STORE_TABLES] =
	"DELETE FROM xcom WHERE run_no = ?1 AND task_id = ?2 AND map_index = ?3",
    [STORE_REMOVE_TASK - STORE_TABLES] =
	"DELETE FROM task_instance WHERE run_no = ?1 AND task_id = ?2 AND map_index = ?3",
    [STORE_CLEAR_WAITS - STORE_TABLES] = "DELETE FROM asset_dag_run_queue WHERE dag_id = ?1",
};

void store_put_statement(struct mr_buf *sql, const struct store_dialect *dialect, int statement)
{
	if (statement < STORE_TABLES) {
		put_insert(sql, dialect, &store_tables[statement]);
		return;
	}
	store_put_sql(sql, dialect, statements[statement - STORE_TABLES]);
	if (statement == STORE_EPOCH && dialect->lock_row)
		mr_buf_cstr(sql, dialect->lock_row);
}

/* ---- rows ---- */

static struct sql_value number(int64_t n)
{
	return (struct sql_value){.kind = SQL_INTEGER, .integer = n};
}

static struct sql_value text(mr_str s)
{
	return (struct sql_value){.kind = SQL_TEXT, .text = s};
}

struct sql_value store_column_value(const struct store_column *column, const void *row)
{
	const void *at = (const char *)row + column->offset;
	switch (column->kind) {
	case COLUMN_TEXT:
		return text(*(const mr_str *)at);
	case COLUMN_TIME:
		return *(const int64_t *)at == NO_TIME ? (struct sql_value){.kind = SQL_NULL}
						       : number(*(const int64_t *)at);
	case COLUMN_INT32:
		return number(*(const int32_t *)at);
	case COLUMN_INT64:
		return number(*(const int64_t *)at);
	case COLUMN_BOOLEAN:
		return number(*(const bool *)at);
	case COLUMN_TASK_STATE:
		return text(mr_str_from(task_state_name(*(const enum task_state *)at)));
	case COLUMN_RUN_STATE:
		return text(mr_str_from(run_state_name(*(const enum run_state *)at)));
	}
	return (struct sql_value){.kind = SQL_NULL};
}

void store_column_take(const struct store_column *column, const struct sql_value *value, void *row)
{
	void *at = (char *)row + column->offset;
	switch (column->kind) {
	case COLUMN_TEXT:
		*(mr_str *)at = value->text;
		break;
	case COLUMN_TIME:
		*(int64_t *)at = value->kind == SQL_NULL ? NO_TIME : value->integer;
		break;
	case COLUMN_INT32:
		*(int32_t *)at = (int32_t)value->integer;
		break;
	case COLUMN_INT64:
		*(int64_t *)at = value->integer;
		break;
	case COLUMN_BOOLEAN:
		*(bool *)at = value->integer != 0;
		break;
	case COLUMN_TASK_STATE:
		task_state_parse(value->text, at);
		break;
	case COLUMN_RUN_STATE:
		run_state_parse(value->text, at);
		break;
	}
}
