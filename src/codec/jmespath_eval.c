#include "codec/jmespath_tree.h"

static int eval(struct jp_run *run, const struct jp_node *node, const struct jmespath_value *at,
		struct jmespath_value *out);

/* Element `index` of an array; negative counts from the end. */
static struct jmespath_value element(const struct jmespath_value *v, int64_t index)
{
	int64_t count = v->type == JSON_ARRAY ? (int64_t)jp_count(v) : 0;
	if (index < 0)
		index += count;
	if (index < 0 || index >= count)
		return jp_null();
	if (json_present(v->node))
		return jp_from_json(json_at(v->node, (size_t)index));
	return v->items[index];
}

/* ---- projections: every element goes through `right`; nulls fall out ---- */

static int project(struct jp_run *run, const struct jp_node *right,
		   const struct jmespath_value *element_value, struct jmespath_value *list)
{
	struct jmespath_value v;
	int rc = eval(run, right, element_value, &v);
	if (rc == 0 && v.type != JSON_NULL)
		list->items[list->count++] = v;
	return rc;
}

static int eval_projection(struct jp_run *run, const struct jp_node *node, const struct jmespath_value *of,
			   struct jmespath_value *out)
{
	enum json_type want = node->kind == JP_OBJECT_PROJECTION ? JSON_OBJECT : JSON_ARRAY;
	struct jmespath_value list, condition;
	if (of->type != want) {
		*out = jp_null();
		return 0;
	}
	int rc = jp_make_array(run, jp_count(of), &list);
	for (struct jp_iter it = jp_iter(of); rc == 0 && jp_next(&it);) {
		if (node->kind == JP_FILTER) {
			rc = eval(run, node->condition, &it.value, &condition);
			if (rc < 0 || !jmespath_truthy(&condition))
				continue;
		}
		rc = project(run, node->right, &it.value, &list);
	}
	if (rc == 0)
		*out = list;
	return rc;
}

static int eval_flatten(struct jp_run *run, const struct jp_node *node, const struct jmespath_value *of,
			struct jmespath_value *out)
{
	if (of->type != JSON_ARRAY) {
		*out = jp_null();
		return 0;
	}
	size_t count = 0;
	for (struct jp_iter it = jp_iter(of); jp_next(&it);)
		count += it.value.type == JSON_ARRAY ? jp_count(&it.value) : 1;
	struct jmespath_value list;
	int rc = jp_make_array(run, count, &list);
	for (struct jp_iter it = jp_iter(of); rc == 0 && jp_next(&it);) {
		struct jmespath_value inner = it.value;
		if (inner.type != JSON_ARRAY) {
			rc = project(run, node->right, &inner, &list);
			continue;
		}
		for (struct jp_iter in = jp_iter(&inner); rc == 0 && jp_next(&in);)
			rc = project(run, node->right, &in.value, &list);
	}
	if (rc == 0)
		*out = list;
	return rc;
}

/* One end of a slice brought into the array, as the specification says. */
static int64_t slice_end(bool given, int64_t at, int64_t count, bool backwards, bool is_start)
{
	if (!given)
		return is_start == backwards ? (backwards ? count - 1 : count) : (backwards ? -1 : 0);
	if (at < 0)
		at += count;
	if (at < 0)
		return backwards ? -1 : 0;
	if (at >= count)
		return backwards ? count - 1 : count;
	return at;
}

static int eval_slice(struct jp_run *run, const struct jp_node *node, const struct jmespath_value *of,
		      struct jmespath_value *out)
{
	if (of->type != JSON_ARRAY) {
		*out = jp_null();
		return 0;
	}
	/* json_at counts from the start each time, so the elements are laid out first. */
	struct jmespath_value all, list;
	int rc = jp_make_array(run, jp_count(of), &all);
	if (rc == 0)
		rc = jp_make_array(run, jp_count(of), &list);
	if (rc < 0)
		return rc;
	for (struct jp_iter it = jp_iter(of); jp_next(&it);)
		all.items[all.count++] = it.value;
	const struct jp_slice *s = &node->slice;
	bool back = s->step < 0;
	int64_t count = (int64_t)all.count;
	int64_t i = slice_end(s->has_start, s->start, count, back, true);
	int64_t stop = slice_end(s->has_stop, s->stop, count, back, false);
	while (rc == 0 && (back ? i > stop : i < stop)) {
		rc = project(run, node->right, &all.items[i], &list);
		i += s->step;
	}
	if (rc == 0)
		*out = list;
	return rc;
}

