#include "task/context.h"

#include "dag/civil.h"
#include "task/macros.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const dag_run_members[] = {"conf",
					      "run_id",
					      "run_type",
					      "logical_date",
					      "run_after",
					      "start_date",
					      "data_interval_start",
					      "dag_id",
					      "data_interval_end",
					      NULL};
static const char *const ti_members[] = {"xcom_pull",  "task_id",   "dag_id",    "run_id",
					 "try_number", "map_index", "max_tries", NULL};
static const char *const task_members[] = {"task_id", "owner", "pool", "queue", "operator", NULL};
static const char *const dag_members[] = {"dag_id", "description", "tags", "timezone", NULL};
static const char *const var_members[] = {"value", "json", NULL};

static const struct jinja_name names[] = {
    {"ds", NULL},
    {"ds_nodash", NULL},
    {"ts", NULL},
    {"ts_nodash", NULL},
    {"ts_nodash_with_tz", NULL},
    {"logical_date", NULL},
    {"data_interval_start", NULL},
    {"data_interval_end", NULL},
    {"run_id", NULL},
    {"dag_run", dag_run_members},
    {"params", NULL},
    {"var", var_members},
    {"conn", NULL},
    {"ti", ti_members},
    {"task_instance", ti_members},
    {"task", task_members},
    {"dag", dag_members},
    {"macros", macro_members},
    {"triggering_asset_events", NULL},
};

int task_check_template(void *arg, const struct dag_task *task, mr_str text, struct mr_error *err)
{
	struct jinja_template *template;
	struct jinja_name *known;
	size_t count = MR_COUNT(names), expand = task ? task->expand_count : 0;
	(void)arg;
	if (!jinja_has_template(text))
		return 0;
	known = mr_calloc(count + expand, sizeof *known);
	memcpy(known, names, sizeof names);
	for (size_t i = 0; i < expand; i++)
		known[count + i].name = task->expand[i].name.ptr;
	int rc = jinja_parse(text, known, count + expand, &template, err);
	free(known);
	if (rc == 0)
		jinja_free(template);
	return rc;
}

static struct jinja_value time_or_none(int64_t us)
{
	return us == NO_TIME ? jinja_none() : jinja_time(us);
}

/* ---- objects ---- */

static int var_get(const struct jinja_object *object, struct jinja_state *state, mr_str name,
		   struct jinja_value *out, struct mr_error *err)
{
	const struct task_context *context = object->data;
	if (!mr_str_is(name, "value") && !mr_str_is(name, "json"))
		return 1;
	*out = jinja_object(mr_str_is(name, "value") ? &context->var_value : &context->var_json);
	return 0;
}

static int variable(const struct jinja_object *object, struct jinja_state *state, mr_str name,
		    struct jinja_value *out, struct mr_error *err)
{
	const struct task_context *context = object->data;
	struct mr_buf text = {0};
	int rc = context->vault ? vault_variable(context->vault, name, &text, err) : 1;
	if (rc == 0 && object == &context->var_json) {
		rc = jinja_parse_json(jinja_arena(state), mr_buf_view(&text), out, err);
		if (rc != 0)
			mr_error_wrap(err, rc, "variable '%.*s'", MR_FMT(name));
	} else if (rc == 0) {
		*out = jinja_str(arena_copy(jinja_arena(state), mr_buf_view(&text)));
	}
	mr_buf_release(&text);
	return rc;
}

/* var.value.get('x', 'otherwise'), conn.get('x') */
static int get_method(const struct jinja_object *object, struct jinja_state *state, mr_str name,
		      const struct jinja_args *args, struct jinja_value *out, struct mr_error *err)
{
	struct jinja_value key, preset = jinja_none();
	if (!mr_str_is(name, "get"))
		return 1;
	if (!jinja_arg(args, 0, "key", &key) || key.type != JINJA_STR)
		return mr_fail(err, MR_ERR_INVALID, "%s.get needs a name", object->name);
	jinja_arg(args, 1, "default_var", &preset);
	jinja_arg(args, 1, "default_conn", &preset);
	int rc = object->ops->get(object, state, key.text, out, err);
	if (rc == 1)
		*out = preset;
	return rc < 0 ? rc : 0;
}

