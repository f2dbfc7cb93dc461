/* api/route_dags.c - dags: list, get, details, pause, source, versions, tags. */
#include "api/list.h"
#include "api/put_dag.h"
#include "api/routes.h"

#include <stdlib.h>

#define LAST_RUN(column) \
	"(SELECT " column \
	" FROM dag_run l WHERE l.dag_id = d.dag_id ORDER BY l.run_after DESC, l.run_no DESC " \
	"LIMIT 1)"
#define DAG_ROWS \
	"SELECT d.*, " LIST_VERSION_OF("d") " AS version, " LAST_RUN( \
	    "state") " AS last_run_state, " LAST_RUN("start_date") " AS last_run_start, (SELECT count(*) " \
								   "FROM dag_run a WHERE a.dag_id = " \
								   "d.dag_id AND " \
								   "a.state IN ('queued', 'running')) AS " \
								   "active_runs FROM dag d WHERE "

/* ---- the list ---- */

struct listing {
	struct api_call *call;
	int64_t limit, offset, total;
};

static bool has_tag(const struct dag *dag, mr_str tag)
{
	for (size_t i = 0; i < dag->tag_count; i++) {
		if (mr_str_eq(dag->tags[i], tag))
			return true;
	}
	return false;
}

static bool has_owner(const struct dag *dag, mr_str owner)
{
	bool found = mr_str_eq(dag->owner, owner);
	for (size_t i = 0; i < dag->task_count && !found; i++)
		found = mr_str_eq(dag->tasks[i].owner, owner);
	return found;
}

/* tags=a&tags=b: any of them, or all with tags_match_mode=all; owners: any. */
static bool chosen(const struct api_call *call, const struct dag *dag)
{
	size_t tags = 0, tag_hits = 0, owners = 0, owner_hits = 0;
	for (size_t i = 0; i < call->request->param_count; i++) {
		const struct api_param *param = &call->request->params[i];
		if (mr_str_is(param->name, "tags")) {
			tags++;
			tag_hits += has_tag(dag, param->value);
		} else if (mr_str_is(param->name, "owners")) {
			owners++;
			owner_hits += has_owner(dag, param->value);
		}
	}
	bool all = mr_str_is(api_param(call, "tags_match_mode"), "all");
	return (!tags || (all ? tag_hits == tags : tag_hits > 0)) && (!owners || owner_hits > 0);
}

static int put_row(void *arg, struct json_value row, struct mr_error *err)
{
	struct listing *listing = arg;
	struct api_call *call = listing->call;
	struct dag *dag;
	int rc = api_dag(call, json_str(json_get(row, "dag_id")), &dag, err);
	if (rc < 0)
		return 0; /* a stored version that this program cannot read hides that DAG, not the others */
	if (chosen(call, dag)) {
		int64_t n = listing->total++;
		if (n >= listing->offset && n < listing->offset + listing->limit) {
			json_begin_object(&call->w);
			put_dag_members(call, row, dag);
			json_end_object(&call->w);
		}
	}
	dag_unref(dag);
	return 0;
}

static const char *order_of(struct api_call *call)
{
	static const struct {
		const char *name, *sql;
	} orders[] = {
	    {"dag_id", "d.dag_id"},
	    {"-dag_id", "d.dag_id DESC"},
	    {"dag_display_name", "d.dag_id"},
	    {"-dag_display_name", "d.dag_id DESC"},
	    {"next_dagrun", "d.next_dagrun_run_after NULLS FIRST"},
	    {"-next_dagrun", "d.next_dagrun_run_after DESC NULLS LAST"},
	    {"last_run_state", "last_run_state NULLS FIRST"},
	    {"-last_run_state", "last_run_state DESC NULLS LAST"},
	    {"last_run_start_date", "last_run_start NULLS FIRST"},
	    {"-last_run_start_date", "last_run_start DESC NULLS LAST"},
	};
	mr_str by = api_param(call, "order_by");
	for (size_t i = 0; i < MR_COUNT(orders); i++) {
		if (!by.len || mr_str_is(by, orders[i].name))
			return orders[i].sql;
	}
	return NULL;
}

int api_dag_list(struct api_call *call, struct mr_error *err)
{
	struct listing listing = {.call = call};
	mr_str paused = api_param(call, "paused");
	mr_str params[] = {api_param(call, "dag_id_pattern"), api_param(call, "last_dag_run_state")};
	const char *order = order_of(call);
	if (!params[0].len)
		params[0] = api_param(call, "dag_display_name_pattern");
	params[0] = api_pattern(call, params[0]);
	list_page(call, &listing.limit, &listing.offset);
	if (!order)
		return mr_fail(err, MR_ERR_INVALID, "Ordering with '%.*s' is disallowed",
			       MR_FMT(api_param(call, "order_by")));
	if (api_faulty(call))
		return 0;
	mr_str sql =
	    arena_printf(&call->arena,
			 DAG_ROWS "(?1 = '' OR d.dag_id " API_CONTAINS("?1") ") AND (?2 = '' OR " LAST_RUN(
			     "state") " = ?2) AND "
				      "%s AND %s ORDER BY %s, d.dag_id",
			 api_flag(call, "exclude_stale", true) ? "d.is_active = 1" : "TRUE",
			 !paused.len                      ? "TRUE"
			 : api_flag(call, "paused", true) ? "d.is_paused = 1"
							  : "d.is_paused = 0",
			 order);
	api_begin_list(call, "dags");
	int rc = api_query(call, sql.ptr, params, 2, put_row, &listing, err);
	api_end_list(call, listing.total);
	return rc;
}

