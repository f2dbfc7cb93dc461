/* api/route_assets.c - assets: which DAGs wait for them, which tasks make them, and their events.
 *
 * An asset is its URI; Airflow's number for it is the CRC-32C of the URI here, so that it is the same
 * tomorrow and on another machine. */
#include "api/list.h"
#include "api/routes.h"

#include "base/crc32c.h"
#include "base/map.h"
#include "dag/asset.h"

#include <stdlib.h>

struct user { /* of an asset: a DAG, or one of its tasks */
	const struct dag *dag;
	const struct dag_task *task; /* NULL: the DAG itself */
};

struct asset {
	mr_str uri;
	MR_VEC(struct user) scheduled, producing, consuming;
};

struct assets {
	struct api_call *call;
	struct dag **dags;
	size_t dag_count;
	struct mr_map by_uri;
	const struct dag *visiting;
};

static int64_t asset_id(mr_str uri)
{
	return mr_crc32c(0, uri.ptr, uri.len);
}

static struct asset *asset_of(struct assets *assets, mr_str uri)
{
	struct asset *asset = mr_map_get(&assets->by_uri, uri);
	if (!asset) {
		asset = arena_calloc(&assets->call->arena, 1, sizeof *asset);
		asset->uri = arena_copy(&assets->call->arena, uri);
		mr_map_put(&assets->by_uri, uri, asset);
	}
	return asset;
}

static void visit_condition(void *arg, mr_str uri)
{
	struct assets *assets = arg;
	struct asset *asset = asset_of(assets, uri);
	mr_vec_push(&asset->scheduled, (struct user){assets->visiting, NULL});
}

static int take_event_uri(void *arg, struct json_value row, struct mr_error *err)
{
	(void)err;
	asset_of(arg, json_str(json_get(row, "uri")));
	return 0;
}

/* What the files name, and what had an event. */
static int collect(struct api_call *call, struct assets *assets, struct mr_error *err)
{
	*assets = (struct assets){.call = call};
	assets->dag_count = dags_all(call->dags, &assets->dags);
	for (size_t i = 0; i < assets->dag_count; i++) {
		const struct dag *dag = assets->visiting = assets->dags[i];
		if (dag->assets)
			asset_each(dag->assets, visit_condition, assets);
		for (size_t t = 0; t < dag->task_count; t++) {
			const struct dag_task *task = &dag->tasks[t];
			for (size_t o = 0; o < task->outlet_count; o++)
				mr_vec_push(&asset_of(assets, task->outlets[o])->producing,
					    (struct user){dag, task});
			for (size_t n = 0; n < task->inlet_count; n++)
				mr_vec_push(&asset_of(assets, task->inlets[n])->consuming,
					    (struct user){dag, task});
		}
	}
	return api_query(call, "SELECT DISTINCT uri FROM asset_event", NULL, 0, take_event_uri, assets, err);
}

static void release(struct assets *assets)
{
	mr_map_each (&assets->by_uri, entry) {
		struct asset *asset = entry->value;
		mr_vec_release(&asset->scheduled);
		mr_vec_release(&asset->producing);
		mr_vec_release(&asset->consuming);
	}
	mr_map_release(&assets->by_uri);
	for (size_t i = 0; i < assets->dag_count; i++)
		dag_unref(assets->dags[i]);
	free(assets->dags);
}

static struct asset *find(struct assets *assets, mr_str id)
{
	int64_t wanted = id.len && id.len < 12 ? strtoll(id.ptr, NULL, 10) : -1;
	mr_map_each (&assets->by_uri, entry) {
		struct asset *asset = entry->value;
		if (asset_id(asset->uri) == wanted)
			return asset;
	}
	return NULL;
}

static int no_asset(mr_str id, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOT_FOUND, "The Asset with ID: `%.*s` was not found", MR_FMT(id));
}

/* ---- assets ---- */

static void put_users(struct json_writer *w, const char *name, const struct user *users, size_t count,
		      int64_t at_us)
{
	json_key(w, name);
	json_begin_array(w);
	for (size_t i = 0; i < count; i++) {
		json_begin_object(w);
		json_member_str(w, "dag_id", users[i].dag->id);
		if (users[i].task)
			json_member_str(w, "task_id", users[i].task->id);
		put_time(w, "created_at", at_us);
		put_time(w, "updated_at", at_us);
		json_end_object(w);
	}
	json_end_array(w);
}

static int put_last_event(void *arg, struct json_value row, struct mr_error *err)
{
	(void)err;
	struct json_writer *w = arg;
	json_begin_object(w);
	json_member_int(w, "id", json_int(json_get(row, "id")));
	put_time(w, "timestamp", json_int(json_get(row, "timestamp")));
	json_end_object(w);
	return 1;
}

