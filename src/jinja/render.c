/* Statements: text out, scopes in and out. A for loop and a with open a scope; an if does not. */
#include "jinja/tree.h"

static int run(struct jinja_state *state, const struct jinja_node *node, struct mr_error *err);

static void set_variable(struct jinja_state *state, mr_str name, struct jinja_value value)
{
	for (size_t i = state->frame; i < state->variables.len; i++) {
		if (mr_str_eq(state->variables.items[i].name, name)) {
			state->variables.items[i].value = value;
			return;
		}
	}
	mr_vec_push(&state->variables, (struct jinja_variable){name, value});
}

static int assign(struct jinja_state *state, const struct jinja_node *node, struct jinja_value value,
		  struct mr_error *err)
{
	const struct jinja_value *items;
	size_t count;
	if (node->named == 1) {
		set_variable(state, node->names[0], value);
		return 0;
	}
	int rc = eval_items(state, value, &items, &count, err);
	if (rc == 0 && count != node->named) {
		rc = mr_fail(err, MR_ERR_INVALID, "%zu values for %zu names", count, node->named);
		return jinja_fail_at(state->template->source, node->at, rc, err);
	}
	for (size_t i = 0; rc == 0 && i < count; i++)
		set_variable(state, node->names[i], items[i]);
	return rc;
}

static int is_true(struct jinja_state *state, const struct jinja_node *node, bool *out, struct mr_error *err)
{
	struct jinja_value v;
	int rc = eval(state, node, &v, err);
	if (rc == 0 && v.type == JINJA_UNDEFINED) {
		rc = mr_fail(err, MR_ERR_INVALID, "'%.*s' is undefined", MR_FMT(v.text));
		return jinja_fail_at(state->template->source, node->at, rc, err);
	}
	if (rc == 0)
		*out = jinja_truth(v);
	return rc;
}

static size_t open_scope(struct jinja_state *state)
{
	size_t outer = state->frame;
	state->frame = state->variables.len;
	return outer;
}

static void close_scope(struct jinja_state *state, size_t outer)
{
	state->variables.len = state->frame;
	state->frame = outer;
}

struct loop_place {
	const struct jinja_value *items;
	size_t index, count;
};

static int loop_get(const struct jinja_object *object, struct jinja_state *state, mr_str name,
		    struct jinja_value *out, struct mr_error *err)
{
	const struct loop_place *loop = object->data;
	size_t i = loop->index, n = loop->count;
	if (mr_str_is(name, "index"))
		*out = jinja_int((int64_t)i + 1);
	else if (mr_str_is(name, "index0"))
		*out = jinja_int((int64_t)i);
	else if (mr_str_is(name, "revindex"))
		*out = jinja_int((int64_t)(n - i));
	else if (mr_str_is(name, "revindex0"))
		*out = jinja_int((int64_t)(n - i) - 1);
	else if (mr_str_is(name, "first") || mr_str_is(name, "last"))
		*out = jinja_bool(mr_str_is(name, "first") ? i == 0 : i + 1 == n);
	else if (mr_str_is(name, "length"))
		*out = jinja_int((int64_t)n);
	else if (mr_str_is(name, "previtem") && i > 0)
		*out = loop->items[i - 1];
	else if (mr_str_is(name, "nextitem") && i + 1 < n)
		*out = loop->items[i + 1];
	else if (mr_str_is(name, "depth") || mr_str_is(name, "depth0"))
		*out = jinja_int(mr_str_is(name, "depth"));
	else
		return 1;
	return 0;
}

static int loop_call(const struct jinja_object *object, struct jinja_state *state, mr_str name,
		     const struct jinja_args *args, struct jinja_value *out, struct mr_error *err)
{
	const struct loop_place *loop = object->data;
	if (!mr_str_is(name, "cycle"))
		return 1;
	if (args->count == 0)
		return mr_fail(err, MR_ERR_INVALID, "loop.cycle needs values");
	*out = args->items[loop->index % args->count];
	return 0;
}

static const struct jinja_object_ops loop_ops = {.get = loop_get, .call = loop_call};

/* The elements that the loop's own if lets through. */
static int loop_elements(struct jinja_state *state, const struct jinja_node *node,
			 const struct jinja_value **items, size_t *count, struct mr_error *err)
{
	struct jinja_value v;
	int rc = eval(state, node->a, &v, err);
	if (rc == 0)
		rc = eval_items(state, v, items, count, err);
	if (rc != 0 && err && strncmp(err->message, "line ", 5) != 0)
		jinja_fail_at(state->template->source, node->a->at, rc, err);
	if (rc != 0 || !node->c)
		return rc;
	struct jinja_value kept = jinja_list_new(state->arena, JINJA_LIST, 0);
	for (size_t i = 0; rc == 0 && i < *count; i++) {
		bool keep = false;
		size_t outer = open_scope(state);
		rc = assign(state, node, (*items)[i], err);
		if (rc == 0)
			rc = is_true(state, node->c, &keep, err);
		close_scope(state, outer);
		if (rc == 0 && keep)
			jinja_list_push(state->arena, kept.list, (*items)[i]);
	}
	*items = kept.list->items;
	*count = kept.list->count;
	return rc;
}

