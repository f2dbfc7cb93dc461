#include "api/list.h"

#include "base/crc32c.h"

#include <stdlib.h>

#define LIMIT_DEFAULT 50

/* ---- rows as JSON ---- */

/* Airflow's ids of versions are UUIDs; ours are 16 hexadecimal digits of what the DAG says. */
static void put_version_id(struct json_writer *w, mr_str version)
{
	struct mr_buf id = {0};
	if (version.len == 16)
		mr_buf_printf(&id, "%.8s-%.4s-8%.3s-8%c00-000000000000", version.ptr, version.ptr + 8,
			      version.ptr + 12, version.ptr[15]);
	json_member_str(w, "id", mr_buf_view(&id));
	mr_buf_release(&id);
}

void put_version(struct json_writer *w, mr_str dag_id, mr_str version, int64_t number, int64_t created_us)
{
	json_begin_object(w);
	put_version_id(w, version);
	json_member_int(w, "version_number", number);
	json_member_str(w, "dag_id", dag_id);
	json_member_cstr(w, "bundle_name", "dags-folder");
	json_member_str(w, "bundle_version", version);
	put_time(w, "created_at", created_us);
	json_member_str(w, "dag_display_name", dag_id);
	put_null(w, "bundle_url");
	json_end_object(w);
}

void put_version_text(struct json_writer *w, mr_str text)
{
	struct json_parser *parser = json_parser_new();
	struct json_value v;
	if (text.len && json_parse(parser, text, &v, NULL) == 0) {
		struct json_value created = json_at(v, 3);
		put_version(w, json_str(json_at(v, 0)), json_str(json_at(v, 1)), json_int(json_at(v, 2)),
			    json_type(created) == JSON_NULL ? NO_TIME : json_int(created));
	} else {
		json_put_null(w);
	}
	json_parser_free(parser);
}

/* One that never began has no try, but clients want a UUID: of its run, map index and name's end. */
static void put_try_id(struct json_writer *w, mr_str text)
{
	struct json_parser *parser = json_parser_new();
	struct json_value v;
	struct mr_buf id = {0};
	if (json_parse(parser, text, &v, NULL) == 0) {
		mr_str task = json_str(json_at(v, 3));
		mr_buf_str(&id, json_str(json_at(v, 0)));
		if (!id.len) {
			mr_buf_printf(&id, "%08x-%04x-8000-8000-", (unsigned)json_int(json_at(v, 1)),
				      (unsigned)json_int(json_at(v, 2)) + 1);
			for (size_t i = 6; i > 0; i--)
				mr_buf_printf(&id, "%02x",
					      i > task.len ? 0 : (unsigned char)task.ptr[task.len - i]);
		}
	}
	json_put_str(w, mr_buf_view(&id));
	mr_buf_release(&id);
	json_parser_free(parser);
}

static void put_field(struct json_writer *w, const struct field *field, struct json_value v)
{
	bool null = json_type(v) == JSON_NULL;
	mr_str text = json_str(v);
	switch (field->kind) {
	case FIELD_TEXT:
		text.len ? json_put_str(w, text) : json_put_null(w);
		break;
	case FIELD_STRING:
		json_put_str(w, text);
		break;
	case FIELD_TIME:
		put_time_value(w, null ? NO_TIME : json_int(v));
		break;
	case FIELD_INT:
		json_put_value(w, v);
		break;
	case FIELD_BOOL:
		json_put_bool(w, json_int(v) != 0);
		break;
	case FIELD_SECONDS:
		null ? json_put_null(w) : json_put_double(w, (double)json_int(v) / 1e6);
		break;
	case FIELD_STATE:
		null || mr_str_is(text, "none") ? json_put_null(w) : json_put_str(w, text);
		break;
	case FIELD_JSON:
		text.len ? json_put_raw(w, text) : json_put_null(w);
		break;
	case FIELD_ASSET_ID:
		json_put_int(w, mr_crc32c(0, text.ptr, text.len));
		break;
	case FIELD_RAW:
		json_put_raw(w, mr_str_from(field->sql));
		break;
	case FIELD_VERSION:
		put_version_text(w, text);
		break;
	case FIELD_TRY:
		put_try_id(w, text);
		break;
	case FIELD_VERSIONS:
		json_begin_array(w);
		if (text.len)
			put_version_text(w, text);
		json_end_array(w);
		break;
	}
}

struct rows {
	struct api_call *call;
	const struct resource *resource;
	int64_t count;
};

static int put_row(void *arg, struct json_value row, struct mr_error *err)
{
	(void)err;
	struct rows *rows = arg;
	struct json_writer *w = &rows->call->w;
	struct json_iter columns = json_iter(row);
	json_begin_object(w);
	for (size_t i = 0; i < rows->resource->field_count; i++) {
		const struct field *field = &rows->resource->fields[i];
		if (field->kind != FIELD_RAW && !json_next(&columns))
			break;
		json_key(w, field->name);
		put_field(w, field, columns.value);
	}
	json_end_object(w);
	rows->count++;
	return 0;
}

/* ---- SQL ---- */

