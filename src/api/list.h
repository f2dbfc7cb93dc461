/* api/list.h - lists of rows of the store as Airflow's API shows them, from a description of the
 * resource: which member of the JSON is which SQL expression, by what it may be filtered and ordered.
 *
 * Every list takes limit (50, at most LIST_LIMIT_MAX), offset and order_by (more than once; "-" before
 * a name: descending), and answers total_entries.
 */
#pragma once

#include "api/call.h"

#define LIST_LIMIT_MAX 1000

enum field_kind {
	FIELD_TEXT,   /* empty: null */
	FIELD_STRING, /* empty: "" */
	FIELD_TIME,   /* microseconds */
	FIELD_INT,    /* null stays */
	FIELD_BOOL,
	FIELD_SECONDS,  /* microseconds, shown as seconds */
	FIELD_STATE,    /* none: null */
	FIELD_JSON,     /* text that is JSON; empty: null */
	FIELD_ASSET_ID, /* a URI, shown as its number: CRC-32C */
	FIELD_RAW,      /* sql is JSON text itself, the same in every row */
	FIELD_VERSIONS, /* a list of one such */
	FIELD_TRY,      /* json_array(id, run_no, map_index, task_id): a UUID */
	FIELD_VERSION,  /* json_array(dag_id, dag_version, number, created_at): a DagVersionResponse */
};

struct field {
	const char *name;
	const char *sql;
	enum field_kind kind;
};

enum filter_kind {
	FILTER_TEXT,    /* equal, or one of several */
	FILTER_INT,     /* the same with numbers */
	FILTER_STATE,   /* the same; no_status, null and none mean none */
	FILTER_PATTERN, /* contains; % and _ as in LIKE */
	FILTER_TIME,    /* NAME, NAME_gte, NAME_gt, NAME_lte, NAME_lt */
	FILTER_SECONDS, /* the same with seconds */
	FILTER_BOOL,
};

struct filter {
	const char *param;
	const char *sql; /* the expression that is compared */
	enum filter_kind kind;
};

struct resource {
	const char *key; /* "dag_runs" */
	const char *from;
	const struct field *fields;
	size_t field_count;
	const struct filter *filters;
	size_t filter_count;
	const char *order; /* when none is asked for */
	/* Names for order_by that are no field, and what they order by; NULL-terminated pairs, or NULL. */
	const char *const *orders;
	bool cursors;    /* Airflow 3.1 lists these with cursors too: members that are always null here */
	const char *tie; /* last in every ORDER BY: pages must not overlap */
};

struct sql_params {
	mr_str items[64];
	size_t count;
};

/* A condition for the call's path: column i is path[i], or anything where that is "~". An OR with '~' in it
 * would have SQLite look at every row. The text is the arena's. */
const char *list_path_where(struct api_call *call, const char *const *columns, size_t count);

/* where: a condition, or "TRUE"; params: what it refers to, ?1 … */
MR_NODISCARD int list_answer(struct api_call *call, const struct resource *resource, const char *where,
			     struct sql_params *params, struct mr_error *err);
/* The one row that fits, as an object; `missing` is the detail when there is none. */
MR_NODISCARD int list_one(struct api_call *call, const struct resource *resource, const char *where,
			  const struct sql_params *params, const char *missing, struct mr_error *err);
/* Writes rows as objects, without paging, into the array that is open; *count_out: how many. */
MR_NODISCARD int list_rows(struct api_call *call, const struct resource *resource, const char *where,
			   const struct sql_params *params, int64_t *count_out, struct mr_error *err);
/* After list_rows: the totals that the resource's lists end with. */
void list_end(struct api_call *call, const struct resource *resource, int64_t total_entries);
/* limit and offset of the query; a fault when they are none. */
void list_page(struct api_call *call, int64_t *limit, int64_t *offset);
/* The json_array of FIELD_VERSION, of the version of a run. */
#define LIST_VERSION_OF(run) \
	"(SELECT json_array(v.dag_id, v.dag_version, (SELECT count(*) FROM dag_version w WHERE w.dag_id = " \
	"v.dag_id AND w.id <= v.id), v.created_at) FROM dag_version v WHERE v.dag_id = " run \
	".dag_id AND v.dag_version = " run ".dag_version)"
void put_version_text(struct json_writer *w, mr_str text); /* out of such an array */
/* A DagVersionResponse. created_us NO_TIME: null. */
void put_version(struct json_writer *w, mr_str dag_id, mr_str version, int64_t number, int64_t created_us);

static inline void sql_param(struct sql_params *params, mr_str value)
{
	if (params->count < MR_COUNT(params->items))
		params->items[params->count++] = value;
}
