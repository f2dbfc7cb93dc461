/* jinja/tree.h - a parsed template. Nodes live in the template's arena and are not changed once
 * parsed. Shared by the parser and the evaluator only. */
#pragma once

#include "base/vec.h"
#include "jinja/jinja.h"
#include "jinja/lex.h"

enum jinja_node_kind {
	/* expressions */
	NODE_CONST,   /* value */
	NODE_NAME,    /* text */
	NODE_ATTR,    /* a.text */
	NODE_ITEM,    /* a[b] */
	NODE_SLICE,   /* a[items[0]:items[1]:items[2]]; any may be NULL */
	NODE_CALL,    /* a(args): a is a NAME or an ATTR */
	NODE_FILTER,  /* a|text(args) */
	NODE_TEST,    /* a is text(args) */
	NODE_NOT,     /* a */
	NODE_NEG,     /* a */
	NODE_POS,     /* a */
	NODE_BINARY,  /* a op b */
	NODE_COMPARE, /* a, then items[i] by ops[i] */
	NODE_AND,     /* a and b */
	NODE_OR,
	NODE_COND, /* b if a else c (may be NULL) */
	NODE_LIST, /* items */
	NODE_TUPLE,
	NODE_DICT, /* items: key, value, key, value */
	/* statements */
	NODE_TEXT,  /* text */
	NODE_PRINT, /* a */
	NODE_DO,    /* a */
	NODE_BLOCK, /* items */
	NODE_IF,    /* a: condition, b: block, c: block or NULL */
	NODE_FOR,   /* targets in a if c: b, else d */
	NODE_SET,   /* targets = a; or the block b, through a chain of filters a whose end is NULL */
	NODE_WITH,  /* names = items: block b */
};

enum jinja_op {
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_FLOORDIV,
	OP_MOD,
	OP_POW,
	OP_CONCAT,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_IN,
	OP_NOT_IN,
};

struct jinja_node {
	enum jinja_node_kind kind;
	enum jinja_op op;
	uint32_t at;
	bool guarded; /* a NAME that may be undefined: default or a test looks at it */
	mr_str text;
	struct jinja_value value;
	struct jinja_node *a, *b, *c, *d;
	struct jinja_node **items;
	size_t count;
	mr_str *names; /* of the last `named` items; of targets */
	size_t named;
	enum jinja_op *ops;
	const struct jinja_function *function; /* of a filter or test */
};

struct jinja_template {
	struct arena arena;
	mr_str source;
	struct jinja_node *root;
};

/* A filter, test or global function. args holds what stands in the parentheses; names are what the
 * arguments may be called, in order. */
struct jinja_function {
	const char *name;
	int (*run)(struct jinja_state *state, struct jinja_value input, const struct jinja_args *args,
		   struct jinja_value *out, struct mr_error *err);
	const char *names[6];
	int flag; /* for families that share code: see filters.c */
	bool sees_undefined;
};

const struct jinja_function *jinja_find_filter(mr_str name);
const struct jinja_function *jinja_find_test(mr_str name);
const struct jinja_function *jinja_find_global(mr_str name);
/* The nearest name for a message, or NULL. */
const char *jinja_nearest_filter(mr_str name);
const char *jinja_nearest_test(mr_str name);

/* For filters that are given another filter's or test's name: map, select, reject. */
MR_NODISCARD int jinja_run(struct jinja_state *state, const struct jinja_function *function,
			   struct jinja_value input, const struct jinja_args *args, struct jinja_value *out,
			   struct mr_error *err);

/* The parser: one struct for both of its files. */
struct jinja_parser {
	struct jinja_template *template;
	struct jinja_tokens tokens;
	size_t next;
	int depth;
	MR_VEC(struct jinja_node *) uses; /* NAME and ATTR nodes, to be checked against the names */
	MR_VEC(mr_str) assigned;
	struct mr_error *err;
};