static void put_columns(struct mr_buf *sql, const struct resource *resource)
{
	const char *comma = "SELECT ";
	for (size_t i = 0; i < resource->field_count; i++) {
		if (resource->fields[i].kind == FIELD_RAW)
			continue;
		mr_buf_printf(sql, "%s%s AS c%zu", comma, resource->fields[i].sql, i);
		comma = ", ";
	}
	mr_buf_printf(sql, " FROM %s", resource->from);
}

static mr_str state_word(mr_str value)
{
	return mr_str_is(value, "no_status") || mr_str_is(value, "null") ? MR_STR("none") : value;
}

/* NAME=a&NAME=b: one of them. */
static void put_equal(struct api_call *call, const struct filter *filter, struct sql_params *params,
		      struct mr_buf *where)
{
	const char *before = " AND (";
	for (size_t i = 0; i < call->request->param_count; i++) {
		const struct api_param *param = &call->request->params[i];
		if (!mr_str_is(param->name, filter->param) || !param->value.len)
			continue;
		sql_param(params, filter->kind == FILTER_STATE     ? state_word(param->value)
				  : filter->kind == FILTER_INT     ? api_number(param->value)
				  : filter->kind == FILTER_PATTERN ? api_pattern(call, param->value)
								   : param->value);
		if (filter->kind == FILTER_PATTERN)
			mr_buf_printf(where, "%s%s " API_CONTAINS("?%zu"), before, filter->sql,
				      params->count);
		else if (filter->kind == FILTER_INT)
			mr_buf_printf(where, "%s%s = CAST(?%zu AS BIGINT)", before, filter->sql,
				      params->count);
		else
			mr_buf_printf(where, "%s%s = ?%zu", before, filter->sql, params->count);
		before = " OR ";
	}
	if (before[1] == 'O')
		mr_buf_char(where, ')');
}

static void put_bool(struct api_call *call, const struct filter *filter, struct mr_buf *where)
{
	mr_str value = api_param(call, filter->param);
	if (value.len)
		mr_buf_printf(where, " AND %s = %d", filter->sql, api_flag(call, filter->param, false));
}

/* A number of microseconds out of a time or of seconds. */
static bool parse_bound(const struct filter *filter, mr_str text, int64_t *us)
{
	if (filter->kind == FILTER_TIME)
		return parse_time(text, us);
	char digits[40], *end;
	size_t n = mr_min_size(text.len, sizeof digits - 1);
	memcpy(digits, text.ptr, n);
	digits[n] = 0;
	double seconds = strtod(digits, &end);
	*us = (int64_t)(seconds * 1e6);
	return n && !*end && seconds < 1e12 && seconds > -1e12;
}

static void put_range(struct api_call *call, const struct filter *filter, struct sql_params *params,
		      struct mr_buf *where)
{
	static const struct {
		const char *suffix, *operator;
	} bounds[] = {{"", "="}, {"_gte", ">="}, {"_gt", ">"}, {"_lte", "<="}, {"_lt", "<"}};
	for (size_t i = 0; i < MR_COUNT(bounds); i++) {
		mr_str name = arena_printf(&call->arena, "%s%s", filter->param, bounds[i].suffix);
		mr_str value = api_param(call, name.ptr);
		int64_t us;
		if (!value.len)
			continue;
		if (!parse_bound(filter, value, &us)) {
			api_fault(call, "datetime_from_date_parsing", "query", name.ptr,
				  "Input should be a valid datetime or date", (struct json_value){0});
			continue;
		}
		sql_param(params, arena_printf(&call->arena, "%lld", (long long)us));
		mr_buf_printf(where, " AND %s %s CAST(?%zu AS BIGINT)", filter->sql, bounds[i].operator,
			      params->count);
	}
}

static void put_filters(struct api_call *call, const struct resource *resource, struct sql_params *params,
			struct mr_buf *where)
{
	for (size_t i = 0; i < resource->filter_count; i++) {
		const struct filter *filter = &resource->filters[i];
		if (filter->kind == FILTER_TIME || filter->kind == FILTER_SECONDS)
			put_range(call, filter, params, where);
		else if (filter->kind == FILTER_BOOL)
			put_bool(call, filter, where);
		else
			put_equal(call, filter, params, where);
	}
}

static const char *order_of(const struct resource *resource, mr_str name)
{
	for (const char *const *pair = resource->orders; pair && *pair; pair += 2) {
		if (mr_str_is(name, pair[0]))
			return pair[1];
	}
	for (size_t i = 0; i < resource->field_count; i++) {
		if (mr_str_is(name, resource->fields[i].name) && resource->fields[i].kind != FIELD_RAW &&
		    resource->fields[i].kind < FIELD_VERSIONS)
			return resource->fields[i].sql;
	}
	return NULL;
}

