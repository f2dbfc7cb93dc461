/* conf/yaml.h - a YAML file as a tree of nodes that know their line and column.
 *
 * Stricter than YAML where leniency hides mistakes: duplicate keys, keys that are no
 * scalars, merge keys (<<), custom tags and a second document are errors. Limits: 4 MiB of
 * text, 64 levels, 1,000,000 nodes counted with every alias written out, so an alias bomb
 * is refused while it is read. An alias shares its anchor's node: the tree is a DAG.
 *
 * Scalars keep their text. What type a plain scalar has is decided by who reads it: an
 * option table knows what it wants, yaml_to_json follows YAML 1.2's core schema (in which
 * `no`, `on` and 12:30 are strings).
 *
 * Everything lives in the arena.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"

#define YAML_BYTES_MAX ((size_t)4 << 20)
#define YAML_DEPTH_MAX 64
#define YAML_NODES_MAX 1000000

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
	enum yaml_kind kind;
	bool plain;               /* a scalar without quotes: may be a number, a boolean, null */
	mr_str text;              /* scalar */
	struct yaml_node **items; /* elements, or the values of a mapping */
	struct yaml_node **keys;  /* of a mapping, scalars */
	size_t count;
	int line, column; /* from 1 */
	uint32_t weight;  /* nodes below and this one, aliases written out */
	uint16_t height;
};

/* Called for each scalar value (not keys, not block text `|`): may replace *text by other text
 * that lives in the arena, and clear *plain. */
struct yaml_expander {
	int (*expand)(void *arg, struct arena *arena, mr_str *text, struct mr_error *err);
	void *arg;
};

/* file is named in errors. expander may be NULL. An empty document is an empty plain scalar. */
MR_NODISCARD int yaml_read(struct arena *arena, const char *file, mr_str text,
			   const struct yaml_expander *expander, struct yaml_node **out,
			   struct mr_error *err);

/* The value of a key, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);
bool yaml_is_null(const struct yaml_node *node);          /* plain and empty, ~ or null */
const char *yaml_kind_name(const struct yaml_node *node); /* "a mapping" */

/* Append node as JSON. Plain scalars are typed by the core schema; infinities and NaN have no
 * JSON form and are errors. */
MR_NODISCARD int yaml_to_json(const struct yaml_node *node, const char *file, struct mr_buf *out,
			      struct mr_error *err);