static int conn_get(const struct jinja_object *object, struct jinja_state *state, mr_str name,
		    struct jinja_value *out, struct mr_error *err)
{
	const struct task_context *context = object->data;
	struct arena *arena = jinja_arena(state);
	struct connection c;
	struct mr_buf uri = {0};
	struct jinja_value extra;
	int rc = context->vault ? vault_connection(context->vault, name, arena, &c, err) : 1;
	if (rc == 1) {
		mr_fail(err, MR_ERR_NOT_FOUND, "there is no connection '%.*s'", MR_FMT(name));
		return mr_hint(err, "set AIRFLOW_CONN_… or add it to the vault");
	}
	if (rc == 0)
		rc = jinja_parse_json(arena, c.extra_json, &extra, err);
	if (rc != 0)
		return rc;
	const struct {
		const char *name;
		mr_str text;
	} parts[] = {{"conn_id", c.id},      {"conn_type", c.type},    {"host", c.host},
		     {"login", c.login},     {"password", c.password}, {"schema", c.schema},
		     {"extra", c.extra_json}};
	*out = jinja_dict_new(arena, MR_COUNT(parts) + 3);
	for (size_t i = 0; i < MR_COUNT(parts); i++)
		jinja_dict_put(arena, out->dict, jinja_str(mr_str_from(parts[i].name)),
			       jinja_str(parts[i].text));
	connection_put_uri(&c, &uri);
	jinja_dict_put(arena, out->dict, jinja_str(MR_STR("port")),
		       c.port ? jinja_int(c.port) : jinja_none());
	jinja_dict_put(arena, out->dict, jinja_str(MR_STR("extra_dejson")), extra);
	jinja_dict_put(arena, out->dict, jinja_str(MR_STR("get_uri")),
		       jinja_str(arena_copy(arena, mr_buf_view(&uri))));
	mr_buf_release(&uri);
	return 0;
}

static int pull_one(struct task_context *context, struct jinja_state *state, mr_str task_id,
		    int32_t map_index, mr_str key, struct jinja_value *out, struct mr_error *err)
{
	struct mr_buf json = {0};
	const struct dag_task *task = dag_task_find(context->try->dag, task_id);
	int rc = context->sink ? dag_sink_xcom(context->sink, context->try, task ? task->id : task_id,
					       map_index, key, &json, err)
			       : 1;
	if (rc == 0)
		rc = jinja_parse_json(jinja_arena(state), mr_buf_view(&json), out, err);
	if (rc == 0)
		rc = jinja_charge(state, 1, json.len * 4, err);
	if (rc == 1)
		*out = jinja_none();
	mr_buf_release(&json);
	return rc < 0 ? rc : 0;
}

/* xcom_pull(task_ids=None, dag_id=None, key='return_value', …, map_indexes=None): a list of task ids gives a
 * list; none means the direct upstream tasks. */
static int xcom_pull(struct task_context *context, struct jinja_state *state, const struct jinja_args *args,
		     struct jinja_value *out, struct mr_error *err)
{
	static const char *const known[] = {"task_ids", "dag_id",      "key",    "include_prior_dates",
					    "session",  "map_indexes", "default"};
	struct jinja_value ids = jinja_none(), key = jinja_str(MR_STR("return_value")), index = jinja_none(),
			   preset = jinja_none();
	int64_t map_index = -1;
	int rc = jinja_check_args(args, "xcom_pull", known, MR_COUNT(known), err);
	jinja_arg(args, 0, "task_ids", &ids);
	jinja_arg(args, 2, "key", &key);
	jinja_arg(args, 5, "map_indexes", &index);
	jinja_arg(args, 6, "default", &preset);
	jinja_as_int(index, &map_index);
	if (rc == 0 && key.type != JINJA_STR)
		rc = mr_fail(err, MR_ERR_INVALID, "xcom_pull: the key is a string");
	if (rc != 0)
		return rc;
	struct dag_indexes up = context->try->task->upstream;
	if (ids.type == JINJA_NONE && up.count == 1) {
		ids = jinja_str(context->try->dag->tasks[up.items[0]].id);
	} else if (ids.type == JINJA_NONE) {
		ids = jinja_list_new(jinja_arena(state), JINJA_LIST, up.count);
		for (size_t i = 0; i < up.count; i++)
			jinja_list_push(jinja_arena(state), ids.list,
					jinja_str(context->try->dag->tasks[up.items[i]].id));
	}
	if (ids.type == JINJA_STR) {
		rc = pull_one(context, state, ids.text, (int32_t)map_index, key.text, out, err);
		if (rc == 0 && out->type == JINJA_NONE)
			*out = preset;
		return rc;
	}
	if (!jinja_is_list(ids))
		return mr_fail(err, MR_ERR_INVALID, "xcom_pull: task_ids is a task's id or a list of them");
	*out = jinja_list_new(jinja_arena(state), JINJA_LIST, ids.list->count);
	for (size_t i = 0; rc == 0 && i < ids.list->count; i++) {
		struct jinja_value one = ids.list->items[i];
		if (one.type != JINJA_STR)
			return mr_fail(err, MR_ERR_INVALID, "xcom_pull: task_ids is a list of ids");
		rc = pull_one(context, state, one.text, (int32_t)map_index, key.text, &one, err);
		if (rc == 0)
			jinja_list_push(jinja_arena(state), out->list, one);
	}
	return rc;
}

