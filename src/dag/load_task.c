/* dag/load_task.c - the tasks of a DAG: the keys that every task has, and the arguments of its operator.
 *
 * A key comes from the task, else from `partial`, else from the DAG's default_args, else from the
 * file's. What is no key of tasks is an argument of the operator, checked against operator.h.
 */
#include "dag/load_internal.h"

#include "conf/nearest.h"
#include "conf/units.h"

#define DEFAULT_RETRY_DELAY_US (INT64_C(300) * 1000000)

static int read_rule(struct build *b, const struct yaml_node *node, void *to, struct mr_error *err)
{
	struct dag_task *task = to;
	if (node->kind == YAML_SCALAR && trigger_rule_parse(node->text, &task->trigger_rule))
		return 0;
	const char *near = trigger_rule_nearest(node->text);
	load_fail(b, node, err, "unknown trigger rule '%.*s'", MR_FMT(node->text));
	return mr_hint(err, near ? "did you mean '%s'?" : "all_success, all_done, none_failed, …%s",
		       near ? near : "");
}

static int read_weight_rule(struct build *b, const struct yaml_node *node, void *to, struct mr_error *err)
{
	static const char *const words[] = {"downstream", "upstream", "absolute"};
	for (size_t i = 0; i < MR_COUNT(words); i++) {
		if (mr_str_is(node->text, words[i])) {
			((struct dag_task *)to)->weight_rule = (enum dag_weight_rule)i;
			return 0;
		}
	}
	return load_fail(b, node, err, "weight_rule is downstream, upstream or absolute");
}

/* true doubles, as it always did; a number is the multiplier. */
static int read_backoff(struct build *b, const struct yaml_node *node, void *to, struct mr_error *err)
{
	static const struct key number = {"retry_exponential_backoff", VALUE_NUMBER, 0};
	struct dag_task *task = to;
	bool yes = mr_str_is(node->text, "true") || mr_str_is(node->text, "True");
	if (yes || mr_str_is(node->text, "false") || mr_str_is(node->text, "False")) {
		task->retry_exponential_backoff = yes ? 2 : 0;
		return 0;
	}
	return load_value(b, &number, node, &task->retry_exponential_backoff, err);
}

static int read_memory(struct build *b, const struct yaml_node *node, void *to, struct mr_error *err)
{
	if (node->kind == YAML_SCALAR &&
	    conf_parse_size(node->text, &((struct dag_task *)to)->memory_bytes_max, err) == 0)
		return 0;
	return load_fail(b, node, err, "expected a size such as 512MiB");
}

/* What is in it is between the file and the executor. */
static int read_executor_config(struct build *b, const struct yaml_node *node, void *to, struct mr_error *err)
{
	if (yaml_is_null(node))
		return 0;
	if (node->kind != YAML_MAPPING)
		return load_fail(b, node, err, "executor_config is a mapping of the executor's keys, not %s",
				 yaml_kind_name(node));
	return load_json(b, node, &((struct dag_task *)to)->executor_config, err);
}

