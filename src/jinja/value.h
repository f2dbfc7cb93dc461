/* jinja/value.h - the values of templates: Python's, as far as templates see them.
 *
 * Values are small and passed by copy; what they point to lives in the rendering's arena and is not
 * changed once made, except by list.append. Integers have 64 bits: overflow is an error, not a
 * float. Times are UTC; their text is that of Python's aware datetime.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "codec/json.h"

enum jinja_type {
	JINJA_UNDEFINED, /* text: what was asked for, for messages */
	JINJA_NONE,
	JINJA_BOOL,
	JINJA_INT,
	JINJA_FLOAT,
	JINJA_STR,
	JINJA_LIST,
	JINJA_TUPLE, /* a list that prints with parentheses */
	JINJA_DICT,
	JINJA_TIME,  /* us: microseconds since 1970, UTC */
	JINJA_DELTA, /* us */
	JINJA_OBJECT,
};

struct jinja_value {
	enum jinja_type type;
	union {
		bool boolean;
		int64_t integer;
		double number;
		mr_str text;
		int64_t us;
		struct jinja_list *list;
		struct jinja_dict *dict;
		const struct jinja_object *object;
	};
};

struct jinja_list {
	struct jinja_value *items;
	size_t count, cap;
};

struct jinja_pair {
	struct jinja_value key, value;
};

struct jinja_dict { /* in order of insertion; found by going through it */
	struct jinja_pair *pairs;
	size_t count, cap;
};

struct jinja_args {
	const struct jinja_value *items; /* positional */
	size_t count;
	const mr_str *names; /* named */
	const struct jinja_value *named;
	size_t named_count;
};

struct jinja_state; /* a rendering that goes on */

/* Something of the host's: `conn`, `ti`. A function is NULL when there is nothing of the kind. */
struct jinja_object_ops {
	/* object.name, object["name"]. 1: no such thing. */
	int (*get)(const struct jinja_object *, struct jinja_state *, mr_str name, struct jinja_value *,
		   struct mr_error *);
	/* object.name(…). 1: no such method. */
	int (*call)(const struct jinja_object *, struct jinja_state *, mr_str name, const struct jinja_args *,
		    struct jinja_value *, struct mr_error *);
	/* {{ object }}; NULL: "<name>". */
	int (*text)(const struct jinja_object *, struct jinja_state *, struct jinja_value *,
		    struct mr_error *);
};

struct jinja_object {
	const struct jinja_object_ops *ops;
	const char *name;
	const void *data;
};

struct arena *jinja_arena(struct jinja_state *state);
/* Account for `steps` of work and `bytes` of new values; MR_ERR_LIMIT when it is too much. */
MR_NODISCARD int jinja_charge(struct jinja_state *state, size_t steps, size_t bytes, struct mr_error *err);

static inline struct jinja_value jinja_none(void)
{
	return (struct jinja_value){.type = JINJA_NONE};
}

static inline struct jinja_value jinja_bool(bool v)
{
	return (struct jinja_value){.type = JINJA_BOOL, .boolean = v};
}

static inline struct jinja_value jinja_int(int64_t v)
{
	return (struct jinja_value){.type = JINJA_INT, .integer = v};
}

static inline struct jinja_value jinja_float(double v)
{
	return (struct jinja_value){.type = JINJA_FLOAT, .number = v};
}

static inline struct jinja_value jinja_str(mr_str v) /* not copied */
{
	return (struct jinja_value){.type = JINJA_STR, .text = v};
}

static inline struct jinja_value jinja_time(int64_t us)
{
	return (struct jinja_value){.type = JINJA_TIME, .us = us};
}

static inline struct jinja_value jinja_delta(int64_t us)
{
	return (struct jinja_value){.type = JINJA_DELTA, .us = us};
}

static inline struct jinja_value jinja_object(const struct jinja_object *object) /* not copied */
{
	return (struct jinja_value){.type = JINJA_OBJECT, .object = object};
}

static inline struct jinja_value jinja_undefined(mr_str what)
{
	return (struct jinja_value){.type = JINJA_UNDEFINED, .text = what};
}

struct jinja_value jinja_list_new(struct arena *arena, enum jinja_type type, size_t cap); /* LIST or TUPLE */
void jinja_list_push(struct arena *arena, struct jinja_list *list, struct jinja_value item);
struct jinja_value jinja_dict_new(struct arena *arena, size_t cap);
void jinja_dict_put(struct arena *arena, struct jinja_dict *dict, struct jinja_value key,
		    struct jinja_value value);
const struct jinja_value *jinja_dict_get(const struct jinja_dict *dict,
					 struct jinja_value key); /* NULL: none */

static inline bool jinja_is_list(struct jinja_value v)
{
	return v.type == JINJA_LIST || v.type == JINJA_TUPLE;
}

static inline bool jinja_is_number(struct jinja_value v)
{
	return v.type == JINJA_BOOL || v.type == JINJA_INT || v.type == JINJA_FLOAT;
}

double jinja_as_double(struct jinja_value v);                 /* of a number */
bool jinja_as_int(struct jinja_value v, int64_t *out);        /* BOOL or INT */
const char *jinja_type_name(struct jinja_value v);            /* Python's: "str" */
bool jinja_truth(struct jinja_value v);                       /* Python's bool() */
bool jinja_equal(struct jinja_value a, struct jinja_value b); /* Python's == */
/* -1, 0 or 1 in *out; types that have no order are an error. */
MR_NODISCARD int jinja_compare(struct jinja_value a, struct jinja_value b, int *out, struct mr_error *err);

/* Python's str() and repr(), appended. An undefined value is an error that names it. */
MR_NODISCARD int jinja_put_str(struct jinja_state *state, struct mr_buf *out, struct jinja_value v,
			       struct mr_error *err);
MR_NODISCARD int jinja_put_repr(struct jinja_state *state, struct mr_buf *out, struct jinja_value v,
				struct mr_error *err);
void jinja_put_float(struct mr_buf *out, double v); /* repr(float) */
/* json.dumps(v, sort_keys=sorted), appended. Times become their ISO text. */
MR_NODISCARD int jinja_put_json(struct mr_buf *out, struct jinja_value v, bool sorted, struct mr_error *err);
/* Copied into the arena. Numbers above int64 become floats. */
struct jinja_value jinja_from_json(struct arena *arena, struct json_value v);
/* Parse JSON text (NULL context: none of it is kept). */
MR_NODISCARD int jinja_parse_json(struct arena *arena, mr_str json, struct jinja_value *out,
				  struct mr_error *err);

/* str() as a string of the arena; the text itself when v is a string. */
MR_NODISCARD int jinja_text(struct jinja_state *state, struct jinja_value v, mr_str *out,
			    struct mr_error *err);
/* The bytes of buf become a string of the arena; buf is released. */
MR_NODISCARD int jinja_take(struct jinja_state *state, struct mr_buf *buf, struct jinja_value *out,
			    struct mr_error *err);

/* A call's argument: the index-th positional one, or the one of that name. False when not given. */
bool jinja_arg(const struct jinja_args *args, size_t index, const char *name, struct jinja_value *out);
/* Error unless at most count_max are given and each named one is among `names` (count_max of them, in
 * order). what: "filter 'round'". */
MR_NODISCARD int jinja_check_args(const struct jinja_args *args, const char *what, const char *const *names,
				  size_t count_max, struct mr_error *err);
