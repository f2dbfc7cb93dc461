/* Expressions into values. Every node costs a step. */
#include "jinja/tree.h"

#include "codec/utf8.h"

static const struct jinja_variable *find_variable(const struct jinja_state *state, mr_str name)
{
	for (size_t i = state->variables.len; i-- > 0;)
		if (mr_str_eq(state->variables.items[i].name, name))
			return &state->variables.items[i];
	return NULL;
}

static int eval_name(struct jinja_state *state, mr_str name, struct jinja_value *out, struct mr_error *err)
{
	const struct jinja_variable *variable = find_variable(state, name);
	const struct jinja_context *context = state->context;
	if (variable) {
		*out = variable->value;
		return 0;
	}
	int rc = context && context->lookup ? context->lookup(context->arg, state, name, out, err) : 1;
	if (rc == 1)
		*out = jinja_undefined(name);
	return rc < 0 ? rc : 0;
}

static int undefined_base(struct jinja_value v, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_INVALID, "'%.*s' is undefined", MR_FMT(v.text));
}

int eval_attribute(struct jinja_state *state, struct jinja_value v, mr_str name, struct jinja_value *out,
		   struct mr_error *err)
{
	const struct jinja_value *found;
	switch (v.type) {
	case JINJA_UNDEFINED:
		return undefined_base(v, err);
	case JINJA_DICT:
		found = jinja_dict_get(v.dict, jinja_str(name));
		if (!found)
			return 1;
		*out = *found;
		return 0;
	case JINJA_OBJECT:
		return v.object->ops->get ? v.object->ops->get(v.object, state, name, out, err) : 1;
	case JINJA_TIME:
	case JINJA_DELTA:
		return time_attribute(v, name, out);
	default:
		return 1;
	}
}

static mr_str char_at(mr_str s, size_t index)
{
	size_t at = 0;
	for (; at < s.len && index > 0; index--)
		at += mr_max_size(1, utf8_sequence((const unsigned char *)s.ptr + at, s.len - at));
	if (at >= s.len)
		return MR_STR_NULL;
	return mr_str_n(s.ptr + at,
			mr_max_size(1, utf8_sequence((const unsigned char *)s.ptr + at, s.len - at)));
}

int eval_item(struct jinja_state *state, struct jinja_value v, struct jinja_value key,
	      struct jinja_value *out, struct mr_error *err)
{
	int64_t index;
	if (v.type == JINJA_UNDEFINED)
		return undefined_base(v, err);
	if (v.type == JINJA_DICT) {
		int rc = jinja_charge(state, v.dict->count / 64, 0, err);
		const struct jinja_value *found = rc == 0 ? jinja_dict_get(v.dict, key) : NULL;
		if (found)
			*out = *found;
		return rc != 0 ? rc : found ? 0 : 1;
	}
	if ((jinja_is_list(v) || v.type == JINJA_STR) && jinja_as_int(key, &index)) {
		int64_t count = (int64_t)(jinja_is_list(v) ? v.list->count : utf8_count(v.text));
		index += index < 0 ? count : 0;
		if (index < 0 || index >= count)
			return 1;
		*out = jinja_is_list(v) ? v.list->items[index] : jinja_str(char_at(v.text, (size_t)index));
		return 0;
	}
	return key.type == JINJA_STR ? eval_attribute(state, v, key.text, out, err) : 1;
}

/* Something that is not there is undefined; its name helps the message. */
static int or_undefined(struct jinja_state *state, int rc, mr_str name, struct jinja_value *out)
{
	if (rc == 1)
		*out = jinja_undefined(arena_copy(state->arena, name));
	return rc < 0 ? rc : 0;
}

static int eval_member(struct jinja_state *state, const struct jinja_node *node, struct jinja_value *out,
		       struct mr_error *err)
{
	struct jinja_value base, key;
	mr_str name = node->text;
	int rc = eval(state, node->a, &base, err);
	if (rc != 0)
		return rc;
	if (node->kind == NODE_ATTR)
		return or_undefined(state, eval_attribute(state, base, name, out, err), name, out);
	rc = eval(state, node->b, &key, err);
	if (rc == 0)
		rc = jinja_text(state, key, &name, err);
	return rc == 0 ? or_undefined(state, eval_item(state, base, key, out, err), name, out) : rc;
}

