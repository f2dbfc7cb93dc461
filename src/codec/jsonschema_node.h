/* codec/jsonschema_node.h - a compiled schema, between the files of codec/jsonschema*.c.
 *
 * A node is one schema object. Its rules are grouped by the type of instance that they look
 * at, so an instance is held against its own group only. Nodes refer to each other by pointer;
 * $ref may close circles through instances, never within one (jsonschema_compile.c checks).
 *
 * Everything lives in the schema's arena and is immutable after compiling, but for the spare
 * match data of a regex, which threads take and give back atomically.
 */
#pragma once

#include "base/map.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/jsonschema.h"

#include <stdio.h>

struct schema_regex; /* jsonschema_regex.c */

enum {
	TYPE_NULL = 1 << 0,
	TYPE_BOOLEAN = 1 << 1,
	TYPE_INTEGER = 1 << 2,
	TYPE_NUMBER = 1 << 3,
	TYPE_STRING = 1 << 4,
	TYPE_ARRAY = 1 << 5,
	TYPE_OBJECT = 1 << 6,
	TYPE_COUNT = 7,
	TYPE_ANY = (1 << TYPE_COUNT) - 1,
};
extern const char *const schema_type_names[TYPE_COUNT];

struct schema_number { /* as written: an integer is compared exactly */
	bool present;
	bool exact;
	int64_t i;
	double d;
};

struct schema_number_rules {
	struct schema_number minimum, maximum, above, below, multiple_of; /* above, below: exclusive */
};

typedef bool (*schema_format_fn)(mr_str text);

struct schema_string_rules {
	size_t length_min, length_max; /* code points */
	struct schema_regex *pattern;
	const char *format_name;
	schema_format_fn format;
};

struct schema_array_rules {
	size_t count_min, count_max;
	bool unique;
	const struct schema_node *items; /* of every element, or of those past the tuple */
	const struct schema_node **tuple;
	size_t tuple_count;
	const struct schema_node *contains;
};

struct schema_property {
	mr_str name;
	const struct schema_node *node; /* NULL: only `required` names it */
	bool required;
};

struct schema_pattern {
	struct schema_regex *name;
	const struct schema_node *node;
};

struct schema_dependency {
	mr_str name;
	const struct schema_node *node; /* or the names */
	mr_str *names;
	size_t name_count;
};

#define SCHEMA_PROPERTIES_MAX 2048

struct schema_object_rules {
	size_t count_min, count_max;
	struct schema_property *properties; /* in the schema's order */
	uint32_t property_count;
	uint32_t required_count;
	uint32_t *slots; /* index + 1 into properties; 0 is free */
	uint32_t slot_mask;
	struct schema_pattern *patterns;
	size_t pattern_count;
	const struct schema_node *additional; /* NULL: anything goes */
	const struct schema_node *names;
	struct schema_dependency *dependencies;
	size_t dependency_count;
};

struct schema_list {
	const struct schema_node **nodes;
	size_t count;
};

struct schema_logic {
	struct schema_list all, any, one;
	const struct schema_node *negated;
	const struct schema_node *condition, *then, *otherwise;
};

struct schema_node {
	uint8_t types; /* TYPE_* that may be */
	bool never;    /* the schema `false` */
	bool has_enum, has_const;
	uint8_t visit;                 /* of the check for circles */
	const struct schema_node *ref; /* when set, nothing else counts */
	struct json_value enumeration, constant;
	struct schema_number_rules *number;
	struct schema_string_rules *string;
	struct schema_array_rules *array;
	struct schema_object_rules *object;
	struct schema_logic *logic;
	struct json_value source;
	struct schema_node *next; /* of all nodes, newest first */
};

struct json_schema {
	struct arena arena;
	struct json_parser *parser; /* keeps the text's values: enum, const */
	struct json_value document;
	const char *name;
	struct schema_node *root;
	struct schema_node *nodes;
	struct schema_regex *regexes;
	struct json_schema_column *columns;
	size_t column_count;
};

/* ---- a place in a document: a chain on the stack, spelled out only when a fault is told ---- */

struct json_place {
	const struct json_place *up; /* NULL at the root */
	mr_str key;                  /* ptr NULL: an element */
	size_t index;
};
/* "/a/b~1c/0", cut when it does not fit. Always NUL-terminated. */
void json_place_pointer(const struct json_place *place, char *out, size_t size);

/* ---- jsonschema_ref.c: $id and $ref within the document ---- */

struct schema_ids {
	struct arena *arena;
	struct json_value document;
	struct mr_map by_uri;   /* -> struct json_value, in the arena */
	struct mr_map base_uri; /* value index -> mr_str: the base that the object lies in */
};
void schema_ids_init(struct schema_ids *ids, struct arena *arena, struct json_value document);
void schema_ids_release(struct schema_ids *ids);
/* What `reference`, found in the schema object `from`, points to; false when it is not here. */
bool schema_ids_find(struct schema_ids *ids, struct json_value from, mr_str reference,
		     struct json_value *out);

/* ---- jsonschema_regex.c ---- */

MR_NODISCARD int schema_regex_new(struct json_schema *schema, mr_str pattern, struct schema_regex **out,
				  struct mr_error *err);
bool schema_regex_matches(struct schema_regex *regex, mr_str text); /* anywhere in valid UTF-8 */
mr_str schema_regex_text(const struct schema_regex *regex);
void schema_regexes_free(struct schema_regex *list);

/* ---- jsonschema_format.c ---- */

schema_format_fn schema_format_find(mr_str name, const char **name_out); /* NULL: unknown */
extern const char schema_format_list[];                                  /* for messages */

/* ---- jsonschema_equal.c ---- */

bool json_equal(struct json_value a, struct json_value b); /* 1 and 1.0 are equal */
/* No two elements are equal. Allocates for arrays of more than 32 elements. */
bool json_all_unique(struct json_value array);

/* ---- jsonschema_columns.c ---- */

MR_NODISCARD int schema_columns_make(struct json_schema *schema, struct mr_error *err);
