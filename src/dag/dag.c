#include "dag/dag.h"

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
