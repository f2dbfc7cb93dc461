/* dag/core.c - the scheduler's life, timers and batches. */
#include "dag/core_internal.h"

static bool sooner(const struct heap_entry *a, const struct heap_entry *b)
{
	return MR_CONTAINER_OF(a, struct timer, entry)->due_us <
	       MR_CONTAINER_OF(b, struct timer, entry)->due_us;
}

static struct heap *timers(struct core *core, bool wall)
{
	return wall ? &core->wall : &core->mono;
}

void core_stop_timer(struct core *core, struct timer *timer)
{
	if (heap_holds(&timer->entry))
		heap_remove(timers(core, timer->wall), &timer->entry);
}

void core_set_timer(struct core *core, struct timer *timer, int64_t due_us, bool wall)
{
	core_stop_timer(core, timer);
	timer->due_us = due_us;
	timer->wall = wall;
	heap_add(timers(core, wall), &timer->entry);
}

static void fire_due(struct core *core, bool wall, int64_t now_us)
{
	struct heap *heap = timers(core, wall);
	for (struct heap_entry *first; (first = heap_first(heap));) {
		struct timer *timer = MR_CONTAINER_OF(first, struct timer, entry);
		if (timer->due_us > now_us)
			break;
		heap_remove(heap, first);
		timer->fire(core, timer);
	}
}

void core_turn(struct core *core, int64_t wall_us, int64_t mono_us)
{
	core->wall_us = wall_us;
	core->mono_us = mono_us;
	do {
		fire_due(core, true, wall_us);
		fire_due(core, false, mono_us);
		core_drain(core);
		ready_start(core);
	} while (core->todo.len || core->ending.len);
}

void core_drain(struct core *core)
{
	while (core->todo.len || core->ending.len) {
		for (size_t i = 0; i < core->todo.len; i++)
			task_look(core->todo.items[i].run, core->todo.items[i].task);
		core->todo.len = 0;
		for (size_t i = 0; i < core->ending.len; i++)
			run_look_end(core->ending.items[i]);
		core->ending.len = 0;
	}
}

int64_t core_next_due_us(const struct core *core)
{
	int64_t due = INT64_MAX;
	const struct heap_entry *wall = heap_first(&core->wall), *mono = heap_first(&core->mono);
	if (wall)
		due = MR_CONTAINER_OF(wall, struct timer, entry)->due_us - core->wall_us;
	if (mono)
		due = mr_min_i64(due, MR_CONTAINER_OF(mono, struct timer, entry)->due_us - core->mono_us);
	return due == INT64_MAX ? -1 : mr_max_i64(due, 0);
}

/* ---- batches ---- */

struct store_batch *core_batch(struct core *core)
{
	if (!core->batch) {
		core->batch = store_batch_new();
		core->batch->epoch = core->epoch;
		core->batch->number = ++core->batches;
	}
	return core->batch;
}

void core_dirty_instance(struct instance *instance)
{
	if (instance->dirty)
		return;
	instance->dirty = true;
	mr_vec_push(&instance->run->core->dirty_instances, instance);
}

void core_dirty_run(struct run *run)
{
	if (run->dirty)
		return;
	run->dirty = true;
	mr_vec_push(&run->core->dirty_runs, run);
}

void core_dirty_dag(struct dag_state *state)
{
	if (state->dirty)
		return;
	state->dirty = true;
	mr_vec_push(&state->core->dirty_dags, state);
}

void core_log(struct core *core, const char *what, mr_str dag_id, mr_str run_id, mr_str task_id, mr_str who,
	      mr_str detail)
{
	struct store_batch *batch = core_batch(core);
	struct arena *arena = &batch->arena;
	mr_vec_push(&batch->events, (struct store_event){
					.what = arena_copy(arena, mr_str_from(what)),
					.dag_id = arena_copy(arena, dag_id),
					.run_id = arena_copy(arena, run_id),
					.task_id = arena_copy(arena, task_id),
					.who = arena_copy(arena, who),
					.detail = arena_copy(arena, detail),
					.map_index = -1,
					.at_us = core->wall_us,
				    });
}