/* ---- the rest ---- */

static int eval_compare(struct jp_run *run, const struct jp_node *node, const struct jmespath_value *at,
			struct jmespath_value *out)
{
	struct jmespath_value a, b;
	int rc = eval(run, node->left, at, &a);
	if (rc == 0)
		rc = eval(run, node->right, at, &b);
	if (rc < 0)
		return rc;
	if (node->compare == JP_EQ || node->compare == JP_NE) {
		*out = jp_bool(jp_equal(&a, &b) == (node->compare == JP_EQ));
	} else if (!jp_is_number(&a) || !jp_is_number(&b)) {
		*out = jp_null(); /* order is defined for numbers only */
	} else {
		bool less = a.number<b.number, more = a.number> b.number;
		bool holds[] = {[JP_LT] = less, [JP_LE] = !more, [JP_GT] = more, [JP_GE] = !less};
		*out = jp_bool(holds[node->compare]);
	}
	return 0;
}

/* A multi-select list or hash; null stays null. */
static int eval_multi(struct jp_run *run, const struct jp_node *node, const struct jmespath_value *at,
		      struct jmespath_value *out)
{
	if (at->type == JSON_NULL) {
		*out = jp_null();
		return 0;
	}
	struct jmespath_value list;
	int rc = jp_make_array(run, node->child_count, &list);
	for (; rc == 0 && list.count < node->child_count; list.count++)
		rc = eval(run, node->children[list.count], at, &list.items[list.count]);
	if (rc < 0)
		return rc;
	if (node->kind == JP_MULTI_HASH) {
		list.type = JSON_OBJECT;
		list.names = node->names;
	}
	*out = list;
	return 0;
}

static int eval_function(struct jp_run *run, const struct jp_node *node, const struct jmespath_value *at,
			 struct jmespath_value *out)
{
	struct jmespath_value args;
	int rc = jp_make_array(run, node->child_count, &args);
	for (; rc == 0 && args.count < node->child_count; args.count++)
		rc = eval(run, node->children[args.count], at, &args.items[args.count]);
	return rc < 0 ? rc : node->function->call(run, args.items, args.count, out);
}

/* Nodes whose left side is evaluated first and looked at next. */
static int eval_chained(struct jp_run *run, const struct jp_node *node, const struct jmespath_value *at,
			struct jmespath_value *out)
{
	struct jmespath_value left;
	int rc = eval(run, node->left, at, &left);
	if (rc < 0)
		return rc;
	switch (node->kind) {
	case JP_SUB:
	case JP_PIPE:
		return eval(run, node->right, &left, out);
	case JP_FLATTEN:
		return eval_flatten(run, node, &left, out);
	case JP_SLICE_PROJECTION:
		return eval_slice(run, node, &left, out);
	case JP_NOT:
		*out = jp_bool(!jmespath_truthy(&left));
		return 0;
	case JP_AND:
	case JP_OR:
		if (jmespath_truthy(&left) == (node->kind == JP_AND))
			return eval(run, node->right, at, out);
		*out = left;
		return 0;
	default:
		return eval_projection(run, node, &left, out);
	}
}

static int eval(struct jp_run *run, const struct jp_node *node, const struct jmespath_value *at,
		struct jmespath_value *out)
{
	switch (node->kind) {
	case JP_CURRENT:
		*out = *at;
		return 0;
	case JP_FIELD:
		*out = jp_field(at, node->text);
		return 0;
	case JP_INDEX:
		*out = element(at, node->index);
		return 0;
	case JP_LITERAL:
		*out = node->literal;
		return 0;
	case JP_COMPARE:
		return eval_compare(run, node, at, out);
	case JP_MULTI_LIST:
	case JP_MULTI_HASH:
		return eval_multi(run, node, at, out);
	case JP_FUNCTION:
		return eval_function(run, node, at, out);
	default:
		return eval_chained(run, node, at, out);
	}
}

int jmespath_eval(const struct jmespath *expression, struct jmespath_evaluator *evaluator,
		  struct json_value document, struct jmespath_value *out, struct mr_error *err)
{
	arena_reset(&evaluator->arena);
	evaluator->items_made = evaluator->bytes_made = 0;
	struct jp_run run = {evaluator, err};
	struct jmespath_value at = jp_from_json(document);
	return eval(&run, expression->root, &at, out);
}

void jmespath_evaluator_release(struct jmespath_evaluator *evaluator)
{
	arena_release(&evaluator->arena);
}