static int slice_bound(struct jinja_state *state, const struct jinja_node *node, int64_t preset, int64_t *out,
		       struct mr_error *err)
{
	struct jinja_value v = jinja_none();
	int rc = node ? eval(state, node, &v, err) : 0;
	*out = preset;
	if (rc == 0 && v.type != JINJA_NONE && !jinja_as_int(v, out))
		rc = mr_fail(err, MR_ERR_INVALID, "slice indices are integers, not %s", jinja_type_name(v));
	return rc;
}

static int64_t clamp_bound(int64_t at, int64_t count, int64_t step)
{
	at += at < 0 ? count : 0;
	int64_t least = step < 0 ? -1 : 0, most = step < 0 ? count - 1 : count;
	return at < least ? least : at > most ? most : at;
}

static int eval_slice(struct jinja_state *state, const struct jinja_node *node, struct jinja_value *out,
		      struct mr_error *err)
{
	struct jinja_value base;
	const struct jinja_value *items;
	size_t count;
	int64_t from, to, step;
	int rc = eval(state, node->a, &base, err);
	if (rc == 0 && base.type != JINJA_STR && !jinja_is_list(base))
		rc = mr_fail(err, MR_ERR_INVALID, "cannot take a slice of %s", jinja_type_name(base));
	if (rc == 0)
		rc = eval_items(state, base, &items, &count, err);
	if (rc == 0)
		rc = slice_bound(state, node->items[2], 1, &step, err);
	if (rc == 0 && step == 0)
		rc = mr_fail(err, MR_ERR_INVALID, "a slice's step cannot be zero");
	int64_t n = rc == 0 ? (int64_t)count : 0;
	if (rc == 0)
		rc = slice_bound(state, node->items[0], step < 0 ? n : 0, &from, err);
	if (rc == 0)
		rc = slice_bound(state, node->items[1], step < 0 ? -n - 1 : n, &to, err);
	if (rc != 0)
		return rc;
	from = clamp_bound(from, n, step);
	to = clamp_bound(to, n, step);
	struct jinja_value list =
	    jinja_list_new(state->arena, base.type == JINJA_STR ? JINJA_LIST : base.type, 0);
	struct mr_buf text = {0};
	for (int64_t i = from; step > 0 ? i < to : i > to;) {
		if (base.type == JINJA_STR)
			mr_buf_str(&text, items[i].text);
		else
			jinja_list_push(state->arena, list.list, items[i]);
		if (__builtin_add_overflow(i, step, &i))
			break;
	}
	if (base.type == JINJA_STR)
		return jinja_take(state, &text, out, err);
	*out = list;
	return 0;
}

/* The values of a call's parentheses, in the arena. */
static int eval_args(struct jinja_state *state, const struct jinja_node *node, struct jinja_args *args,
		     struct mr_error *err)
{
	struct jinja_value *values = arena_alloc(state->arena, (node->count + 1) * sizeof *values);
	for (size_t i = 0; i < node->count; i++) {
		int rc = eval(state, node->items[i], &values[i], err);
		if (rc != 0)
			return rc;
	}
	size_t positional = node->count - node->named;
	*args = (struct jinja_args){values, positional, node->names, values + positional, node->named};
	return 0;
}

int jinja_run(struct jinja_state *state, const struct jinja_function *function, struct jinja_value input,
	      const struct jinja_args *args, struct jinja_value *out, struct mr_error *err)
{
	size_t count = 0;
	while (count < MR_COUNT(function->names) && function->names[count])
		count++;
	if (input.type == JINJA_UNDEFINED && !function->sees_undefined)
		return undefined_base(input, err);
	int rc = function->flag < 0 ? 0 : jinja_check_args(args, function->name, function->names, count, err);
	return rc == 0 ? function->run(state, input, args, out, err) : rc;
}

static int eval_function(struct jinja_state *state, const struct jinja_node *node, struct jinja_value *out,
			 struct mr_error *err)
{
	struct jinja_value input = state->block;
	struct jinja_args args;
	int rc = node->a ? eval(state, node->a, &input, err) : 0;
	if (rc == 0)
		rc = eval_args(state, node, &args, err);
	return rc == 0 ? jinja_run(state, node->function, input, &args, out, err) : rc;
}

