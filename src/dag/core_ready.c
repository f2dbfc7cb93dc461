/* dag/core_ready.c - slots: pools, limits, and who goes first.
 *
 * A scheduled instance sits in its pool's heap. When the pool has room for the first, its limits are
 * looked at (the run's, the task's, the executors'); if one is full it is parked there and the next
 * has its turn. A limit that gets room hands its first one back to its pool: nothing else is looked
 * at. The first of a pool that does not fit holds back those behind it, so that a wide task is not
 * starved by narrow ones.
 */
#include "dag/core_internal.h"

#define LIMITS 4

/* Higher weight, older run, file order, map index. */
bool ready_before(const struct heap_entry *a, const struct heap_entry *b)
{
	const struct instance *x = MR_CONTAINER_OF(a, struct instance, place);
	const struct instance *y = MR_CONTAINER_OF(b, struct instance, place);
	if (x->row.priority_weight != y->row.priority_weight)
		return x->row.priority_weight > y->row.priority_weight;
	if (x->run->row.run_after_us != y->run->row.run_after_us)
		return x->run->row.run_after_us < y->run->row.run_after_us;
	if (x->run != y->run)
		return x->run->row.run_no < y->run->row.run_no;
	if (x->task->index != y->task->index)
		return x->task->index < y->task->index;
	return x->row.map_index < y->row.map_index;
}

static struct limit *task_limit(struct instance *instance)
{
	struct dag_state *state = instance->run->state;
	struct limit *limit = mr_map_get(&state->limits, instance->row.task_id);
	if (!limit) {
		limit = mr_calloc(1, sizeof *limit);
		limit->parked.before = ready_before;
		mr_map_put(&state->limits, instance->row.task_id, limit);
	}
	limit->max = instance->task->max_active_tis_per_dag;
	return limit;
}

static size_t limits_of(struct instance *instance, struct limit *out[LIMITS])
{
	size_t n = 0;
	out[n++] = &instance->run->core->parallelism;
	out[n++] = &instance->run->limit;
	if (instance->task->max_active_tis_per_dagrun)
		out[n++] = &instance->run->tasks[instance->task->index].limit;
	if (instance->task->max_active_tis_per_dag)
		out[n++] = task_limit(instance);
	return n;
}

static bool has_room(const struct limit *limit)
{
	return limit->max <= 0 || limit->used < limit->max;
}

static struct pool *pool_of(struct instance *instance)
{
	return core_pool(instance->run->core, instance->row.pool);
}

void ready_add(struct instance *instance)
{
	heap_add(&pool_of(instance)->ready, &instance->place);
}

void ready_remove(struct instance *instance)
{
	if (!heap_holds(&instance->place))
		return;
	heap_remove(instance->parked_at ? &instance->parked_at->parked : &pool_of(instance)->ready,
		    &instance->place);
	instance->parked_at = NULL;
}

static void release_first(struct limit *limit)
{
	struct heap_entry *first = has_room(limit) ? heap_first(&limit->parked) : NULL;
	if (!first)
		return;
	ready_remove(instance_of(first));
	ready_add(instance_of(first));
}

void ready_take(struct instance *instance)
{
	struct limit *limits[LIMITS];
	if (instance->holds)
		return;
	size_t n = limits_of(instance, limits);
	for (size_t i = 0; i < n; i++)
		limits[i]->used++;
	pool_of(instance)->used += instance->row.pool_slots;
	instance->holds = true;
}

void ready_give_back(struct instance *instance)
{
	struct limit *limits[LIMITS];
	if (!instance->holds)
		return;
	instance->holds = false;
	size_t n = limits_of(instance, limits);
	pool_of(instance)->used -= instance->row.pool_slots;
	for (size_t i = 0; i < n; i++) {
		limits[i]->used--;
		release_first(limits[i]);
	}
}

/* The room that a parked instance leaves unused elsewhere goes to the next there. */
static void park(struct instance *instance, struct limit *full, struct limit *const *limits, size_t n)
{
	ready_remove(instance);
	instance->parked_at = full;
	heap_add(&full->parked, &instance->place);
	for (size_t i = 0; i < n; i++)
		if (limits[i] != full)
			release_first(limits[i]);
}

/* The first of the pool: started, parked, or false when the pool is full. */
static bool start_first(struct pool *pool)
{
	struct heap_entry *first = heap_first(&pool->ready);
	struct limit *limits[LIMITS];
	if (!first)
		return false;
	struct instance *instance = instance_of(first);
	/* What asks for more than the pool has may still run alone. */
	int32_t slots = instance->row.pool_slots;
	if (pool->used + slots > pool->slots && (slots <= pool->slots || pool->used || pool->slots <= 0))
		return false;
	size_t n = limits_of(instance, limits);
	for (size_t i = 0; i < n; i++) {
		if (!has_room(limits[i])) {
			park(instance, limits[i], limits, n);
			return true;
		}
	}
	ready_remove(instance);
	ready_take(instance);
	task_apply(instance, TASK_ON_SLOT);
	return true;
}

void ready_start(struct core *core)
{
	for (bool any = true; any;) {
		any = false;
		mr_map_each (&core->pools, entry) {
			while (start_first(entry->value))
				any = true;
		}
	}
}