static int ti_call(const struct jinja_object *object, struct jinja_state *state, mr_str name,
		   const struct jinja_args *args, struct jinja_value *out, struct mr_error *err)
{
	if (!mr_str_is(name, "xcom_pull"))
		return 1;
	return xcom_pull((struct task_context *)object->data, state, args, out, err);
}

static int ti_get(const struct jinja_object *object, struct jinja_state *state, mr_str name,
		  struct jinja_value *out, struct mr_error *err)
{
	const struct dag_try *try = ((const struct task_context *)object->data)->try;
	if (mr_str_is(name, "task_id"))
		*out = jinja_str(try->task->id);
	else if (mr_str_is(name, "dag_id"))
		*out = jinja_str(try->dag->id);
	else if (mr_str_is(name, "run_id"))
		*out = jinja_str(try->run.run_id);
	else if (mr_str_is(name, "try_number"))
		*out = jinja_int(try->try_number);
	else if (mr_str_is(name, "map_index"))
		*out = jinja_int(try->map_index);
	else if (mr_str_is(name, "max_tries"))
		*out = jinja_int(try->max_tries);
	else
		return 1;
	return 0;
}

static int task_get(const struct jinja_object *object, struct jinja_state *state, mr_str name,
		    struct jinja_value *out, struct mr_error *err)
{
	const struct dag_task *task = ((const struct task_context *)object->data)->try->task;
	if (mr_str_is(name, "task_id"))
		*out = jinja_str(task->id);
	else if (mr_str_is(name, "owner"))
		*out = jinja_str(task->owner);
	else if (mr_str_is(name, "pool"))
		*out = jinja_str(task->pool);
	else if (mr_str_is(name, "queue"))
		*out = jinja_str(task->queue);
	else if (mr_str_is(name, "operator"))
		*out = jinja_str(task->operator_name);
	else
		return 1;
	return 0;
}

static int dag_get(const struct jinja_object *object, struct jinja_state *state, mr_str name,
		   struct jinja_value *out, struct mr_error *err)
{
	const struct dag *dag = ((const struct task_context *)object->data)->try->dag;
	if (mr_str_is(name, "dag_id")) {
		*out = jinja_str(dag->id);
	} else if (mr_str_is(name, "description")) {
		*out = jinja_str(dag->description);
	} else if (mr_str_is(name, "timezone")) {
		*out = jinja_str(dag->timezone);
	} else if (mr_str_is(name, "tags")) {
		*out = jinja_list_new(jinja_arena(state), JINJA_LIST, dag->tag_count);
		for (size_t i = 0; i < dag->tag_count; i++)
			jinja_list_push(jinja_arena(state), out->list, jinja_str(dag->tags[i]));
	} else {
		return 1;
	}
	return 0;
}

