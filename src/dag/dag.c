#include "dag/dag.h"

#include "base/buf.h"
#include "codec/json.h"
#include "codec/jsonschema.h"
#include "dag/timetable.h"

struct dag *dag_ref(struct dag *dag)
{
	atomic_fetch_add_explicit(&dag->refs, 1, memory_order_relaxed);
	return dag;
}

void dag_unref(struct dag *dag)
{
	if (!dag || atomic_fetch_sub_explicit(&dag->refs, 1, memory_order_acq_rel) != 1)
		return;
	timetable_free(dag->timetable);
	json_schema_free(dag->params_schema);
	struct arena arena = dag->arena; /* the DAG lives in it */
	arena_release(&arena);
}

const struct dag_task *dag_task_find(const struct dag *dag, mr_str id)
{
	const struct dag_task *by_name = NULL;
	size_t named = 0;
	for (size_t i = 0; i < dag->task_count; i++) {
		if (mr_str_eq(dag->tasks[i].id, id))
			return &dag->tasks[i];
		if (mr_str_eq(dag->tasks[i].name, id)) {
			by_name = &dag->tasks[i];
			named++;
		}
	}
	return named == 1 ? by_name : NULL;
}

/* dag->order has every task after its upstream, so one pass carries the mark all the way. */
void dag_mark_downstream(const struct dag *dag, int32_t task, bool *marks)
{
	memset(marks, 0, dag->task_count * sizeof *marks);
	for (size_t i = 0; i < dag->task_count; i++) {
		const struct dag_task *at = &dag->tasks[dag->order[i]];
		if (at->index != task && !marks[at->index])
			continue;
		for (size_t d = 0; d < at->downstream.count; d++)
			marks[at->downstream.items[d]] = true;
	}
}

void dag_mark_upstream(const struct dag *dag, int32_t task, bool *marks)
{
	memset(marks, 0, dag->task_count * sizeof *marks);
	for (size_t i = dag->task_count; i-- > 0;) {
		const struct dag_task *at = &dag->tasks[dag->order[i]];
		if (at->index != task && !marks[at->index])
			continue;
		for (size_t u = 0; u < at->upstream.count; u++)
			marks[at->upstream.items[u]] = true;
	}
}

void dag_put_params(const struct dag *dag, mr_str conf_json, struct mr_buf *out)
{
	struct json_parser *params_parser = json_parser_new(), *conf_parser = json_parser_new();
	struct json_value params = {0}, conf = {0};
	struct json_writer w = json_writer(out);
	if (json_parse(params_parser, dag->params_json, &params, NULL) < 0)
		params = (struct json_value){0};
	if (!conf_json.len || json_parse(conf_parser, conf_json, &conf, NULL) < 0)
		conf = (struct json_value){0};
	json_begin_object(&w);
	for (struct json_iter it = json_iter(params); json_next(&it);) {
		struct json_value over = json_get_str(conf, it.key);
		json_key_str(&w, it.key);
		json_put_value(&w, json_present(over) ? over : it.value);
	}
	for (struct json_iter it = json_iter(conf); json_next(&it);) {
		if (json_present(json_get_str(params, it.key)))
			continue;
		json_key_str(&w, it.key);
		json_put_value(&w, it.value);
	}
	json_end_object(&w);
	json_parser_free(params_parser);
	json_parser_free(conf_parser);
}
