/* dag/load_graph.c - how the tasks of a DAG hang together: groups, dependencies, what `expand` refers
 * to, cycles, an order with upstream first, and priority weights. */
#include "dag/load_internal.h"

#include "base/map.h"
#include "conf/nearest.h"

#define GROUPS_MAX 1000
#define EDGES_MAX 200000
#define NAMES_SHOWN 4096

struct graph {
	struct build *b;
	struct dag *dag;
	struct mr_map names;   /* task name or id, group name: index + 1; groups after the tasks */
	MR_VEC(int64_t) edges; /* upstream * 2^32 + downstream */
	const struct yaml_node **group_nodes;
	struct mr_error *err;
};

/* ---- groups ---- */

static const struct yaml_node *group_name_node(const struct yaml_node *groups, size_t i)
{
	if (groups->kind == YAML_MAPPING)
		return groups->keys[i];
	const struct yaml_node *item = groups->items[i];
	return item->kind == YAML_MAPPING ? yaml_get(item, "group_name") : NULL;
}

static int read_group_keys(struct graph *g, const struct yaml_node *node, struct dag_group *group)
{
	static const struct key keys[] = {
	    {"tooltip", VALUE_STR, offsetof(struct dag_group, tooltip)},
	    {"group_name", VALUE_IGNORED},
	    {"parent_group_name", VALUE_IGNORED},
	    {"dependencies", VALUE_IGNORED},
	    {"ui_color", VALUE_IGNORED},
	    {"ui_fgcolor", VALUE_IGNORED},
	    {"prefix_group_id", VALUE_IGNORED},
	};
	for (size_t i = 0; node->kind == YAML_MAPPING && i < node->count; i++) {
		const struct key *key = load_key(keys, MR_COUNT(keys), node->keys[i]->text);
		if (!key)
			return load_unknown_key(g->b, node->keys[i], "a task group", keys, MR_COUNT(keys),
						NULL, g->err);
		int rc = load_value(g->b, key, node->items[i], group, g->err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_groups(struct graph *g, const struct yaml_node *groups)
{
	struct dag *dag = g->dag;
	if (!groups || yaml_is_null(groups))
		return 0;
	if (groups->kind == YAML_SCALAR || groups->count > GROUPS_MAX)
		return load_fail(g->b, groups, g->err, "task_groups is a mapping of at most %d groups",
				 GROUPS_MAX);
	dag->groups = arena_calloc(g->b->arena, groups->count + 1, sizeof *dag->groups);
	g->group_nodes = arena_calloc(g->b->scratch, groups->count + 1, sizeof(struct yaml_node *));
	for (size_t i = 0; i < groups->count; i++) {
		const struct yaml_node *name = group_name_node(groups, i);
		if (!name || name->kind != YAML_SCALAR || !name->text.len)
			return load_fail(g->b, groups->items[i], g->err, "a task group needs its group_name");
		struct dag_group *group = &dag->groups[i];
		group->id = group->name = arena_copy(g->b->arena, name->text);
		group->parent = -1;
		group->line = name->line;
		g->group_nodes[i] = groups->items[i];
		int rc = read_group_keys(g, groups->items[i], group);
		if (rc < 0)
			return rc;
		dag->group_count = i + 1;
	}
	return 0;
}

static int find_group(struct graph *g, const struct yaml_node *at, int32_t *out)
{
	const char *names[GROUPS_MAX];
	for (size_t i = 0; i < g->dag->group_count; i++) {
		names[i] = g->dag->groups[i].name.ptr;
		if (mr_str_eq(at->text, g->dag->groups[i].name)) {
			*out = (int32_t)i;
			return 0;
		}
	}
	const char *near = conf_nearest(at->text, names, g->dag->group_count);
	load_fail(g->b, at, g->err, "no task group is called '%.*s'", MR_FMT(at->text));
	return near ? mr_hint(g->err, "did you mean '%s'?", near)
		    : mr_hint(g->err, "name it under task_groups");
}

static int nest_groups(struct graph *g)
{
	for (size_t i = 0; i < g->dag->group_count; i++) {
		const struct yaml_node *node = g->group_nodes[i];
		const struct yaml_node *parent =
		    node->kind == YAML_MAPPING ? yaml_get(node, "parent_group_name") : NULL;
		int rc = parent ? find_group(g, parent, &g->dag->groups[i].parent) : 0;
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < g->dag->group_count; i++) {
		struct dag_group *group = &g->dag->groups[i];
		size_t depth = 0;
		for (int32_t p = group->parent; p >= 0; p = g->dag->groups[p].parent) {
			if (++depth > g->dag->group_count)
				return load_fail(g->b, g->group_nodes[i], g->err,
						 "task group '%.*s' is inside itself", MR_FMT(group->name));
			group->id = arena_printf(g->b->arena, "%.*s.%.*s", MR_FMT(g->dag->groups[p].name),
						 MR_FMT(group->id));
		}
	}
	return 0;
}

static int place_tasks(struct graph *g)
{
	for (size_t i = 0; i < g->dag->task_count; i++) {
		struct dag_task *task = &g->dag->tasks[i];
		const struct yaml_node *at = g->b->deps[i].group;
		if (!at || yaml_is_null(at))
			continue;
		if (at->kind != YAML_SCALAR)
			return load_fail(g->b, at, g->err, "expected the name of a task group");
		int rc = find_group(g, at, &task->group);
		if (rc < 0)
			return rc;
		task->id = arena_printf(g->b->arena, "%.*s.%.*s", MR_FMT(g->dag->groups[task->group].id),
					MR_FMT(task->name));
	}
	return 0;
}

/* ---- names ---- */

static int add_name(struct graph *g, mr_str name, size_t index, const struct yaml_node *at)
{
	if (mr_map_put(&g->names, name, (void *)(uintptr_t)(index + 1)))
		return load_fail(g->b, at, g->err, "two tasks or groups are called '%.*s'", MR_FMT(name));
	return 0;
}

static int index_names(struct graph *g)
{
	struct yaml_node at = {.column = 1};
	for (size_t i = 0; i < g->dag->task_count + g->dag->group_count; i++) {
		bool is_task = i < g->dag->task_count;
		const struct dag_group *group = is_task ? NULL : &g->dag->groups[i - g->dag->task_count];
		mr_str name = is_task ? g->dag->tasks[i].name : group->name;
		mr_str id = is_task ? g->dag->tasks[i].id : group->id;
		at.line = is_task ? g->dag->tasks[i].line : group->line;
		int rc = add_name(g, name, i, &at);
		if (rc == 0 && !mr_str_eq(name, id))
			rc = add_name(g, id, i, &at);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int find_name(struct graph *g, const struct yaml_node *at, mr_str name, size_t *out)
{
	void *found = mr_map_get(&g->names, name);
	if (found) {
		*out = (uintptr_t)found - 1;
		return 0;
	}
	const char *names[NAMES_SHOWN];
	size_t n = 0;
	mr_map_each (&g->names, entry) {
		if (n < NAMES_SHOWN)
			names[n++] = entry->key;
	}
	const char *near = conf_nearest(name, names, n);
	load_fail(g->b, at, g->err, "no task or group is called '%.*s'", MR_FMT(name));
	return near ? mr_hint(g->err, "did you mean '%s'?", near) : MR_ERR_INVALID;
}

/* ---- edges ---- */

static bool in_group(const struct graph *g, const struct dag_task *task, int32_t group)
{
	int32_t at = task->group;
	while (at >= 0 && at != group)
		at = g->dag->groups[at].parent;
	return at == group;
}

static bool has_edge(const struct graph *g, int32_t group, int32_t task, bool up)
{
	for (size_t i = 0; i < g->edges.len; i++) {
		int32_t from = (int32_t)(g->edges.items[i] >> 32), to = (int32_t)g->edges.items[i];
		if ((up ? to : from) == task && in_group(g, &g->dag->tasks[up ? from : to], group))
			return true;
	}
	return false;
}

/* The tasks a name stands for: itself; or a group's ends, its roots (nothing of the group above
 * them) or its leaves (nothing below). */
static size_t ends_of(const struct graph *g, size_t name, bool roots, int32_t *out)
{
	if (name < g->dag->task_count) {
		out[0] = (int32_t)name;
		return 1;
	}
	int32_t group = (int32_t)(name - g->dag->task_count);
	size_t n = 0;
	for (size_t i = 0; i < g->dag->task_count; i++) {
		bool leaves_teardown = !roots && g->dag->tasks[i].teardown;
		if (in_group(g, &g->dag->tasks[i], group) && !has_edge(g, group, (int32_t)i, roots) &&
		    !leaves_teardown)
			out[n++] = (int32_t)i;
	}
	return n;
}

static int add_edges(struct graph *g, const struct yaml_node *at, size_t from, size_t to)
{
	int32_t *ups = arena_calloc(g->b->scratch, g->dag->task_count + 1, sizeof *ups);
	int32_t *downs = arena_calloc(g->b->scratch, g->dag->task_count + 1, sizeof *downs);
	size_t up_count = ends_of(g, from, false, ups), down_count = ends_of(g, to, true, downs);
	for (size_t u = 0; u < up_count; u++) {
		for (size_t d = 0; d < down_count; d++) {
			if (ups[u] == downs[d])
				return load_fail(g->b, at, g->err, "task '%.*s' comes after itself",
						 MR_FMT(g->dag->tasks[ups[u]].name));
			if (g->edges.len == EDGES_MAX)
				return load_fail(g->b, at, g->err, "more than %d dependencies", EDGES_MAX);
			mr_vec_push(&g->edges, (int64_t)ups[u] << 32 | downs[d]);
		}
	}
	return 0;
}

static int depend_on(struct graph *g, size_t to, const struct yaml_node *at, mr_str name)
{
	size_t from;
	int rc = find_name(g, at, name, &from);
	return rc < 0 ? rc : add_edges(g, at, from, to);
}

/* Tasks on tasks first: the ends of a group depend on what is inside it. */
static int task_edges(struct graph *g, bool on_groups)
{
	for (size_t i = 0; i < g->dag->task_count; i++) {
		for (size_t d = 0; d < g->b->deps[i].names.len; d++) {
			const struct yaml_node *at = g->b->deps[i].names.items[d];
			size_t from;
			int rc = find_name(g, at, at->text, &from);
			if (rc == 0 && (from >= g->dag->task_count) == on_groups)
				rc = add_edges(g, at, from, i);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int group_edges(struct graph *g)
{
	for (size_t i = 0; i < g->dag->group_count; i++) {
		const struct yaml_node *node = g->group_nodes[i];
		const struct yaml_node *deps =
		    node->kind == YAML_MAPPING ? yaml_get(node, "dependencies") : NULL;
		for (size_t d = 0; deps && d < deps->count; d++) {
			int rc =
			    deps->items[d]->kind == YAML_SCALAR
				? depend_on(g, g->dag->task_count + i, deps->items[d], deps->items[d]->text)
				: load_fail(g->b, deps->items[d], g->err,
					    "expected the name of a task or group");
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

/* "+task" or "task.output": what another task returns. */
static bool refers(mr_str text, mr_str *task)
{
	static const mr_str suffix = {".output", 7};
	bool plus = text.len > 1 && text.ptr[0] == '+';
	if (plus)
		*task = mr_str_tail(text, 1);
	else if (text.len > suffix.len && mr_str_ends(text, suffix))
		*task = mr_str_n(text.ptr, text.len - suffix.len);
	return plus || (text.len > suffix.len && mr_str_ends(text, suffix));
}

static int expand_edges(struct graph *g, const struct yaml_node *tasks)
{
	for (size_t i = 0; i < g->dag->task_count; i++) {
		const struct yaml_node *node = yaml_get(tasks->items[i], "expand");
		for (size_t e = 0; e < g->dag->tasks[i].expand_count; e++) {
			const struct yaml_node *at = node->items[e];
			size_t from;
			mr_str name;
			if (at->kind != YAML_SCALAR)
				continue;
			if (!refers(at->text, &name)) {
				load_fail(g->b, at, g->err, "expand takes a list, a mapping or task.output");
				return mr_hint(g->err, "expand: {%.*s: other_task.output}",
					       MR_FMT(g->dag->tasks[i].expand[e].name));
			}
			int rc = find_name(g, at, name, &from);
			if (rc == 0 && from >= g->dag->task_count)
				rc = load_fail(g->b, at, g->err, "a group returns nothing");
			if (rc == 0)
				rc = add_edges(g, at, from, i);
			if (rc < 0)
				return rc;
			g->dag->tasks[i].expand[e].task = (int32_t)from;
		}
	}
	return 0;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void lay_out_edges(struct graph *g)
{
	size_t n = 0;
	if (g->edges.len)
		qsort(g->edges.items, g->edges.len, sizeof *g->edges.items, by_value);
	for (size_t i = 0; i < g->edges.len; i++)
		if (i == 0 || g->edges.items[i] != g->edges.items[i - 1])
			g->edges.items[n++] = g->edges.items[i];
	g->edges.len = n;
	struct dag_task *tasks = g->dag->tasks;
	for (size_t i = 0; i < n; i++) {
		tasks[g->edges.items[i] >> 32].downstream.count++;
		tasks[(int32_t)g->edges.items[i]].upstream.count++;
	}
	for (size_t i = 0; i < g->dag->task_count; i++) {
		tasks[i].upstream.items =
		    arena_calloc(g->b->arena, tasks[i].upstream.count + 1, sizeof(int32_t));
		tasks[i].downstream.items =
		    arena_calloc(g->b->arena, tasks[i].downstream.count + 1, sizeof(int32_t));
		tasks[i].upstream.count = tasks[i].downstream.count = 0;
	}
	for (size_t i = 0; i < n; i++) {
		int32_t from = (int32_t)(g->edges.items[i] >> 32), to = (int32_t)g->edges.items[i];
		tasks[from].downstream.items[tasks[from].downstream.count++] = to;
		tasks[to].upstream.items[tasks[to].upstream.count++] = from;
	}
}

/* ---- order ---- */

/* One cycle, for the message: from any task that could not be put in order, upstream again and
 * again until a task comes back. */
static int tell_cycle(struct graph *g, const bool *placed)
{
	struct mr_buf text = {0};
	size_t at = 0;
	while (placed[at])
		at++;
	for (size_t step = 0; step <= g->dag->task_count; step++) { /* surely on the cycle now */
		const struct dag_indexes *up = &g->dag->tasks[at].upstream;
		size_t u = 0;
		while (placed[up->items[u]])
			u++;
		at = (size_t)up->items[u];
	}
	size_t start = at;
	do {
		mr_buf_printf(&text, "%.*s <- ", MR_FMT(g->dag->tasks[at].name));
		const struct dag_indexes *up = &g->dag->tasks[at].upstream;
		size_t u = 0;
		while (placed[up->items[u]])
			u++;
		at = (size_t)up->items[u];
	} while (at != start && text.len < 400);
	mr_buf_str(&text, g->dag->tasks[start].name);
	struct yaml_node place = {.line = g->dag->tasks[start].line, .column = 1};
	load_fail(g->b, &place, g->err, "the tasks go round in a circle: %s", text.ptr);
	mr_buf_release(&text);
	return MR_ERR_INVALID;
}

static int sort_tasks(struct graph *g)
{
	struct dag *dag = g->dag;
	size_t n = dag->task_count, placed_count = 0;
	int32_t *waits = arena_calloc(g->b->scratch, n, sizeof *waits);
	bool *placed = arena_calloc(g->b->scratch, n, sizeof *placed);
	dag->order = arena_calloc(g->b->arena, n, sizeof *dag->order);
	for (size_t i = 0; i < n; i++) {
		waits[i] = (int32_t)dag->tasks[i].upstream.count;
		if (!waits[i])
			dag->order[placed_count++] = (int32_t)i;
	}
	for (size_t i = 0; i < placed_count; i++) {
		const struct dag_indexes *down = &dag->tasks[dag->order[i]].downstream;
		placed[dag->order[i]] = true;
		for (size_t d = 0; d < down->count; d++)
			if (--waits[down->items[d]] == 0)
				dag->order[placed_count++] = down->items[d];
	}
	return placed_count == n ? 0 : tell_cycle(g, placed);
}

static void weigh(struct graph *g)
{
	struct dag *dag = g->dag;
	bool *marks = arena_calloc(g->b->scratch, dag->task_count, sizeof *marks);
	for (size_t i = 0; i < dag->task_count; i++) {
		struct dag_task *task = &dag->tasks[i];
		int64_t sum = task->priority_weight;
		if (task->weight_rule == DAG_WEIGHT_DOWNSTREAM)
			dag_mark_downstream(dag, (int32_t)i, marks);
		else if (task->weight_rule == DAG_WEIGHT_UPSTREAM)
			dag_mark_upstream(dag, (int32_t)i, marks);
		for (size_t t = 0; task->weight_rule != DAG_WEIGHT_ABSOLUTE && t < dag->task_count; t++)
			sum += marks[t] ? dag->tasks[t].priority_weight : 0;
		task->total_weight = (int32_t)mr_max_i64(mr_min_i64(sum, INT32_MAX), INT32_MIN);
	}
}

int load_graph(struct build *b, const struct yaml_node *groups, struct mr_error *err)
{
	struct graph g = {.b = b, .dag = b->dag, .err = err};
	int rc = read_groups(&g, groups);
	if (rc == 0)
		rc = nest_groups(&g);
	if (rc == 0)
		rc = place_tasks(&g);
	if (rc == 0)
		rc = index_names(&g);
	if (rc == 0)
		rc = task_edges(&g, false);
	if (rc == 0)
		rc = expand_edges(&g, b->tasks);
	if (rc == 0)
		rc = task_edges(&g, true);
	if (rc == 0)
		rc = group_edges(&g);
	if (rc == 0) {
		lay_out_edges(&g);
		rc = sort_tasks(&g);
	}
	if (rc == 0)
		weigh(&g);
	mr_map_release(&g.names);
	mr_vec_release(&g.edges);
	return rc;
}