/* ---- one ---- */

struct one {
	struct api_call *call;
	struct dag *dag;
	bool details, found;
};

static int put_one(void *arg, struct json_value row, struct mr_error *err)
{
	(void)err;
	struct one *one = arg;
	json_begin_object(&one->call->w);
	put_dag_members(one->call, row, one->dag);
	if (one->details)
		put_dag_details(one->call, row, one->dag);
	json_end_object(&one->call->w);
	one->found = true;
	return 0;
}

static int answer_one(struct api_call *call, bool details, struct mr_error *err)
{
	struct one one = {.call = call, .details = details};
	int rc = api_dag(call, call->path[0], &one.dag, err);
	if (rc == 0)
		rc = api_query(call, DAG_ROWS "d.dag_id = ?1", call->path, 1, put_one, &one, err);
	if (rc == 0 && !one.found)
		rc = api_no_dag(call->path[0], err);
	dag_unref(one.dag);
	return rc;
}

int api_dag_get(struct api_call *call, struct mr_error *err)
{
	return answer_one(call, false, err);
}

int api_dag_details(struct api_call *call, struct mr_error *err)
{
	return answer_one(call, true, err);
}

/* ---- pause ---- */

struct pause {
	mr_str dag_id;
	bool paused;
};

static int pause_in_core(struct core *core, void *arg, struct mr_error *err)
{
	struct pause *pause = arg;
	return core_pause(core, pause->dag_id, pause->paused, API_USER, err);
}

static int set_paused(struct api_call *call, mr_str dag_id, struct mr_error *err)
{
	struct pause pause = {dag_id, json_bool(json_get(call->body, "is_paused"))};
	if (!json_present(json_get(call->body, "is_paused")))
		api_fault(call, "missing", "body", "is_paused", "Field required", call->body);
	else
		(void)api_body_bool(call, "is_paused", false);
	return api_faulty(call) ? 0 : dags_call(call->dags, pause_in_core, &pause, err);
}

int api_dag_patch(struct api_call *call, struct mr_error *err)
{
	struct dag *dag;
	int rc = api_dag(call, call->path[0], &dag, err);
	if (rc < 0)
		return rc;
	dag_unref(dag);
	rc = set_paused(call, call->path[0], err);
	return rc < 0 || api_faulty(call) ? rc : answer_one(call, false, err);
}

/* PATCH /dags?dag_id_pattern=…: all that fit. */
int api_dags_patch(struct api_call *call, struct mr_error *err)
{
	struct dag **dags;
	size_t count = dags_all(call->dags, &dags);
	mr_str pattern = api_param(call, "dag_id_pattern");
	int rc = 0;
	for (size_t i = 0; i < count; i++) {
		bool fits =
		    pattern.len && (mr_str_is(pattern, "~") || mr_str_is(pattern, "%") ||
				    memmem(dags[i]->id.ptr, dags[i]->id.len, pattern.ptr, pattern.len));
		if (rc == 0 && fits && !api_faulty(call))
			rc = set_paused(call, dags[i]->id, err);
		dag_unref(dags[i]);
	}
	free(dags);
	return rc < 0 || api_faulty(call) ? rc : api_dag_list(call, err);
}

/* ---- source, versions, tags ---- */

int api_dag_source(struct api_call *call, struct mr_error *err)
{
	struct dag *dag;
	int rc = api_dag(call, call->path[0], &dag, err);
	if (rc < 0)
		return rc;
	json_begin_object(&call->w);
	json_member_str(&call->w, "content", dag->source);
	json_member_str(&call->w, "dag_id", dag->id);
	json_member_str(&call->w, "dag_display_name", dag->id);
	json_member_int(&call->w, "version_number", 1);
	json_end_object(&call->w);
	dag_unref(dag);
	return 0;
}

static int put_version_row(void *arg, struct json_value row, struct mr_error *err)
{
	(void)err;
	struct listing *listing = arg;
	put_version_text(&listing->call->w, json_str(json_get(row, "version")));
	listing->total++;
	return 0;
}

int api_dag_versions(struct api_call *call, struct mr_error *err)
{
	struct listing listing = {.call = call};
	struct dag *dag;
	int rc = api_dag(call, call->path[0], &dag, err);
	if (rc < 0)
		return rc;
	dag_unref(dag);
	api_begin_list(call, "dag_versions");
	rc = api_query(call,
		       "SELECT " LIST_VERSION_OF("d") " AS version FROM (SELECT dag_id, dag_version FROM "
						      "dag_version WHERE dag_id = ?1 ORDER BY id) d",
		       call->path, 1, put_version_row, &listing, err);
	api_end_list(call, listing.total);
	return rc;
}

int api_tag_list(struct api_call *call, struct mr_error *err)
{
	(void)err;
	struct dag **dags;
	size_t count = dags_all(call->dags, &dags), total = 0;
	json_begin_object(&call->w);
	json_key(&call->w, "tags");
	json_begin_array(&call->w);
	for (size_t i = 0; i < count; i++) {
		for (size_t t = 0; t < dags[i]->tag_count; t++) {
			bool seen = false;
			for (size_t j = 0; j < i && !seen; j++)
				seen = has_tag(dags[j], dags[i]->tags[t]);
			if (!seen) {
				json_put_str(&call->w, dags[i]->tags[t]);
				total++;
			}
		}
	}
	api_end_list(call, (int64_t)total);
	for (size_t i = 0; i < count; i++)
		dag_unref(dags[i]);
	free(dags);
	return 0;
}