static int put_order(struct api_call *call, const struct resource *resource, struct mr_buf *sql,
		     struct mr_error *err)
{
	const char *before = " ORDER BY ";
	for (size_t i = 0; i < call->request->param_count; i++) {
		const struct api_param *param = &call->request->params[i];
		if (!mr_str_is(param->name, "order_by") || !param->value.len)
			continue;
		bool descending = param->value.ptr[0] == '-';
		mr_str name = mr_str_tail(param->value, descending);
		const char *order = order_of(resource, name);
		if (!order)
			return mr_fail(err, MR_ERR_INVALID,
				       "Ordering with '%.*s' is disallowed or the attribute does not exist",
				       MR_FMT(name));
		mr_buf_printf(sql, "%s%s%s", before, order, descending ? " DESC NULLS LAST" : " NULLS FIRST");
		before = ", ";
	}
	if (before[0] == ' ')
		mr_buf_printf(sql, " ORDER BY %s", resource->order);
	mr_buf_printf(sql, ", %s", resource->tie);
	return 0;
}

static int64_t page_number(struct api_call *call, const char *name, int64_t otherwise)
{
	mr_str value = api_param(call, name);
	int64_t n = 0;
	if (!value.ptr)
		return otherwise;
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9' || value.len > 12) {
			api_fault(call, "int_parsing", "query", name, "Input should be a valid integer",
				  (struct json_value){0});
			return otherwise;
		}
		n = n * 10 + (value.ptr[i] - '0');
	}
	return n;
}

void list_page(struct api_call *call, int64_t *limit, int64_t *offset)
{
	*limit = mr_min_i64(page_number(call, "limit", LIMIT_DEFAULT), LIST_LIMIT_MAX);
	*offset = page_number(call, "offset", 0);
}

static int take_count(void *arg, struct json_value row, struct mr_error *err)
{
	(void)err;
	*(int64_t *)arg = json_int(json_get(row, "n"));
	return 0;
}

static int count_rows(struct api_call *call, const struct resource *resource, mr_str where,
		      const struct sql_params *params, int64_t *total, struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_buf_printf(&sql, "SELECT count(*) AS n FROM %s WHERE %.*s", resource->from, MR_FMT(where));
	int rc = api_query(call, sql.ptr, params->items, params->count, take_count, total, err);
	mr_buf_release(&sql);
	return rc;
}

void list_end(struct api_call *call, const struct resource *resource, int64_t total)
{
	json_end_array(&call->w);
	json_member_int(&call->w, "total_entries", total);
	if (resource->cursors) {
		put_null(&call->w, "total_entries_limit");
		put_null(&call->w, "next_cursor");
		put_null(&call->w, "previous_cursor");
	}
	json_end_object(&call->w);
}

int list_answer(struct api_call *call, const struct resource *resource, const char *condition,
		struct sql_params *params, struct mr_error *err)
{
	struct mr_buf where = {0}, sql = {0};
	struct rows rows = {call, resource, 0};
	int64_t limit, offset, total = 0;
	list_page(call, &limit, &offset);
	mr_buf_printf(&where, "(%s)", condition);
	put_filters(call, resource, params, &where);
	int rc = api_faulty(call) ? 0 : count_rows(call, resource, mr_buf_view(&where), params, &total, err);
	put_columns(&sql, resource);
	mr_buf_printf(&sql, " WHERE %s", where.ptr);
	if (rc == 0)
		rc = put_order(call, resource, &sql, err);
	if (rc == 0 && !api_faulty(call)) {
		mr_buf_printf(&sql, " LIMIT %lld OFFSET %lld", (long long)limit, (long long)offset);
		api_begin_list(call, resource->key);
		rc = api_query(call, sql.ptr, params->items, params->count, put_row, &rows, err);
		list_end(call, resource, total);
	}
	mr_buf_release(&where);
	mr_buf_release(&sql);
	return rc;
}

int list_rows(struct api_call *call, const struct resource *resource, const char *where,
	      const struct sql_params *params, int64_t *count_out, struct mr_error *err)
{
	struct mr_buf sql = {0};
	struct rows rows = {call, resource, 0};
	put_columns(&sql, resource);
	mr_buf_printf(&sql, " WHERE %s ORDER BY %s, %s", where, resource->order, resource->tie);
	int rc = api_query(call, sql.ptr, params->items, params->count, put_row, &rows, err);
	mr_buf_release(&sql);
	*count_out = rows.count;
	return rc;
}

const char *list_path_where(struct api_call *call, const char *const *columns, size_t count)
{
	struct mr_buf where = {0};
	for (size_t i = 0; i < count; i++) {
		mr_buf_cstr(&where, i ? " AND " : "");
		if (mr_str_is(call->path[i], "~"))
			mr_buf_printf(&where, "?%zu IS NOT NULL", i + 1);
		else
			mr_buf_printf(&where, "%s = ?%zu", columns[i], i + 1);
	}
	const char *text = arena_copy(&call->arena, mr_buf_view(&where)).ptr;
	mr_buf_release(&where);
	return text;
}

int list_one(struct api_call *call, const struct resource *resource, const char *where,
	     const struct sql_params *params, const char *missing, struct mr_error *err)
{
	int64_t count;
	int rc = list_rows(call, resource, where, params, &count, err);
	return rc == 0 && !count ? mr_fail(err, MR_ERR_NOT_FOUND, "%s", missing) : rc;
}
