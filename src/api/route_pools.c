/* api/route_pools.c - pools and what holds their slots. */
#include "api/list.h"
#include "api/routes.h"

/* Only open runs are looked at: a long history costs nothing. */
#define SLOTS(states) \
	"(SELECT coalesce(sum(t.pool_slots), 0) FROM dag_run r JOIN task_instance t ON t.run_no = r.run_no " \
	"WHERE " \
	"r.state IN ('queued', 'running') AND t.pool = p.pool AND t.state IN (" states "))"
#define OCCUPIED "'queued', 'running', 'restarting'"

static const struct field fields[] = {
    {"name", "p.pool", FIELD_STRING},
    {"slots", "p.slots", FIELD_INT},
    {"description", "p.description", FIELD_TEXT},
    {"include_deferred", "false", FIELD_RAW},
    {"occupied_slots", SLOTS(OCCUPIED), FIELD_INT},
    {"running_slots", SLOTS("'running', 'restarting'"), FIELD_INT},
    {"queued_slots", SLOTS("'queued'"), FIELD_INT},
    {"scheduled_slots", SLOTS("'scheduled'"), FIELD_INT},
    {"open_slots", "p.slots - " SLOTS(OCCUPIED), FIELD_INT},
    {"deferred_slots", SLOTS("'deferred'"), FIELD_INT},
    {"team_name", "null", FIELD_RAW},
};

static const struct filter filters[] = {{"pool_name_pattern", "p.pool", FILTER_PATTERN}};
static const char *const orders[] = {"id", "p.pool", NULL};

static const struct resource pools = {
    .key = "pools",
    .from = "slot_pool p",
    .fields = fields,
    .field_count = MR_COUNT(fields),
    .filters = filters,
    .filter_count = MR_COUNT(filters),
    .order = "p.pool",
    .orders = orders,
    .tie = "p.pool",
};

static int put_pool(struct api_call *call, mr_str name, struct mr_error *err)
{
	struct sql_params params = {{name}, 1};
	return list_one(
	    call, &pools, "p.pool = ?1", &params,
	    arena_printf(&call->arena, "The Pool with name: `%.*s` was not found", MR_FMT(name)).ptr, err);
}

int api_pool_list(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {0};
	return list_answer(call, &pools, "TRUE", &params, err);
}

int api_pool_get(struct api_call *call, struct mr_error *err)
{
	return put_pool(call, call->path[0], err);
}

struct set_pool {
	mr_str name, description;
	int32_t slots;
};

static int set_in_core(struct core *core, void *arg, struct mr_error *err)
{
	(void)err;
	struct set_pool *pool = arg;
	core_set_pool(core, pool->name, pool->slots, pool->description);
	return 0;
}

static int set_pool(struct api_call *call, mr_str name, bool is_new, struct mr_error *err)
{
	struct set_pool pool = {name, api_body_str(call, "description", false),
				(int32_t)api_body_int(call, "slots", 1, INT32_MAX, 0)};
	if (!json_present(json_get(call->body, "slots")))
		api_fault(call, "missing", "body", "slots", "Field required", call->body);
	if (api_faulty(call))
		return 0;
	struct mr_error missing;
	int rc = put_pool(call, name, &missing);
	mr_buf_clear(&call->reply->body);
	call->w = json_writer(&call->reply->body);
	if (rc == 0 && is_new)
		return mr_fail(err, MR_ERR_EXISTS, "The Pool with name: `%.*s` already exists", MR_FMT(name));
	if (rc < 0 && (!is_new || rc != MR_ERR_NOT_FOUND)) {
		*err = missing;
		return rc;
	}
	rc = dags_call(call->dags, set_in_core, &pool, err);
	return rc < 0 ? rc : put_pool(call, name, err);
}

int api_pool_post(struct api_call *call, struct mr_error *err)
{
	mr_str name = api_body_str(call, "name", true);
	int rc = set_pool(call, name, true, err);
	if (rc == 0)
		call->reply->status = 201;
	return rc;
}

int api_pool_patch(struct api_call *call, struct mr_error *err)
{
	return set_pool(call, call->path[0], false, err);
}
