/* dag/core_map.c - dynamic mapping: how many instances a mapped task gets, and the arguments of each.
 *
 * Several keys under expand make every combination, the last key fastest. Values come from the file
 * or from what a task above returned: a list gives its elements, a mapping its [key, value] pairs,
 * and a mapped task the list of what its instances returned.
 */
#include "dag/core_internal.h"

#include "codec/json.h"

#include <stdlib.h>

struct values {
	MR_VEC(mr_str) items; /* JSON of the run's arena */
};

static mr_str keep(struct run *run, struct mr_buf *text)
{
	mr_str kept = arena_copy(&run->arena, mr_buf_view(text));
	mr_buf_clear(text);
	return kept;
}

static int split(struct run *run, mr_str json, const char *whose, struct values *out, struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct json_value value;
	struct mr_buf text = {0};
	int rc = json_parse(parser, json, &value, err);
	if (rc == 0 && json_type(value) != JSON_ARRAY && json_type(value) != JSON_OBJECT)
		rc = mr_fail(err, MR_ERR_INVALID,
			     "cannot expand over what %s gives: it is no list or mapping", whose);
	if (rc == 0 && json_count(value) > DAG_MAP_LENGTH_MAX)
		rc = mr_fail(err, MR_ERR_LIMIT, "%s gives %zu values to expand over (at most %d)", whose,
			     json_count(value), DAG_MAP_LENGTH_MAX);
	if (rc == 0) {
		for (struct json_iter it = json_iter(value); json_next(&it);) {
			if (json_type(value) == JSON_OBJECT) {
				mr_buf_char(&text, '[');
				json_quote(&text, it.key);
				mr_buf_char(&text, ',');
				json_write_value(&text, it.value);
				mr_buf_char(&text, ']');
			} else {
				json_write_value(&text, it.value);
			}
			mr_vec_push(&out->items, keep(run, &text));
		}
	}
	mr_buf_release(&text);
	json_parser_free(parser);
	return rc;
}

/* From memory, or, after a restart, from the store. */
static int returned(struct run *run, int32_t task, int32_t map_index, struct mr_buf *json,
		    struct mr_error *err)
{
	const struct run_task *rt = &run->tasks[task];
	size_t at = map_index < 0 ? 0 : (size_t)map_index;
	struct dag_store *store = run->core->options.store;
	if (at < rt->returned.len && rt->returned.items[at].len) {
		mr_buf_str(json, rt->returned.items[at]);
		return 0;
	}
	return store->ops->xcom(store, run->row.run_no, run->dag->tasks[task].id, map_index,
				MR_STR("return_value"), json, err);
}

static int values_of(struct run *run, const struct dag_expand *expand, struct values *out,
		     struct mr_error *err)
{
	if (expand->task < 0)
		return split(run, expand->json, "the file", out, err);
	const struct dag_task *from = &run->dag->tasks[expand->task];
	const struct run_task *rt = &run->tasks[expand->task];
	struct mr_buf json = {0};
	int rc = 0;
	if (!dag_task_mapped(from)) {
		rc = returned(run, expand->task, -1, &json, err);
		if (rc == 0)
			rc = split(run, mr_buf_view(&json), from->id.ptr, out, err);
		else if (rc > 0)
			rc = mr_fail(err, MR_ERR_INVALID, "cannot expand: task %s returned nothing",
				     from->id.ptr);
	}
	for (size_t i = 0; rc >= 0 && dag_task_mapped(from) && i < rt->instances.len; i++) {
		if (rt->instances.items[i]->row.state != TASK_SUCCESS)
			continue;
		rc = returned(run, expand->task, rt->instances.items[i]->row.map_index, &json, err);
		if (rc == 0)
			mr_vec_push(&out->items, keep(run, &json));
	}
	mr_buf_release(&json);
	return rc < 0 ? rc : 0;
}

static mr_str arguments_at(struct run *run, const struct dag_task *task, const struct values *values,
			   size_t index)
{
	size_t at[64];
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	for (size_t k = task->expand_count; k-- > 0;) {
		at[k] = index % values[k].items.len;
		index /= values[k].items.len;
	}
	json_begin_object(&w);
	for (size_t k = 0; k < task->expand_count; k++) {
		json_key_str(&w, task->expand[k].name);
		json_put_raw(&w, values[k].items.items[at[k]]);
	}
	json_end_object(&w);
	mr_str kept = keep(run, &text);
	mr_buf_release(&text);
	return kept;
}

static void remove_row(struct instance *instance)
{
	struct store_batch *batch = core_batch(instance->run->core);
	mr_vec_push(&batch->removed,
		    (struct store_task){.run_no = instance->row.run_no,
					.task_id = arena_copy(&batch->arena, instance->row.task_id),
					.map_index = instance->row.map_index});
}

static void count_more(struct run *run, const struct dag_task *task, int32_t more)
{
	for (size_t d = 0; d < task->downstream.count; d++) {
		struct upstream_counts *up = &run->tasks[task->downstream.items[d]].up;
		up->total += more;
		up->setup_total += task->setup ? more : 0;
	}
}

/* The instance that stood for all becomes the first; of an earlier expansion what is too many is
 * removed. */
static void make_instances(struct run *run, const struct dag_task *task, const struct values *values,
			   size_t n)
{
	struct run_task *rt = &run->tasks[task->index];
	if (rt->instances.items[0]->row.map_index < 0) {
		remove_row(rt->instances.items[0]);
		rt->instances.items[0]->row.map_index = 0;
		core_dirty_instance(rt->instances.items[0]);
	}
	for (size_t i = 0; i < n; i++) {
		if (i == rt->instances.len) {
			core_dirty_instance(task_new(run, task->index, (int32_t)i));
			count_more(run, task, 1);
		}
		rt->instances.items[i]->row.map_json = arguments_at(run, task, values, i);
	}
	rt->expanded = true;
	for (size_t i = n; i < rt->instances.len; i++)
		task_apply(rt->instances.items[i], TASK_ON_RULE_REMOVED);
}

int map_expand(struct run *run, int32_t index, struct mr_error *err)
{
	const struct dag_task *task = &run->dag->tasks[index];
	struct values *values = mr_calloc(task->expand_count, sizeof *values);
	size_t n = 1;
	int rc = task->expand_count > 64 ? mr_fail(err, MR_ERR_LIMIT, "more than 64 keys under expand") : 0;
	for (size_t k = 0; rc == 0 && k < task->expand_count; k++) {
		rc = values_of(run, &task->expand[k], &values[k], err);
		n *= values[k].items.len;
		if (rc == 0 && n > DAG_MAP_LENGTH_MAX)
			rc = mr_fail(err, MR_ERR_LIMIT, "task %s would have more than %d instances",
				     task->id.ptr, DAG_MAP_LENGTH_MAX);
	}
	if (rc == 0 && n > 0)
		make_instances(run, task, values, n);
	for (size_t k = 0; k < task->expand_count; k++)
		mr_vec_release(&values[k].items);
	free(values);
	return rc < 0 ? rc : n ? 0 : 1;
}