#define CALLBACK_READER(field) \
	static int read_##field(struct build *b, const struct yaml_node *node, void *to, \
				struct mr_error *err) \
	{ \
		struct dag_task *task = to; \
		return load_callbacks(b, node, &task->field, &task->field##_count, err); \
	}
CALLBACK_READER(on_failure)
CALLBACK_READER(on_success)
CALLBACK_READER(on_retry)

static int read_outlets(struct build *b, const struct yaml_node *node, void *to, struct mr_error *err)
{
	struct dag_task *task = to;
	return load_names(b, node, &task->outlets, &task->outlet_count, err);
}

static int read_inlets(struct build *b, const struct yaml_node *node, void *to, struct mr_error *err)
{
	struct dag_task *task = to;
	return load_names(b, node, &task->inlets, &task->inlet_count, err);
}

#define AT(member) offsetof(struct dag_task, member)

static const struct key task_keys[] = {
    {"owner", VALUE_STR, AT(owner)},
    {"trigger_rule", VALUE_CUSTOM, .read = read_rule},
    {"retries", VALUE_INT, AT(retries)},
    {"retry_delay", VALUE_DURATION, AT(retry_delay_us)},
    {"retry_exponential_backoff", VALUE_CUSTOM, .read = read_backoff},
    {"max_retry_delay", VALUE_DURATION, AT(max_retry_delay_us)},
    {"execution_timeout", VALUE_DURATION, AT(execution_timeout_us)},
    {"depends_on_past", VALUE_BOOL, AT(depends_on_past)},
    {"wait_for_downstream", VALUE_BOOL, AT(wait_for_downstream)},
    {"start_date", VALUE_TIME, AT(start_date_us)},
    {"end_date", VALUE_TIME, AT(end_date_us)},
    {"pool", VALUE_STR, AT(pool)},
    {"pool_slots", VALUE_INT, AT(pool_slots), .least = 1},
    {"priority_weight", VALUE_INT, AT(priority_weight), .least = -1000000},
    {"weight_rule", VALUE_CUSTOM, .read = read_weight_rule},
    {"queue", VALUE_STR, AT(queue)},
    {"executor", VALUE_STR, AT(executor)},
    {"executor_config", VALUE_CUSTOM, .read = read_executor_config},
    {"max_active_tis_per_dag", VALUE_INT, AT(max_active_tis_per_dag), .least = 1},
    {"max_active_tis_per_dagrun", VALUE_INT, AT(max_active_tis_per_dagrun), .least = 1},
    {"memory_limit", VALUE_CUSTOM, .read = read_memory},
    {"do_xcom_push", VALUE_BOOL, AT(do_xcom_push)},
    {"outlets", VALUE_CUSTOM, .read = read_outlets},
    {"inlets", VALUE_CUSTOM, .read = read_inlets},
    {"on_failure_callback", VALUE_CUSTOM, .read = read_on_failure},
    {"on_success_callback", VALUE_CUSTOM, .read = read_on_success},
    {"on_retry_callback", VALUE_CUSTOM, .read = read_on_retry},
    {"setup", VALUE_BOOL, AT(setup)},
    {"teardown", VALUE_BOOL, AT(teardown)},
    {"on_failure_fail_dagrun", VALUE_BOOL, AT(on_failure_fail_dagrun)},
    {"doc_md", VALUE_STR, AT(doc)},
    {"doc", VALUE_STR, AT(doc)},
    {"email", VALUE_IGNORED},
    {"email_on_failure", VALUE_IGNORED},
    {"email_on_retry", VALUE_IGNORED},
    {"task_display_name", VALUE_IGNORED},
    {"map_index_template", VALUE_IGNORED},
};

/* Keys of a task that say how it is put together. */
static const char *const shape_keys[] = {"operator",        "decorator", "task_id", "dependencies",
					 "task_group_name", "expand",    "partial"};

bool load_task_key_known(mr_str name)
{
	return load_key(task_keys, MR_COUNT(task_keys), name) != NULL;
}

static bool is_shape_key(mr_str name)
{
	for (size_t i = 0; i < MR_COUNT(shape_keys); i++)
		if (mr_str_is(name, shape_keys[i]))
			return true;
	return false;
}

/* ---- arguments ---- */

static bool json_kind_fits(const struct yaml_node *node, enum operator_kind kind)
{
	bool templated = node->kind == YAML_SCALAR && memmem(node->text.ptr, node->text.len, "{{", 2);
	switch (kind) {
	case OPERATOR_MAP:
		return node->kind == YAML_MAPPING || templated;
	case OPERATOR_STR:
	case OPERATOR_BOOL:
	case OPERATOR_INT:
	case OPERATOR_NUMBER:
		return node->kind == YAML_SCALAR;
	case OPERATOR_LIST:
	case OPERATOR_DURATION:
	case OPERATOR_ANY:
		break;
	}
	return true;
}

static const char *kind_name(enum operator_kind kind)
{
	static const char *const names[] = {
	    [OPERATOR_STR] = "text",
	    [OPERATOR_BOOL] = "true or false",
	    [OPERATOR_INT] = "a whole number",
	    [OPERATOR_NUMBER] = "a number",
	    [OPERATOR_DURATION] = "a duration",
	    [OPERATOR_LIST] = "a list",
	    [OPERATOR_MAP] = "a mapping",
	    [OPERATOR_ANY] = "anything",
	};
	return names[kind];
}

static int check_templates(struct build *b, const struct dag_task *task, const struct yaml_node *node,
			   struct mr_error *err)
{
	if (!b->options->check_template)
		return 0;
	if (node->kind == YAML_SCALAR) {
		int rc = b->options->check_template(b->options->arg, task, node->text, err);
		return rc < 0 ? mr_error_where(err, b->file, node->line, node->column) : 0;
	}
	for (size_t i = 0; i < node->count; i++) {
		int rc = check_templates(b, task, node->items[i], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A duration becomes its seconds, so that executors need not know how people write it. */
static int argument_json(struct build *b, const struct operator_argument *spec, const struct yaml_node *node,
			 mr_str *json, struct mr_error *err)
{
	int64_t us;
	struct mr_buf text = {0};
	bool templated = node->kind == YAML_SCALAR && memmem(node->text.ptr, node->text.len, "{{", 2);
	if (spec->kind == OPERATOR_STR && node->kind == YAML_SCALAR) {
		json_quote(&text, node->text);
	} else if (spec->kind == OPERATOR_DURATION && !templated) {
		int rc = load_duration(b, node, &us, err);
		if (rc < 0)
			return rc;
		struct json_writer w = json_writer(&text);
		json_put_double(&w, (double)us / 1e6);
	} else {
		return load_json(b, node, json, err);
	}
	*json = arena_copy(b->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return 0;
}

static struct dag_argument *argument_slot(struct dag_task *task, mr_str name)
{
	for (size_t i = 0; i < task->argument_count; i++)
		if (mr_str_eq(task->arguments[i].name, name))
			return &task->arguments[i];
	return &task->arguments[task->argument_count++];
}

static int set_argument(struct build *b, struct dag_task *task, const struct yaml_node *key,
			const struct yaml_node *node, struct mr_error *err)
{
	const struct operator_argument *spec = operator_argument(task->operator, key->text);
	if (!spec) {
		const char *near = operator_argument_nearest(task->operator, key->text);
		load_fail(b, key, err, "%s of task '%.*s' takes no '%.*s'", task->operator->name,
			  MR_FMT(task->name), MR_FMT(key->text));
		return near ? mr_hint(err, "did you mean '%s'?", near) : MR_ERR_INVALID;
	}
	if (!json_kind_fits(node, spec->kind))
		return load_fail(b, node, err, "'%s' takes %s, not %s", spec->name, kind_name(spec->kind),
				 yaml_kind_name(node));
	struct dag_argument argument = {
	    .name = mr_str_from(spec->name), .templated = spec->templated, .line = node->line};
	int rc = argument_json(b, spec, node, &argument.json, err);
	if (rc == 0 && spec->templated)
		rc = check_templates(b, task, node, err);
	if (rc == 0)
		*argument_slot(task, argument.name) = argument;
	return rc;
}

/* ---- one task ---- */

/* default_args holds keys for all tasks: what the operator does not take is passed over, what no
 * operator takes is a mistake. */
static bool any_operator_takes(mr_str name)
{
	for (size_t i = 0; i < operator_count(); i++)
		if (operator_argument(operator_at(i), name))
			return true;
	return false;
}

/* The keys of a decorated function that are none of a task are its keyword arguments; "+task" in
 * them is what that task returned: {"__xcom__": "task"}. */
static int decorated_arguments(struct build *b, struct dag_task *task, const struct yaml_node *node,
			       struct mr_error *err)
{
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	int rc = 0;
	json_begin_object(&w);
	for (size_t i = 0; rc == 0 && i < node->count; i++) {
		mr_str name = node->keys[i]->text, json = MR_STR_NULL;
		const struct yaml_node *value = node->items[i];
		if (load_task_key_known(name) || is_shape_key(name) ||
		    operator_argument(task->operator, name))
			continue;
		json_key_str(&w, name);
		if (value->kind == YAML_SCALAR && value->text.len > 1 && value->text.ptr[0] == '+') {
			json_begin_object(&w);
			json_member_str(&w, "__xcom__", mr_str_tail(value->text, 1));
			json_end_object(&w);
			continue;
		}
		rc = load_json(b, value, &json, err);
		json_put_raw(&w, json);
	}
	json_end_object(&w);
	if (rc == 0)
		*argument_slot(task, MR_STR("op_kwargs")) = (struct dag_argument){
		    MR_STR("op_kwargs"), arena_copy(b->arena, mr_buf_view(&text)), true, node->line};
	mr_buf_release(&text);
	return rc;
}

static int apply(struct build *b, struct dag_task *task, const struct yaml_node *from, bool defaults,
		 struct mr_error *err)
{
	int rc = 0;
	if (!from || yaml_is_null(from))
		return 0;
	if (from->kind != YAML_MAPPING)
		return load_fail(b, from, err, "expected a mapping of keys to values");
	for (size_t i = 0; rc == 0 && i < from->count; i++) {
		mr_str name = from->keys[i]->text;
		const struct key *key = load_key(task_keys, MR_COUNT(task_keys), name);
		bool keyword = yaml_get(from, "decorator") && !operator_argument(task->operator, name);
		if (!defaults && (is_shape_key(name) || (keyword && !key)))
			continue;
		if (key)
			rc = load_value(b, key, from->items[i], task, err);
		else if (!defaults || operator_argument(task->operator, name))
			rc = set_argument(b, task, from->keys[i], from->items[i], err);
		else if (!any_operator_takes(name))
			rc =
			    load_unknown_key(b, from->keys[i], "default_args", task_keys, MR_COUNT(task_keys),
					     operator_argument_nearest(task->operator, name), err);
	}
	return rc;
}

static int read_operator(struct build *b, struct dag_task *task, const struct yaml_node *node,
			 const struct yaml_node *name_at, struct mr_error *err)
{
	const struct yaml_node *op = yaml_get(node, "operator"), *decorator = yaml_get(node, "decorator");
	if (!op && decorator) {
		task->operator= operator_find(MR_STR("PythonOperator"));
		task->operator_name = MR_STR("PythonOperator");
		return 0;
	}
	if (!op || op->kind != YAML_SCALAR) {
		load_fail(b, name_at, err, "task '%.*s' has no operator", MR_FMT(task->name));
		return mr_hint(err, "operator: BashOperator");
	}
	task->operator= operator_find(op->text);
	if (task->operator) {
		task->operator_name = arena_copy(b->arena, op->text);
		return 0;
	}
	const char *near = operator_nearest(op->text);
	load_fail(b, op, err, "unknown operator '%.*s'", MR_FMT(op->text));
	return near ? mr_hint(err, "did you mean '%s'?", near)
		    : mr_hint(err, "docs/tasks.md lists the operators");
}

static int check_required(struct build *b, const struct dag_task *task, const struct yaml_node *at,
			  struct mr_error *err)
{
	for (size_t i = 0; i < task->operator->argument_count; i++) {
		const struct operator_argument *spec = &task->operator->arguments[i];
		bool given = !spec->required;
		for (size_t j = 0; !given && j < task->argument_count; j++)
			given = mr_str_is(task->arguments[j].name, spec->name);
		for (size_t j = 0; !given && j < task->expand_count; j++)
			given = mr_str_is(task->expand[j].name, spec->name);
		if (!given)
			return load_fail(b, at, err, "task '%.*s' needs '%s' (%s)", MR_FMT(task->name),
					 spec->name, spec->help);
	}
	return 0;
}

/* `expand`: what it refers to is resolved with the dependencies, in load_graph.c. */
static int read_expand(struct build *b, struct dag_task *task, const struct yaml_node *node,
		       struct mr_error *err)
{
	if (!node)
		return 0;
	if (node->kind != YAML_MAPPING || !node->count)
		return load_fail(b, node, err, "expand is a mapping of arguments to lists");
	task->expand = arena_calloc(b->arena, node->count, sizeof *task->expand);
	for (size_t i = 0; i < node->count; i++) {
		struct dag_expand *expand = &task->expand[i];
		if (!operator_argument(task->operator, node->keys[i]->text))
			return set_argument(b, task, node->keys[i], node->items[i], err);
		expand->name = arena_copy(b->arena, node->keys[i]->text);
		expand->task = -1;
		int rc = node->items[i]->kind == YAML_SCALAR
			     ? 0
			     : load_json(b, node->items[i], &expand->json, err);
		if (rc < 0)
			return rc;
	}
	task->expand_count = node->count;
	return 0;
}

static void preset(struct dag_task *task)
{
	task->group = -1;
	task->pool = MR_STR("default_pool");
	task->pool_slots = 1;
	task->priority_weight = 1;
	task->retry_delay_us = DEFAULT_RETRY_DELAY_US;
	task->start_date_us = task->end_date_us = NO_TIME;
	task->do_xcom_push = true;
	task->owner = MR_STR("airflow");
	task->trigger_rule = TRIGGER_RULES; /* not given */
}

static int64_t duration_argument(const struct dag_task *task, const char *name)
{
	char digits[40];
	for (size_t i = 0; i < task->argument_count; i++) {
		if (!mr_str_is(task->arguments[i].name, name) || task->arguments[i].json.len >= sizeof digits)
			continue;
		memcpy(digits, task->arguments[i].json.ptr, task->arguments[i].json.len);
		digits[task->arguments[i].json.len] = 0;
		return (int64_t)(strtod(digits, NULL) * 1e6);
	}
	return 0;
}

static size_t count_of(const struct yaml_node *node)
{
	return node ? node->count : 0;
}

static int read_task(struct build *b, struct dag_task *task, const struct yaml_node *name_at,
		     const struct yaml_node *node, struct mr_error *err)
{
	const struct yaml_node *partial = yaml_get(node, "partial");
	preset(task);
	task->line = name_at->line;
	int rc = read_operator(b, task, node, name_at, err);
	if (rc < 0)
		return rc;
	task->arguments = arena_calloc(b->arena,
				       count_of(node) + count_of(partial) + count_of(b->default_args) +
					   count_of(b->file_default_args) + 1,
				       sizeof *task->arguments);
	const struct {
		const struct yaml_node *from;
		bool defaults;
	} sources[] = {
	    {b->file_default_args, true}, {b->default_args, true}, {partial, false}, {node, false}};
	rc = read_expand(b, task, yaml_get(node, "expand"), err); /* templates may name what it expands */
	for (size_t i = 0; rc == 0 && i < MR_COUNT(sources); i++)
		rc = apply(b, task, sources[i].from, sources[i].defaults, err);
	if (rc == 0 && yaml_get(node, "decorator"))
		rc = decorated_arguments(b, task, node, err);
	if (rc == 0)
		rc = check_required(b, task, name_at, err);
	if (rc < 0)
		return rc;
	if (task->trigger_rule == TRIGGER_RULES)
		task->trigger_rule = task->teardown ? RULE_ALL_DONE_SETUP_SUCCESS : RULE_ALL_SUCCESS;
	if (task->operator->sensor) {
		int64_t timeout = duration_argument(task, "timeout");
		task->sensor_timeout_us = timeout ? timeout : INT64_C(604800) * 1000000;
	}
	return 0;
}

static int read_dependencies(struct build *b, struct dep_list *deps, const struct yaml_node *node,
			     struct mr_error *err)
{
	const struct yaml_node *list = yaml_get(node, "dependencies");
	deps->group = yaml_get(node, "task_group_name");
	if (!list || yaml_is_null(list))
		return 0;
	if (list->kind != YAML_SEQUENCE)
		return load_fail(b, list, err, "dependencies is a list of task names");
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i]->kind != YAML_SCALAR)
			return load_fail(b, list->items[i], err, "expected the name of a task");
		mr_vec_push(&deps->names, list->items[i]);
	}
	return 0;
}

static bool good_id(mr_str id)
{
	if (!id.len || id.len > DAG_ID_BYTES_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++) {
		unsigned char c = (unsigned char)id.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c >= 0x80 || strchr("_-.", c)))
			return false;
	}
	return true;
}