static int dag_run_get(const struct jinja_object *object, struct jinja_state *state, mr_str name,
		       struct jinja_value *out, struct mr_error *err)
{
	const struct task_context *context = object->data;
	const struct dag_run_context *run = &context->try->run;
	if (mr_str_is(name, "conf"))
		*out = context->conf;
	else if (mr_str_is(name, "run_id"))
		*out = jinja_str(run->run_id);
	else if (mr_str_is(name, "run_type"))
		*out = jinja_str(run->run_type);
	else if (mr_str_is(name, "dag_id"))
		*out = jinja_str(context->try->dag->id);
	else if (mr_str_is(name, "logical_date"))
		*out = time_or_none(run->logical_date_us);
	else if (mr_str_is(name, "data_interval_start"))
		*out = time_or_none(run->data_interval_start_us);
	else if (mr_str_is(name, "data_interval_end"))
		*out = time_or_none(run->data_interval_end_us);
	else if (mr_str_is(name, "run_after"))
		*out = time_or_none(run->run_after_us);
	else if (mr_str_is(name, "start_date"))
		*out = time_or_none(run->start_date_us);
	else
		return 1;
	return 0;
}

static const struct jinja_object_ops var_ops = {.get = var_get};
static const struct jinja_object_ops variable_ops = {.get = variable, .call = get_method};
static const struct jinja_object_ops conn_ops = {.get = conn_get, .call = get_method};
static const struct jinja_object_ops ti_ops = {.get = ti_get, .call = ti_call};
static const struct jinja_object_ops task_ops = {.get = task_get};
static const struct jinja_object_ops dag_ops = {.get = dag_get};
static const struct jinja_object_ops dag_run_ops = {.get = dag_run_get};

/* ---- names ---- */

/* ds and the like; false: no such name, or the run has no logical date. */
static bool date_name(struct task_context *context, struct jinja_state *state, mr_str name,
		      struct jinja_value *out)
{
	static const char *const dates[] = {"ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz"};
	int64_t us = context->try->run.logical_date_us;
	size_t i = 0;
	char text[64];
	while (i < MR_COUNT(dates) && !mr_str_is(name, dates[i]))
		i++;
	if (us == NO_TIME || i == MR_COUNT(dates))
		return false;
	struct civil c = civil_from_seconds(floor_div(us, SECOND_US));
	if (i == 0)
		snprintf(text, sizeof text, "%04d-%02d-%02d", c.year, c.month, c.day);
	else if (i == 1)
		snprintf(text, sizeof text, "%04d%02d%02d", c.year, c.month, c.day);
	else if (i == 2)
		civil_iso(text, us);
	else
		snprintf(text, sizeof text, "%04d%02d%02dT%02d%02d%02d%s", c.year, c.month, c.day, c.hour,
			 c.minute, c.second, i == 4 ? "+0000" : "");
	*out = jinja_str(arena_copy(jinja_arena(state), mr_str_from(text)));
	return true;
}

static int lookup(void *arg, struct jinja_state *state, mr_str name, struct jinja_value *out,
		  struct mr_error *err)
{
	struct task_context *context = arg;
	const struct jinja_object *const objects[] = {&context->var,   &context->conn, &context->ti,
						      &context->task,  &context->dag,  &context->dag_run,
						      &context->macros};
	for (size_t i = 0; i < MR_COUNT(objects); i++) {
		if (mr_str_is(name, objects[i]->name)) {
			*out = jinja_object(objects[i]);
			return 0;
		}
	}
	const struct jinja_value *mapped =
	    context->map.type == JINJA_DICT ? jinja_dict_get(context->map.dict, jinja_str(name)) : NULL;
	if (date_name(context, state, name, out))
		return 0;
	if (mapped)
		*out = *mapped;
	else if (mr_str_is(name, "task_instance"))
		*out = jinja_object(&context->ti);
	else if (mr_str_is(name, "params"))
		*out = context->params;
	else if (mr_str_is(name, "run_id"))
		*out = jinja_str(context->try->run.run_id);
	else if (mr_str_is(name, "triggering_asset_events"))
		*out = context->events;
	else if (mr_str_is(name, "logical_date") || mr_str_is(name, "data_interval_start") ||
		 mr_str_is(name, "data_interval_end"))
		return dag_run_get(&context->dag_run, state, name, out, err);
	else
		return 1;
	return 0;
}

