/* codec/jsonschema.h - JSON Schema draft-07, compiled once, validated without allocation.
 *
 * Supported: type (also lists), properties, required, additionalProperties, patternProperties,
 * items (also tuples), additionalItems, contains, min/maxItems, uniqueItems, min/maxLength,
 * pattern (PCRE2), format (date-time, date, time, uuid, ipv4, ipv6, uri, email), minimum,
 * maximum, exclusive*, multipleOf, enum, const, min/maxProperties, propertyNames, dependencies,
 * allOf, anyOf, oneOf, not, if/then/else, $ref within the document (#, #/..., $id), booleans.
 * An unknown keyword is ignored as the specification says; an unknown format is an error here.
 *
 * A compiled schema is immutable: safe from any thread.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "codec/json.h"

struct json_schema;

/* text is JSON; YAML files are turned into JSON by conf/yaml.h first. name: for messages. */
MR_NODISCARD int json_schema_compile(mr_str text, const char *name, struct json_schema **out,
				     struct mr_error *err);
void json_schema_free(struct json_schema *schema);

struct json_fault {
	char pointer[256]; /* JSON pointer into the document: "/meta/ts" */
	char reason[256];  /* "is 12, expected string" */
};

/* true when v is valid; else *fault (may be NULL) tells the first fault. */
bool json_schema_valid(const struct json_schema *schema, struct json_value v, struct json_fault *fault);

/* The top-level object's properties as columns, in the schema's order: for typed tables.
 * type: "string" "long" "double" "boolean" "timestamp" "date" "json"
 *   string + format date-time -> timestamp, string + format date -> date, integer -> long,
 *   number -> double, array/object/mixed -> json (kept as text); x-type overrides:
 *   byte short integer long float double decimal(p,s) string binary boolean date timestamp. */
struct json_schema_column {
	mr_str name;
	const char *type;
	bool required;
};
size_t json_schema_columns(const struct json_schema *schema, const struct json_schema_column **out);