void core_tell(struct run *run, const struct instance *instance, const struct dag_callback *callbacks,
	       size_t count, const char *what, mr_str detail)
{
	for (size_t i = 0; i < count; i++) {
		struct store_batch *batch = core_batch(run->core);
		struct arena *arena = &batch->arena;
		mr_vec_push(&batch->callbacks,
			    (struct store_callback){
				.kind = arena_copy(arena, callbacks[i].kind),
				.json = arena_copy(arena, callbacks[i].json),
				.what = arena_copy(arena, mr_str_from(what)),
				.dag_id = arena_copy(arena, run->row.dag_id),
				.run_id = arena_copy(arena, run->row.run_id),
				.task_id = instance ? arena_copy(arena, instance->row.task_id) : MR_STR(""),
				.detail = arena_copy(arena, detail),
				.map_index = instance ? instance->row.map_index : -1,
			    });
	}
}

/* Rows leave with strings of their own: the batch is written while the scheduler goes on. */
static void copy_strs(struct arena *arena, mr_str *const *strs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		*strs[i] = strs[i]->len ? arena_copy(arena, *strs[i]) : MR_STR("");
}

static struct store_task copy_task(struct arena *arena, const struct store_task *from)
{
	struct store_task to = *from;
	mr_str *const strs[] = {&to.task_id,     &to.id,       &to.operator_name, &to.pool,
				&to.queue,       &to.hostname, &to.reason,        &to.event,
				&to.resume_json, &to.map_json, &to.executor,      &to.executor_config};
	copy_strs(arena, strs, MR_COUNT(strs));
	return to;
}

static void put_run(struct store_batch *batch, const struct store_run *from)
{
	struct store_run to = *from;
	mr_str *const strs[] = {&to.dag_id,     &to.run_id,    &to.run_type,
				&to.version,    &to.conf_json, &to.asset_events_json,
				&to.backfill_id};
	copy_strs(&batch->arena, strs, MR_COUNT(strs));
	mr_vec_push(&batch->runs, to);
}

static void put_dag(struct store_batch *batch, struct dag_state *state)
{
	struct store_dag to = state->row;
	to.source = state->new_version ? state->dag->source : MR_STR_NULL;
	to.version_at_us = state->core->wall_us;
	mr_str *const strs[] = {&to.dag_id, &to.version, &to.file, &to.source};
	copy_strs(&batch->arena, strs, MR_COUNT(strs));
	mr_vec_push(&batch->dags, to);
	state->new_version = false;
}

struct store_batch *core_take_batch(struct core *core)
{
	struct store_batch *batch = core_batch(core);
	for (size_t i = 0; i < core->dirty_dags.len; i++) {
		put_dag(batch, core->dirty_dags.items[i]);
		core->dirty_dags.items[i]->dirty = false;
	}
	for (size_t i = 0; i < core->dirty_runs.len; i++) {
		put_run(batch, &core->dirty_runs.items[i]->row);
		core->dirty_runs.items[i]->dirty = false;
	}
	for (size_t i = 0; i < core->dirty_instances.len; i++) {
		mr_vec_push(&batch->tasks, copy_task(&batch->arena, &core->dirty_instances.items[i]->row));
		core->dirty_instances.items[i]->dirty = false;
	}
	core->dirty_dags.len = core->dirty_runs.len = core->dirty_instances.len = 0;
	for (size_t i = 0; i < core->gone.len; i++)
		run_free(core->gone.items[i]);
	core->gone.len = 0;
	core->batch = NULL;
	if (!store_batch_empty(batch))
		return batch;
	store_batch_free(batch);
	return NULL;
}

/* The try as it ends, for the list of tries. */
void task_forget_try(struct instance *instance)
{
	struct store_batch *batch = core_batch(instance->run->core);
	mr_vec_push(&batch->tries, copy_task(&batch->arena, &instance->row));
	if (!instance->try)
		return;
	mr_map_remove(&instance->run->core->tries, mr_str_from(instance->try->id));
	dag_try_unref(instance->try);
	instance->try = NULL;
}

/* ---- pools ---- */

struct pool *core_pool(struct core *core, mr_str name)
{
	struct pool *pool = mr_map_get(&core->pools, name);
	if (pool)
		return pool;
	pool = mr_calloc(1, sizeof *pool);
	pool->name = arena_copy(&core->arena, name);
	pool->slots = mr_str_is(name, DEFAULT_POOL) ? DEFAULT_POOL_SLOTS : 1;
	pool->ready.before = ready_before;
	mr_map_put(&core->pools, name, pool);
	return pool;
}