int task_context_init(struct task_context *context, const struct dag_try *try, struct dag_sink *sink,
		      struct vault *vault, struct arena *arena, struct mr_error *err)
{
	*context = (struct task_context){.try = try, .sink = sink, .vault = vault, .arena = arena};
	context->var = (struct jinja_object){&var_ops, "var", context};
	context->var_value = (struct jinja_object){&variable_ops, "var.value", context};
	context->var_json = (struct jinja_object){&variable_ops, "var.json", context};
	context->conn = (struct jinja_object){&conn_ops, "conn", context};
	context->ti = (struct jinja_object){&ti_ops, "ti", context};
	context->task = (struct jinja_object){&task_ops, "task", context};
	context->dag = (struct jinja_object){&dag_ops, "dag", context};
	context->dag_run = (struct jinja_object){&dag_run_ops, "dag_run", context};
	context->macros = macros_object(&context->datetime);
	const struct {
		mr_str json;
		struct jinja_value *to;
	} parsed[] = {{try->run.params_json, &context->params},
		      {try->run.conf_json, &context->conf},
		      {try->run.asset_events_json, &context->events},
		      {try->map_json, &context->map}};
	for (size_t i = 0; i < MR_COUNT(parsed); i++) {
		*parsed[i].to = jinja_dict_new(arena, 0);
		int rc = parsed[i].json.len ? jinja_parse_json(arena, parsed[i].json, parsed[i].to, err) : 0;
		if (rc != 0)
			return rc;
	}
	return 0;
}

struct jinja_context task_context_jinja(struct task_context *context)
{
	return (struct jinja_context){lookup, NULL, context};
}

/* ---- arguments ---- */

static int render_text(struct task_context *context, mr_str text, struct mr_buf *out, struct mr_error *err)
{
	struct jinja_context names_of = task_context_jinja(context);
	struct jinja_template *template;
	struct arena arena = {0};
	int rc = jinja_parse(text, NULL, 0, &template, err);
	if (rc != 0)
		return rc;
	rc = jinja_render(template, &names_of, &arena, out, err);
	jinja_free(template);
	arena_release(&arena);
	return rc;
}

static int render_string(struct task_context *context, mr_str text, struct mr_buf *out, struct mr_error *err)
{
	struct mr_buf rendered = {0};
	int rc = 0;
	if (!jinja_has_template(text)) {
		json_quote(out, text);
		return 0;
	}
	rc = render_text(context, text, &rendered, err);
	if (rc == 0)
		json_quote(out, mr_buf_view(&rendered));
	mr_buf_release(&rendered);
	return rc;
}

/* {"__xcom__": "task"}, alone in its object */
static bool xcom_reference(struct json_value value, mr_str *task_id)
{
	struct json_value id = json_get(value, "__xcom__");
	*task_id = json_str(id);
	return json_type(value) == JSON_OBJECT && json_count(value) == 1 && json_type(id) == JSON_STRING;
}

static int put_xcom(struct task_context *context, mr_str task_id, struct mr_buf *out, struct mr_error *err)
{
	int rc = context->sink ? dag_sink_xcom(context->sink, context->try, task_id, -1,
					       MR_STR("return_value"), out, err)
			       : 1;
	if (rc == 1)
		mr_buf_cstr(out, "null");
	return rc < 0 ? rc : 0;
}

int task_render_json(struct task_context *context, struct json_value value, bool templated,
		     struct mr_buf *out, struct mr_error *err)
{
	bool object = json_type(value) == JSON_OBJECT, first = true;
	mr_str task_id;
	int rc = 0;
	if (json_type(value) == JSON_STRING && templated)
		return render_string(context, json_str(value), out, err);
	if (xcom_reference(value, &task_id))
		return put_xcom(context, task_id, out, err);
	if (!object && json_type(value) != JSON_ARRAY) {
		json_write_value(out, value);
		return 0;
	}
	mr_buf_char(out, object ? '{' : '[');
	for (struct json_iter it = json_iter(value); rc == 0 && json_next(&it); first = false) {
		if (!first)
			mr_buf_char(out, ',');
		if (object) {
			json_quote(out, it.key);
			mr_buf_char(out, ':');
		}
		rc = task_render_json(context, it.value, templated, out, err);
	}
	mr_buf_char(out, object ? '}' : ']');
	return rc;
}