static int run_for(struct jinja_state *state, const struct jinja_node *node, struct mr_error *err)
{
	const struct jinja_value *items;
	size_t count;
	int rc = loop_elements(state, node, &items, &count, err);
	if (rc == 0 && count == 0)
		return node->d ? run(state, node->d, err) : 0;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct loop_place *place = arena_alloc(state->arena, sizeof *place);
		struct jinja_object *loop = arena_alloc(state->arena, sizeof *loop);
		*place = (struct loop_place){items, i, count};
		*loop = (struct jinja_object){&loop_ops, "loop", place};
		size_t outer = open_scope(state);
		set_variable(state, MR_STR("loop"), jinja_object(loop));
		rc = assign(state, node, items[i], err);
		if (rc == 0)
			rc = run(state, node->b, err);
		close_scope(state, outer);
	}
	return rc;
}

static int run_set(struct jinja_state *state, const struct jinja_node *node, struct mr_error *err)
{
	struct jinja_value value;
	if (!node->b) {
		int rc = eval(state, node->a, &value, err);
		return rc == 0 ? assign(state, node, value, err) : rc;
	}
	struct mr_buf text, *out = state->out;
	mr_buf_init(&text, JINJA_OUTPUT_BYTES_MAX);
	state->out = &text;
	size_t outer = open_scope(state);
	int rc = run(state, node->b, err);
	close_scope(state, outer);
	state->out = out;
	if (rc != 0) {
		mr_buf_release(&text);
		return rc;
	}
	rc = jinja_take(state, &text, &value, err);
	state->block = value;
	if (rc == 0 && node->a)
		rc = eval(state, node->a, &value, err);
	return rc == 0 ? assign(state, node, value, err) : rc;
}

static int run_with(struct jinja_state *state, const struct jinja_node *node, struct mr_error *err)
{
	struct jinja_value *values = arena_alloc(state->arena, (node->count + 1) * sizeof *values);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < node->count; i++)
		rc = eval(state, node->items[i], &values[i], err);
	size_t outer = open_scope(state);
	for (size_t i = 0; rc == 0 && i < node->count; i++)
		set_variable(state, node->names[i], values[i]);
	if (rc == 0)
		rc = run(state, node->b, err);
	close_scope(state, outer);
	return rc;
}

static int run_print(struct jinja_state *state, const struct jinja_node *node, struct mr_error *err)
{
	struct jinja_value value;
	int rc = eval(state, node->a, &value, err);
	if (rc != 0)
		return rc;
	rc = jinja_put_str(state, state->out, value, err);
	return rc == 0 ? 0 : jinja_fail_at(state->template->source, node->a->at, rc, err);
}

static int run(struct jinja_state *state, const struct jinja_node *node, struct mr_error *err)
{
	struct jinja_value ignored;
	bool holds;
	int rc = jinja_charge(state, 1, 0, err);
	if (rc != 0)
		return rc;
	switch (node->kind) {
	case NODE_TEXT:
		mr_buf_str(state->out, node->text);
		break;
	case NODE_PRINT:
		rc = run_print(state, node, err);
		break;
	case NODE_DO:
		return eval(state, node->a, &ignored, err);
	case NODE_IF:
		rc = is_true(state, node->a, &holds, err);
		if (rc == 0 && (holds || node->c))
			rc = run(state, holds ? node->b : node->c, err);
		return rc;
	case NODE_FOR:
		return run_for(state, node, err);
	case NODE_SET:
		return run_set(state, node, err);
	case NODE_WITH:
		return run_with(state, node, err);
	default:
		for (size_t i = 0; rc == 0 && i < node->count; i++)
			rc = run(state, node->items[i], err);
		return rc;
	}
	if (rc == 0 && state->out->overflow)
		rc = mr_fail(err, MR_ERR_LIMIT, "the template makes more than %zu bytes of text",
			     state->out->limit);
	return rc;
}

int jinja_render(const struct jinja_template *template, const struct jinja_context *context,
		 struct arena *arena, struct mr_buf *out, struct mr_error *err)
{
	struct mr_buf text;
	struct mr_error own;
	mr_buf_init(&text, JINJA_OUTPUT_BYTES_MAX);
	struct jinja_state state = {.template = template, .context = context, .arena = arena, .out = &text};
	int rc = run(&state, template->root, err ? err : &own);
	if (rc == 0)
		mr_buf_str(out, mr_buf_view(&text));
	mr_vec_release(&state.variables);
	mr_buf_release(&text);
	return rc;
}