/* Each returns NULL when it failed; the error is set. */
struct jinja_node *parse_expression(struct jinja_parser *p);                 /* with inline if */
struct jinja_node *parse_tuple(struct jinja_parser *p, bool with_condition); /* one, or some with commas */
struct jinja_node *parse_filters(struct jinja_parser *p, struct jinja_node *input);
struct jinja_node *parse_node(struct jinja_parser *p, enum jinja_node_kind kind);
struct jinja_node *parse_fail(struct jinja_parser *p, const char *fmt, ...) MR_PRINTF(2, 3);
const struct jinja_token *parse_peek(const struct jinja_parser *p);
bool parse_is(const struct jinja_parser *p, const char *text); /* a name or operator of this text */
bool parse_skip(struct jinja_parser *p, const char *text);
bool parse_expect(struct jinja_parser *p, const char *text); /* false: failed */
/* Items of a node under construction become its own. */
void parse_set_items(struct jinja_parser *p, struct jinja_node *node, struct jinja_node **items,
		     size_t count);

/* What the statements need of the evaluator. */
struct jinja_state {
	const struct jinja_template *template;
	const struct jinja_context *context;
	struct arena *arena;
	struct mr_buf *out;
	size_t steps, bytes;
	int depth;
	MR_VEC(struct jinja_variable {
		mr_str name;
		struct jinja_value value;
	})
	variables;
	struct jinja_value block; /* of {% set x | filter %}: what the filters are for */
	size_t frame;             /* where the innermost scope's variables begin */
};

MR_NODISCARD int eval(struct jinja_state *state, const struct jinja_node *node, struct jinja_value *out,
		      struct mr_error *err);
MR_NODISCARD int eval_binary(struct jinja_state *state, enum jinja_op op, struct jinja_value a,
			     struct jinja_value b, struct jinja_value *out, struct mr_error *err);
MR_NODISCARD int eval_compare(enum jinja_op op, struct jinja_value a, struct jinja_value b, bool *out,
			      struct mr_error *err);
/* "…" % values */
MR_NODISCARD int eval_format(struct jinja_state *state, mr_str format, const struct jinja_value *values,
			     size_t count, struct jinja_value *out, struct mr_error *err);
/* value.name: 1 when there is nothing of that name. */
MR_NODISCARD int eval_attribute(struct jinja_state *state, struct jinja_value v, mr_str name,
				struct jinja_value *out, struct mr_error *err);
MR_NODISCARD int eval_item(struct jinja_state *state, struct jinja_value v, struct jinja_value key,
			   struct jinja_value *out, struct mr_error *err);
/* value.name(args) of a string, list, mapping, time: 1 when there is no such method. */
MR_NODISCARD int eval_method(struct jinja_state *state, struct jinja_value v, mr_str name,
			     const struct jinja_args *args, struct jinja_value *out, struct mr_error *err);
/* The elements of what can be gone through: a list's, a mapping's keys, a string's characters. */
MR_NODISCARD int eval_items(struct jinja_state *state, struct jinja_value v, const struct jinja_value **items,
			    size_t *count, struct mr_error *err);
/* Methods of strings and times; 1: no such. */
MR_NODISCARD int string_method(struct jinja_state *state, mr_str s, mr_str name,
			       const struct jinja_args *args, struct jinja_value *out, struct mr_error *err);
MR_NODISCARD int time_method(struct jinja_state *state, struct jinja_value v, mr_str name,
			     const struct jinja_args *args, struct jinja_value *out, struct mr_error *err);
MR_NODISCARD int time_attribute(struct jinja_value v, mr_str name, struct jinja_value *out);
void time_put(struct mr_buf *out, struct jinja_value v, char between); /* str(): between is ' ' or 'T' */
MR_NODISCARD int time_format(struct jinja_state *state, int64_t us, mr_str format, struct jinja_value *out,
			     struct mr_error *err);