int load_tasks(struct build *b, const struct yaml_node *tasks, struct mr_error *err)
{
	struct dag *dag = b->dag;
	bool list = tasks->kind == YAML_SEQUENCE;
	if (tasks->kind == YAML_SCALAR || !tasks->count)
		return load_fail(b, tasks, err, "a DAG needs tasks");
	if (tasks->count > DAG_TASKS_MAX)
		return load_fail(b, tasks, err, "%zu tasks; at most %d", tasks->count, DAG_TASKS_MAX);
	dag->tasks = arena_calloc(b->arena, tasks->count, sizeof *dag->tasks);
	b->deps = arena_calloc(b->scratch, tasks->count, sizeof *b->deps);
	for (size_t i = 0; i < tasks->count; i++) {
		const struct yaml_node *node = tasks->items[i];
		const struct yaml_node *name = list && node->kind == YAML_MAPPING ? yaml_get(node, "task_id")
					       : list                             ? NULL
										  : tasks->keys[i];
		if (!name || name->kind != YAML_SCALAR || node->kind != YAML_MAPPING)
			return load_fail(b, node, err,
					 "a task is a mapping of keys to values, with its task_id");
		if (!good_id(name->text))
			return load_fail(b, name, err,
					 "'%.*s' is no task id: letters, digits, _ - . (at most %d)",
					 MR_FMT(name->text), DAG_ID_BYTES_MAX);
		struct dag_task *task = &dag->tasks[i];
		task->index = (int32_t)i;
		task->name = task->id = arena_copy(b->arena, name->text);
		dag->task_count = i + 1;
		int rc = read_task(b, task, name, node, err);
		if (rc == 0)
			rc = read_dependencies(b, &b->deps[i], node, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
