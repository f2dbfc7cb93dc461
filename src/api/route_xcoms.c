/* api/route_xcoms.c - xcomEntries: what tasks of a run left for others. */
#include "api/list.h"
#include "api/routes.h"

#define XCOM_FIELDS \
	{"key", "x.key", FIELD_STRING}, \
	    {"timestamp", "coalesce(t.end_date, r.start_date, r.queued_at)", FIELD_TIME}, \
	    {"logical_date", "r.logical_date", FIELD_TIME}, {"map_index", "x.map_index", FIELD_INT}, \
	    {"task_id", "x.task_id", FIELD_STRING}, {"dag_id", "r.dag_id", FIELD_STRING}, \
	    {"run_id", "r.run_id", FIELD_STRING}, {"dag_display_name", "r.dag_id", FIELD_STRING}, \
	    {"task_display_name", "x.task_id", FIELD_STRING}, \
	{ \
		"run_after", "r.run_after", FIELD_TIME \
	}

#define FROM \
	"xcom x JOIN dag_run r ON r.run_no = x.run_no LEFT JOIN task_instance t ON t.run_no = x.run_no AND " \
	"t.task_id = x.task_id AND t.map_index = x.map_index"
#define ORDER "x.run_no, x.task_id, x.map_index, x.key"

static const struct field list_fields[] = {XCOM_FIELDS};
static const struct field fields[] = {XCOM_FIELDS, {"value", "x.value", FIELD_JSON}};

static const struct filter filters[] = {
    {"xcom_key", "x.key", FILTER_TEXT},
    {"xcom_key_pattern", "x.key", FILTER_PATTERN},
    {"map_index", "x.map_index", FILTER_INT},
    {"task_id_pattern", "x.task_id", FILTER_PATTERN},
    {"run_id_pattern", "r.run_id", FILTER_PATTERN},
    {"logical_date", "r.logical_date", FILTER_TIME},
    {"run_after", "r.run_after", FILTER_TIME},
};

static const struct resource xcoms = {
    .key = "xcom_entries",
    .from = FROM,
    .fields = list_fields,
    .field_count = MR_COUNT(list_fields),
    .filters = filters,
    .filter_count = MR_COUNT(filters),
    .order = ORDER,
    .tie = ORDER,
};

static const struct resource xcom = {
    .key = "xcom_entries",
    .from = FROM,
    .fields = fields,
    .field_count = MR_COUNT(fields),
    .order = ORDER,
    .tie = ORDER,
};

int api_xcom_list(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {{call->path[0], call->path[1], call->path[2]}, 3};
	static const char *const columns[] = {"r.dag_id", "r.run_id", "x.task_id"};
	return list_answer(call, &xcoms, list_path_where(call, columns, MR_COUNT(columns)), &params, err);
}

int api_xcom_get(struct api_call *call, struct mr_error *err)
{
	mr_str map_index = api_param(call, "map_index");
	struct sql_params params = {{call->path[0], call->path[1], call->path[2], call->path[3],
				     map_index.len ? api_number(map_index) : MR_STR("-1")},
				    5};
	return list_one(
	    call, &xcom,
	    "r.dag_id = ?1 AND r.run_id = ?2 AND x.task_id = ?3 AND x.key = ?4 AND x.map_index = CAST(?5 AS "
	    "BIGINT)",
	    &params,
	    arena_printf(&call->arena, "XCom entry with key: `%.*s` not found", MR_FMT(call->path[3])).ptr,
	    err);
}