static int put_asset(struct api_call *call, const struct asset *asset, struct mr_error *err)
{
	struct json_writer *w = &call->w;
	int64_t at_us = dags_loaded_us(call->dags);
	json_begin_object(w);
	json_member_int(w, "id", asset_id(asset->uri));
	json_member_str(w, "name", asset->uri);
	json_member_str(w, "uri", asset->uri);
	json_member_cstr(w, "group", "asset");
	put_raw(w, "extra", MR_STR("{}"));
	put_time(w, "created_at", at_us);
	put_time(w, "updated_at", at_us);
	put_users(w, "scheduled_dags", asset->scheduled.items, asset->scheduled.len, at_us);
	put_users(w, "producing_tasks", asset->producing.items, asset->producing.len, at_us);
	put_users(w, "consuming_tasks", asset->consuming.items, asset->consuming.len, at_us);
	put_raw(w, "aliases", MR_STR("[]"));
	put_raw(w, "watchers", MR_STR("[]"));
	json_key(w, "last_asset_event");
	size_t before = call->reply->body.len;
	int rc =
	    api_query(call, "SELECT id, timestamp FROM asset_event WHERE uri = ?1 ORDER BY id DESC LIMIT 1",
		      &asset->uri, 1, put_last_event, w, err);
	if (call->reply->body.len == before)
		json_put_null(w);
	json_end_object(w);
	return rc;
}

static int by_uri(const void *a, const void *b)
{
	const struct asset *const *x = a, *const *y = b;
	return strcmp((*x)->uri.ptr, (*y)->uri.ptr);
}

int api_asset_list(struct api_call *call, struct mr_error *err)
{
	struct assets assets;
	MR_VEC(struct asset *) found = {0};
	mr_str pattern = api_param(call, "uri_pattern");
	int64_t limit, offset;
	if (!pattern.len)
		pattern = api_param(call, "name_pattern");
	list_page(call, &limit, &offset);
	int rc = collect(call, &assets, err);
	mr_map_each (&assets.by_uri, entry) {
		struct asset *asset = entry->value;
		if (!pattern.len || memmem(asset->uri.ptr, asset->uri.len, pattern.ptr, pattern.len))
			mr_vec_push(&found, asset);
	}
	if (found.len)
		qsort(found.items, found.len, sizeof *found.items, by_uri);
	api_begin_list(call, "assets");
	for (int64_t i = offset; rc == 0 && i < offset + limit && i < (int64_t)found.len; i++)
		rc = put_asset(call, found.items[i], err);
	api_end_list(call, (int64_t)found.len);
	mr_vec_release(&found);
	release(&assets);
	return rc;
}

int api_asset_get(struct api_call *call, struct mr_error *err)
{
	struct assets assets;
	int rc = collect(call, &assets, err);
	const struct asset *asset = rc == 0 ? find(&assets, call->path[0]) : NULL;
	if (asset)
		rc = put_asset(call, asset, err);
	else if (rc == 0)
		rc = no_asset(call->path[0], err);
	release(&assets);
	return rc;
}

/* ---- events ---- */

static const struct field event_fields[] = {
    {"id", "e.id", FIELD_INT},
    {"asset_id", "e.uri", FIELD_ASSET_ID},
    {"uri", "e.uri", FIELD_STRING},
    {"name", "e.uri", FIELD_STRING},
    {"group", "\"asset\"", FIELD_RAW},
    {"extra", "e.extra", FIELD_JSON},
    {"source_task_id", "e.source_task_id", FIELD_TEXT},
    {"source_dag_id", "e.source_dag_id", FIELD_TEXT},
    {"source_run_id", "e.source_run_id", FIELD_TEXT},
    {"source_map_index", "-1", FIELD_RAW},
    {"created_dagruns", "[]", FIELD_RAW},
    {"timestamp", "e.timestamp", FIELD_TIME},
    {"partition_key", "null", FIELD_RAW},
};

static const struct filter event_filters[] = {
    {"source_dag_id", "e.source_dag_id", FILTER_TEXT}, {"source_task_id", "e.source_task_id", FILTER_TEXT},
    {"source_run_id", "e.source_run_id", FILTER_TEXT}, {"uri", "e.uri", FILTER_TEXT},
    {"timestamp", "e.timestamp", FILTER_TIME},
};

