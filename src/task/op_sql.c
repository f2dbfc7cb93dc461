/* Operators that are SQL on our own tables: SQLExecuteQueryOperator, DeltaMergeOperator (the same: it
 * takes MERGE INTO), DeltaOptimizeOperator, DeltaVacuumOperator, and the SqlSensor.
 *
 * The result of the last statement that has rows is the XCom: a list of lists, as Airflow's.
 */
#include "query/session.h"
#include "task/op.h"

#include <ctype.h>

#define RESULT_ROWS_MAX 10000
#define RESULT_BYTES_MAX ((size_t)1 << 20)

/* Rows as [[…], …]; what is beyond the limits is counted in the log, not kept. */
static int put_rows(struct op_call *call, struct sql_result *result, struct mr_buf *json,
		    struct mr_error *err)
{
	int64_t rows = 0, left_out = 0;
	int rc;
	mr_buf_clear(json);
	mr_buf_char(json, '[');
	while ((rc = sql_next(result, err)) == 1) {
		if (rows >= RESULT_ROWS_MAX || json->len > RESULT_BYTES_MAX) {
			left_out++;
			continue;
		}
		mr_buf_cstr(json, rows++ ? ",[" : "[");
		for (size_t c = 0; c < sql_column_count(result); c++) {
			if (c)
				mr_buf_char(json, ',');
			if (sql_is_null(result, c))
				mr_buf_cstr(json, "null");
			else
				sql_put_json(result, c, json);
		}
		mr_buf_char(json, ']');
	}
	mr_buf_char(json, ']');
	task_log_line(&call->log, "INFO", "%lld rows%s", (long long)(rows + left_out),
		      left_out ? "; the XCom holds the first of them" : "");
	return rc;
}

/* Run every statement of sql; *json gets the rows of the last that has some. */
static int run_sql(struct op_call *call, mr_str sql, struct mr_buf *json, struct mr_error *err)
{
	struct session *session;
	struct sql_result *result;
	if (!call->services->sessions)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "there is no SQL engine here");
	int rc = session_take(call->services->sessions, &session, err);
	if (rc != 0)
		return rc;
	op_interruptible(call, session);
	for (;;) {
		mr_str before = sql;
		rc = session_run(session, &sql, &result, err);
		if (rc != 1)
			break;
		task_log_line(&call->log, "INFO", "Running statement: %.*s", (int)(sql.ptr - before.ptr),
			      before.ptr);
		rc = 0;
		if (sql_result_is_query(result))
			rc = put_rows(call, result, json, err);
		else
			task_log_line(&call->log, "INFO", "%lld rows changed",
				      (long long)sql_rows_changed(result));
		sql_result_free(result);
		if (rc != 0)
			break;
	}
	op_interruptible(call, NULL);
	session_give(call->services->sessions, session);
	return rc;
}

static int run_to_xcom(struct op_call *call, mr_str sql, struct op_result *out, struct mr_error *err)
{
	struct mr_buf json = {0};
	int rc = run_sql(call, sql, &json, err);
	if (rc == 0) {
		out->outcome = DAG_SUCCEEDED;
		out->xcom_json = arena_copy(&call->arena, mr_buf_view(&json));
	}
	mr_buf_release(&json);
	return rc;
}

int sql_run(struct op_call *call, struct op_result *out, struct mr_error *err)
{
	mr_str *parts;
	struct mr_buf sql = {0};
	if (json_type(op_arg(call, "sql")) == JSON_STRING) {
		mr_buf_str(&sql, op_str(call, "sql"));
	} else {
		size_t count = op_list(call, "sql", &parts);
		for (size_t i = 0; i < count; i++) {
			mr_buf_str(&sql, parts[i]);
			mr_buf_cstr(&sql, ";\n");
		}
	}
	int rc = run_to_xcom(call, mr_buf_view(&sql), out, err);
	mr_buf_release(&sql);
	return rc;
}

/* schema.table, each part quoted with backticks when it needs to be. */
static int put_table(struct op_call *call, struct mr_buf *sql, struct mr_error *err)
{
	mr_str table = op_str(call, "table");
	if (!table.len)
		return mr_fail(err, MR_ERR_INVALID, "which table is not said");
	for (size_t i = 0; i < table.len; i++) {
		unsigned char c = (unsigned char)table.ptr[i];
		if (!isalnum(c) && !strchr("_.`-", c))
			return mr_fail(err, MR_ERR_INVALID, "'%.*s' is no table's name", MR_FMT(table));
	}
	mr_buf_str(sql, table);
	return 0;
}

int delta_optimize_run(struct op_call *call, struct op_result *out, struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_str where = op_str(call, "where"), *columns;
	mr_buf_cstr(&sql, "OPTIMIZE ");
	int rc = put_table(call, &sql, err);
	if (where.len)
		mr_buf_printf(&sql, " WHERE %.*s", MR_FMT(where));
	size_t count = op_list(call, "zorder_by", &columns);
	for (size_t i = 0; i < count; i++)
		mr_buf_printf(&sql, "%s`%.*s`", i ? ", " : " ZORDER BY (", MR_FMT(columns[i]));
	if (count)
		mr_buf_char(&sql, ')');
	if (rc == 0)
		rc = run_to_xcom(call, mr_buf_view(&sql), out, err);
	mr_buf_release(&sql);
	return rc;
}

int delta_vacuum_run(struct op_call *call, struct op_result *out, struct mr_error *err)
{
	struct mr_buf sql = {0};
	double hours = op_number(call, "retention_hours", -1);
	mr_buf_cstr(&sql, "VACUUM ");
	int rc = put_table(call, &sql, err);
	if (hours >= 0)
		mr_buf_printf(&sql, " RETAIN %.10g HOURS", hours);
	if (op_bool(call, "dry_run"))
		mr_buf_cstr(&sql, " DRY RUN");
	if (rc == 0)
		rc = run_to_xcom(call, mr_buf_view(&sql), out, err);
	mr_buf_release(&sql);
	return rc;
}

/* True when the first cell of the first row is neither empty nor a kind of nothing. */
int op_query_truth(struct op_call *call, mr_str sql, bool *truth, struct mr_error *err)
{
	struct mr_buf json = {0}, text = {0};
	struct json_parser *parser = json_parser_new();
	struct json_value rows = {0};
	int rc = run_sql(call, sql, &json, err);
	if (rc == 0 && json.len)
		rc = json_parse(parser, mr_buf_view(&json), &rows, err);
	if (rc == 0) {
		struct json_value cell = json_at(json_at(rows, 0), 0);
		if (json_type(cell) == JSON_STRING)
			mr_buf_str(&text, json_str(cell));
		else
			json_write_value(&text, cell);
		*truth = json_count(rows) > 0 && op_text_truth(mr_buf_view(&text));
	}
	mr_buf_release(&text);
	json_parser_free(parser);
	mr_buf_release(&json);
	return rc;
}

int sql_poke(struct op_call *call, bool *found, struct op_result *out, struct mr_error *err)
{
	return op_query_truth(call, op_str(call, "sql"), found, err);
}