void core_set_pool(struct core *core, mr_str name, int32_t slots, mr_str description)
{
	struct pool *pool = core_pool(core, name);
	struct store_batch *batch = core_batch(core);
	pool->slots = slots;
	pool->description = arena_copy(&core->arena, description);
	mr_vec_push(&batch->pools, (struct store_pool){arena_copy(&batch->arena, name),
						       arena_copy(&batch->arena, description), slots});
}

/* ---- life ---- */

int core_new(const struct core_options *options, int64_t wall_us, int64_t mono_us, struct core **out,
	     struct mr_error *err)
{
	struct core *core = mr_calloc(1, sizeof *core);
	core->wall_us = wall_us;
	core->mono_us = mono_us;
	core->options = *options;
	core->wall.before = core->mono.before = sooner;
	core->parallelism = (struct limit){.max = options->parallelism, .parked.before = ready_before};
	core_pool(core, MR_STR(DEFAULT_POOL));
	int rc =
	    options->store->ops->claim(options->store, options->hostname, options->seen, &core->epoch, err);
	core->shared = options->seen;
	core->options.seen = NULL; /* the caller's */
	if (rc == 0)
		rc = recover_load(core, err);
	if (rc != 0) {
		core_free(core);
		return rc;
	}
	/* The store shows it from the first day on. */
	struct pool *pool = core_pool(core, MR_STR(DEFAULT_POOL));
	if (!pool->description.len)
		core_set_pool(core, pool->name, pool->slots, MR_STR("Default pool"));
	*out = core;
	return 0;
}

uint64_t core_epoch(const struct core *core)
{
	return core->epoch;
}

static void free_dag(struct dag_state *state)
{
	for (size_t i = 0; i < state->runs.len; i++)
		run_free(state->runs.items[i]);
	mr_map_each (&state->limits, entry) {
		heap_release(&((struct limit *)entry->value)->parked);
		free(entry->value);
	}
	mr_map_release(&state->limits);
	mr_vec_release(&state->runs);
	mr_vec_release(&state->waits);
	dag_unref(state->dag);
	arena_release(&state->arena);
	free(state);
}

void core_free(struct core *core)
{
	if (!core)
		return;
	store_batch_free(core->batch);
	for (size_t i = 0; i < core->gone.len; i++)
		run_free(core->gone.items[i]);
	mr_map_each (&core->dags, entry)
		free_dag(entry->value);
	mr_map_each (&core->pools, entry) {
		heap_release(&((struct pool *)entry->value)->ready);
		free(entry->value);
	}
	mr_map_each (&core->assets, entry)
		free(entry->value);
	for (size_t i = 0; i < core->backfill_list.len; i++)
		free(core->backfill_list.items[i]);
	mr_vec_release(&core->backfill_list);
	mr_map_release(&core->dags);
	mr_map_release(&core->pools);
	mr_map_release(&core->tries);
	mr_map_release(&core->assets);
	mr_map_release(&core->backfills);
	heap_release(&core->wall);
	heap_release(&core->mono);
	heap_release(&core->parallelism.parked);
	mr_vec_release(&core->dirty_instances);
	mr_vec_release(&core->dirty_runs);
	mr_vec_release(&core->dirty_dags);
	mr_vec_release(&core->gone);
	mr_vec_release(&core->todo);
	mr_vec_release(&core->ending);
	arena_release(&core->arena);
	free(core);
}

struct core_counts core_counts(const struct core *core)
{
	struct core_counts counts = {.dags = core->dags.len,
				     .active = (size_t)core->parallelism.used,
				     .parked = core->parallelism.parked.items.len};
	mr_map_each (&core->pools, entry)
		counts.ready += ((struct pool *)entry->value)->ready.items.len;
	mr_map_each (&core->dags, entry) {
		const struct dag_state *state = entry->value;
		counts.runs += state->runs.len;
		for (size_t r = 0; r < state->runs.len; r++)
			counts.instances += state->runs.items[r]->open;
	}
	return counts;
}

void core_each(const struct core *core,
	       void (*fn)(void *arg, const struct store_run *run, const struct store_task *task), void *arg)
{
	mr_map_each (&core->dags, entry) {
		const struct dag_state *state = entry->value;
		for (size_t r = 0; r < state->runs.len; r++) {
			const struct run *run = state->runs.items[r];
			for (size_t t = 0; t < run->dag->task_count; t++)
				for (size_t i = 0; i < run->tasks[t].instances.len; i++)
					fn(arg, &run->row, &run->tasks[t].instances.items[i]->row);
		}
	}
}