static int call_name(struct jinja_state *state, mr_str name, const struct jinja_args *args,
		     struct jinja_value *out, struct mr_error *err)
{
	const struct jinja_context *context = state->context;
	const struct jinja_function *global = jinja_find_global(name);
	struct jinja_value none = jinja_none();
	int rc = context && context->call ? context->call(context->arg, state, name, args, out, err) : 1;
	if (rc == 1 && global)
		return jinja_run(state, global, none, args, out, err);
	return rc == 1 ? mr_fail(err, MR_ERR_INVALID, "'%.*s' cannot be called", MR_FMT(name)) : rc;
}

static int eval_call(struct jinja_state *state, const struct jinja_node *node, struct jinja_value *out,
		     struct mr_error *err)
{
	const struct jinja_node *callee = node->a;
	struct jinja_value base;
	struct jinja_args args;
	int rc = callee->kind == NODE_ATTR ? eval(state, callee->a, &base, err) : 0;
	if (rc == 0)
		rc = eval_args(state, node, &args, err);
	if (rc != 0)
		return rc;
	if (callee->kind == NODE_NAME)
		return call_name(state, callee->text, &args, out, err);
	rc = eval_method(state, base, callee->text, &args, out, err);
	if (rc != 1)
		return rc;
	return mr_fail(err, MR_ERR_INVALID, "%s has no method '%.*s'",
		       base.type == JINJA_OBJECT ? base.object->name : jinja_type_name(base),
		       MR_FMT(callee->text));
}

static int eval_comparisons(struct jinja_state *state, const struct jinja_node *node, struct jinja_value *out,
			    struct mr_error *err)
{
	struct jinja_value left, right;
	bool holds = true;
	int rc = eval(state, node->a, &left, err);
	for (size_t i = 0; rc == 0 && holds && i < node->count; i++) {
		rc = eval(state, node->items[i], &right, err);
		if (rc == 0 && jinja_is_list(right))
			rc = jinja_charge(state, right.list->count / 16, 0, err);
		if (rc == 0)
			rc = eval_compare(node->ops[i], left, right, &holds, err);
		left = right;
	}
	if (rc == 0)
		*out = jinja_bool(holds);
	return rc;
}

static int eval_collection(struct jinja_state *state, const struct jinja_node *node, struct jinja_value *out,
			   struct mr_error *err)
{
	struct jinja_value item, value;
	int rc = jinja_charge(state, 0, node->count * sizeof item, err);
	if (node->kind == NODE_DICT) {
		*out = jinja_dict_new(state->arena, node->count / 2);
		for (size_t i = 0; rc == 0 && i + 1 < node->count; i += 2) {
			rc = eval(state, node->items[i], &item, err);
			if (rc == 0)
				rc = eval(state, node->items[i + 1], &value, err);
			if (rc == 0)
				jinja_dict_put(state->arena, out->dict, item, value);
		}
		return rc;
	}
	*out = jinja_list_new(state->arena, node->kind == NODE_LIST ? JINJA_LIST : JINJA_TUPLE, node->count);
	for (size_t i = 0; rc == 0 && i < node->count; i++) {
		rc = eval(state, node->items[i], &item, err);
		if (rc == 0)
			jinja_list_push(state->arena, out->list, item);
	}
	return rc;
}

/* The truth of an undefined value is an error: StrictUndefined. */
static int eval_truth(struct jinja_state *state, const struct jinja_node *node, bool *out,
		      struct mr_error *err)
{
	struct jinja_value v;
	int rc = eval(state, node, &v, err);
	if (rc == 0 && v.type == JINJA_UNDEFINED)
		rc = undefined_base(v, err);
	if (rc == 0)
		*out = jinja_truth(v);
	return rc;
}

static int eval_logic(struct jinja_state *state, const struct jinja_node *node, struct jinja_value *out,
		      struct mr_error *err)
{
	struct jinja_value left;
	bool truth;
	int rc;
	if (node->kind == NODE_COND) {
		rc = eval_truth(state, node->a, &truth, err);
		if (rc == 0 && !truth && !node->c) {
			*out = jinja_undefined(MR_STR("the inline if's missing else"));
			return 0;
		}
		return rc == 0 ? eval(state, truth ? node->b : node->c, out, err) : rc;
	}
	if (node->kind == NODE_NOT) {
		rc = eval_truth(state, node->a, &truth, err);
		if (rc == 0)
			*out = jinja_bool(!truth);
		return rc;
	}
	rc = eval(state, node->a, &left, err);
	if (rc == 0 && left.type == JINJA_UNDEFINED)
		rc = undefined_base(left, err);
	if (rc != 0)
		return rc;
	if (jinja_truth(left) == (node->kind == NODE_OR)) {
		*out = left;
		return 0;
	}
	return eval(state, node->b, out, err);
}