static const struct resource events = {
    .key = "asset_events",
    .from = "asset_event e",
    .fields = event_fields,
    .field_count = MR_COUNT(event_fields),
    .filters = event_filters,
    .filter_count = MR_COUNT(event_filters),
    .order = "e.id",
    .tie = "e.id",
};

/* *uri_out: of the asset that `id` names; empty when id is. */
static int uri_of(struct api_call *call, mr_str id, mr_str *uri_out, struct mr_error *err)
{
	struct assets assets;
	int rc = collect(call, &assets, err);
	const struct asset *asset = rc == 0 && id.len ? find(&assets, id) : NULL;
	*uri_out = asset ? asset->uri : MR_STR("");
	release(&assets);
	return rc < 0 ? rc : id.len && !asset ? no_asset(id, err) : 0;
}

int api_asset_event_list(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {.count = 1};
	int rc = uri_of(call, api_param(call, "asset_id"), &params.items[0], err);
	return rc < 0 ? rc : list_answer(call, &events, "?1 = '' OR e.uri = ?1", &params, err);
}

struct event {
	mr_str uri, extra;
};

static int event_in_core(struct core *core, void *arg, struct mr_error *err)
{
	(void)err;
	struct event *event = arg;
	core_asset_event(core, event->uri, event->extra, -1);
	return 0;
}

/* {"version": 7} and that it came from here. */
static mr_str event_extra(struct api_call *call)
{
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	json_begin_object(&w);
	for (struct json_iter it = json_iter(json_get(call->body, "extra")); json_next(&it);) {
		json_key_str(&w, it.key);
		json_put_value(&w, it.value);
	}
	json_member_bool(&w, "from_rest_api", true);
	json_end_object(&w);
	mr_str copy = arena_copy(&call->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return copy;
}

int api_asset_event_post(struct api_call *call, struct mr_error *err)
{
	int64_t id = api_body_int(call, "asset_id", 0, UINT32_MAX, -1);
	struct event event;
	(void)api_body_object(call, "extra");
	if (id < 0 && !api_faulty(call))
		api_fault(call, "missing", "body", "asset_id", "Field required", call->body);
	if (api_faulty(call))
		return 0;
	int rc = uri_of(call, arena_printf(&call->arena, "%lld", (long long)id), &event.uri, err);
	event.extra = event_extra(call);
	if (rc == 0)
		rc = dags_call(call->dags, event_in_core, &event, err);
	struct sql_params params = {{event.uri}, 1};
	return rc < 0 ? rc
		      : list_one(call, &events, "e.id = (SELECT max(id) FROM asset_event WHERE uri = ?1)",
				 &params, "the event was not kept", err);
}

/* A run of the DAG whose task makes it. */
int api_asset_materialize(struct api_call *call, struct mr_error *err)
{
	struct assets assets;
	mr_str dag_id = MR_STR_NULL;
	int rc = collect(call, &assets, err);
	const struct asset *asset = rc == 0 ? find(&assets, call->path[0]) : NULL;
	if (rc == 0 && !asset)
		rc = no_asset(call->path[0], err);
	for (size_t i = 0; rc == 0 && i < asset->producing.len; i++) {
		mr_str id = asset->producing.items[i].dag->id;
		if (dag_id.len && !mr_str_eq(dag_id, id))
			rc = mr_fail(err, MR_ERR_EXISTS, "More than one DAG materializes asset with ID: %.*s",
				     MR_FMT(call->path[0]));
		dag_id = arena_copy(&call->arena, id);
	}
	if (rc == 0 && !dag_id.len)
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "No DAG materializes asset with ID: %.*s",
			     MR_FMT(call->path[0]));
	release(&assets);
	return rc < 0 ? rc : api_trigger(call, dag_id, err);
}

/* ---- events that wait for a run ---- */

static const struct field queued_fields[] = {
    {"dag_id", "q.dag_id", FIELD_STRING},
    {"asset_id", "q.uri", FIELD_ASSET_ID},
    {"created_at", "q.timestamp", FIELD_TIME},
    {"dag_display_name", "q.dag_id", FIELD_STRING},
};

static const struct resource queued = {
    .key = "queued_events",
    .from = "asset_dag_run_queue q",
    .fields = queued_fields,
    .field_count = MR_COUNT(queued_fields),
    .order = "q.id",
    .tie = "q.id",
};

int api_asset_queued(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {.count = 1};
	int rc = uri_of(call, call->path[0], &params.items[0], err);
	return rc < 0 ? rc : list_answer(call, &queued, "q.uri = ?1", &params, err);
}

int api_dag_queued(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {{call->path[0]}, 1};
	return list_answer(call, &queued, "q.dag_id = ?1", &params, err);
}
