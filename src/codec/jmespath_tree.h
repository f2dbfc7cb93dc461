/* codec/jmespath_tree.h - the tree between the parser and the evaluator. Only for codec/jmespath_*. */
#pragma once

#include "codec/jmespath.h"

enum jp_kind {
	JP_CURRENT,           /* @ */
	JP_FIELD,             /* text */
	JP_INDEX,             /* index */
	JP_LITERAL,           /* literal */
	JP_SUB,               /* left . right */
	JP_PIPE,              /* left | right: as JP_SUB, but ends a projection */
	JP_LIST_PROJECTION,   /* left[*] right */
	JP_SLICE_PROJECTION,  /* left[start:stop:step] right */
	JP_OBJECT_PROJECTION, /* left.* right */
	JP_FLATTEN,           /* left[] right */
	JP_FILTER,            /* left[?condition] right */
	JP_AND,
	JP_OR,
	JP_NOT,        /* left */
	JP_COMPARE,    /* left op right */
	JP_MULTI_LIST, /* children */
	JP_MULTI_HASH, /* names and children */
	JP_FUNCTION,   /* function, children */
};

enum jp_compare { JP_EQ, JP_NE, JP_LT, JP_LE, JP_GT, JP_GE };

struct jp_slice {
	bool has_start, has_stop;
	int64_t start, stop, step;
};

struct jp_node {
	enum jp_kind kind;
	mr_str text;
	int64_t index;
	struct jp_slice slice;
	enum jp_compare compare;
	struct jmespath_value literal;
	const struct jp_function *function;
	struct jp_node *left, *right, *condition;
	struct jp_node **children;
	mr_str *names;
	size_t child_count;
};

struct jp_literal { /* keeps the document of a `literal` */
	struct json_parser *parser;
	struct jp_literal *next;
};

struct jmespath {
	struct arena arena;
	struct jp_node *root;
	struct jp_literal *literals;
};

/* What an evaluation and its functions share. */
struct jp_run {
	struct jmespath_evaluator *evaluator;
	struct mr_error *err;
};

struct jp_function {
	const char *name;
	int args_min, args_max; /* -1: any number */
	int (*call)(struct jp_run *run, const struct jmespath_value *args, size_t count,
		    struct jmespath_value *out);
};

const struct jp_function *jp_function_find(mr_str name); /* codec/jmespath_functions.c */
const char *jp_function_names(void);

/* ---- values; codec/jmespath_value.c ---- */

struct jmespath_value jp_null(void);
struct jmespath_value jp_bool(bool v);
struct jmespath_value jp_number(double v);
struct jmespath_value jp_string(mr_str v);
struct jmespath_value jp_from_json(struct json_value v); /* absent becomes null */

size_t jp_count(const struct jmespath_value *v); /* of arrays and objects, else 0 */
struct jmespath_value jp_field(const struct jmespath_value *v, mr_str name);
bool jp_equal(const struct jmespath_value *a, const struct jmespath_value *b);
bool jp_is_number(const struct jmespath_value *v);

/* Over the elements of an array or the members of an object, wherever they are. */
struct jp_iter {
	const struct jmespath_value *of;
	struct json_iter json;
	size_t at;
	mr_str name;
	struct jmespath_value value;
};
struct jp_iter jp_iter(const struct jmespath_value *v);
bool jp_next(struct jp_iter *it);

/* Room for `count` elements from the evaluator's budget: MR_ERR_LIMIT when it is used up. */
MR_NODISCARD int jp_make_array(struct jp_run *run, size_t count, struct jmespath_value *out);
MR_NODISCARD int jp_make_text(struct jp_run *run, mr_str text, mr_str *out);