static int eval_sign(struct jinja_state *state, const struct jinja_node *node, struct jinja_value *out,
		     struct mr_error *err)
{
	struct jinja_value v;
	int rc = eval(state, node->a, &v, err);
	if (rc != 0)
		return rc;
	if (v.type == JINJA_DELTA && node->kind == NODE_NEG && v.us != INT64_MIN) {
		*out = jinja_delta(-v.us);
		return 0;
	}
	if (v.type == JINJA_FLOAT) { /* 0 - 0.0 would lose the sign */
		*out = jinja_float(node->kind == NODE_NEG ? -v.number : v.number);
		return 0;
	}
	return eval_binary(state, node->kind == NODE_NEG ? OP_SUB : OP_ADD, jinja_int(0), v, out, err);
}

static int eval_node(struct jinja_state *state, const struct jinja_node *node, struct jinja_value *out,
		     struct mr_error *err)
{
	struct jinja_value a, b;
	int rc;
	switch (node->kind) {
	case NODE_CONST:
		*out = node->value;
		return 0;
	case NODE_NAME:
		return eval_name(state, node->text, out, err);
	case NODE_ATTR:
	case NODE_ITEM:
		return eval_member(state, node, out, err);
	case NODE_SLICE:
		return eval_slice(state, node, out, err);
	case NODE_CALL:
		return eval_call(state, node, out, err);
	case NODE_FILTER:
	case NODE_TEST:
		return eval_function(state, node, out, err);
	case NODE_NEG:
	case NODE_POS:
		return eval_sign(state, node, out, err);
	case NODE_BINARY:
		rc = eval(state, node->a, &a, err);
		if (rc == 0)
			rc = eval(state, node->b, &b, err);
		return rc == 0 ? eval_binary(state, node->op, a, b, out, err) : rc;
	case NODE_COMPARE:
		return eval_comparisons(state, node, out, err);
	case NODE_LIST:
	case NODE_TUPLE:
	case NODE_DICT:
		return eval_collection(state, node, out, err);
	default:
		return eval_logic(state, node, out, err);
	}
}

int eval(struct jinja_state *state, const struct jinja_node *node, struct jinja_value *out,
	 struct mr_error *err)
{
	struct mr_error own = {0};
	struct mr_error *to = err ? err : &own;
	int rc = ++state->depth > 4 * JINJA_DEPTH_MAX ? mr_fail(to, MR_ERR_LIMIT, "nested too deep")
						      : jinja_charge(state, 1, 0, to);
	if (rc == 0)
		rc = eval_node(state, node, out, to);
	state->depth--;
	/* The innermost expression names the place; those around it leave it alone. */
	if (rc < 0 && strncmp(to->message, "line ", 5) != 0)
		jinja_fail_at(state->template->source, node->at, rc, to);
	return rc;
}

int eval_items(struct jinja_state *state, struct jinja_value v, const struct jinja_value **items,
	       size_t *count, struct mr_error *err)
{
	int rc = 0;
	if (jinja_is_list(v)) {
		*items = v.list->items;
		*count = v.list->count;
		return 0;
	}
	struct jinja_value list = jinja_list_new(state->arena, JINJA_LIST, 0);
	if (v.type == JINJA_DICT) {
		rc = jinja_charge(state, v.dict->count, v.dict->count * sizeof v, err);
		for (size_t i = 0; rc == 0 && i < v.dict->count; i++)
			jinja_list_push(state->arena, list.list, v.dict->pairs[i].key);
	} else if (v.type == JINJA_STR) {
		rc = jinja_charge(state, v.text.len, v.text.len * sizeof v, err);
		for (size_t i = 0, n; rc == 0 && i < v.text.len; i += n) {
			n = mr_max_size(1,
					utf8_sequence((const unsigned char *)v.text.ptr + i, v.text.len - i));
			jinja_list_push(state->arena, list.list, jinja_str(mr_str_n(v.text.ptr + i, n)));
		}
	} else if (v.type == JINJA_UNDEFINED) {
		rc = undefined_base(v, err);
	} else {
		rc = mr_fail(err, MR_ERR_INVALID, "%s has no elements to go through", jinja_type_name(v));
	}
	*items = list.list->items;
	*count = list.list->count;
	return rc;
}
