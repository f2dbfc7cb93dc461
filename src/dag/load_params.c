/* dag/load_params.c - `params` of a DAG: defaults, and a JSON Schema that a run's conf must fit.
 *
 *   params: {country: US, limit: {default: 10, type: integer, minimum: 1}}
 *
 * A mapping with `default`, `type` or `__type__` is a schema, as in Airflow's Param; any other
 * value is the default itself.
 */
#include "dag/load_internal.h"

#include "codec/jsonschema.h"
#include "dag/timetable.h"

static bool is_schema(const struct yaml_node *node)
{
	return node->kind == YAML_MAPPING &&
	       (yaml_get(node, "default") || yaml_get(node, "type") || yaml_get(node, "__type__"));
}

static int put_schema(struct build *b, const struct yaml_node *param, struct json_writer *w,
		      struct mr_error *err)
{
	json_begin_object(w);
	for (size_t i = 0; i < param->count; i++) {
		mr_str key = param->keys[i]->text, json;
		if (mr_str_is(key, "default") || mr_str_starts(key, MR_STR("__")))
			continue;
		int rc = load_json(b, param->items[i], &json, err);
		if (rc < 0)
			return rc;
		json_key_str(w, key);
		json_put_raw(w, json);
	}
	json_end_object(w);
	return 0;
}

static const struct yaml_node *default_of(const struct yaml_node *param)
{
	const struct yaml_node *value = yaml_get(param, "default"), *args = yaml_get(param, "__args__");
	if (!value && args && args->kind == YAML_SEQUENCE && args->count)
		value = args->items[0];
	return value;
}

static int put_params(struct build *b, const struct yaml_node *node, struct json_writer *values,
		      struct json_writer *schemas, struct mr_error *err)
{
	for (size_t i = 0; i < node->count; i++) {
		const struct yaml_node *param = node->items[i];
		bool schema = is_schema(param);
		const struct yaml_node *value = schema ? default_of(param) : param;
		mr_str json = MR_STR("null");
		int rc = value ? load_json(b, value, &json, err) : 0;
		if (rc < 0)
			return rc;
		json_key_str(values, node->keys[i]->text);
		json_put_raw(values, json);
		if (!schema)
			continue;
		json_key_str(schemas, node->keys[i]->text);
		rc = put_schema(b, param, schemas, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A DAG that starts by itself must start with its defaults. */
static int check_defaults(struct build *b, const struct yaml_node *node, struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct json_value value;
	struct json_fault fault;
	int rc = json_parse(parser, b->dag->params_json, &value, err);
	if (rc == 0 && !json_schema_valid(b->dag->params_schema, value, &fault)) {
		load_fail(b, node, err, "the default of param %s %s", fault.pointer, fault.reason);
		rc = mr_hint(
		    err, "a DAG with a schedule needs defaults that fit; without one a run gives the values");
	}
	json_parser_free(parser);
	return rc;
}

int load_params(struct build *b, const struct yaml_node *node, struct mr_error *err)
{
	b->dag->params_json = MR_STR("{}");
	if (!node || yaml_is_null(node))
		return 0;
	if (node->kind != YAML_MAPPING)
		return load_fail(b, node, err, "params is a mapping of names to defaults");
	struct mr_buf values = {0}, schemas = {0};
	struct json_writer value_writer = json_writer(&values), schema_writer = json_writer(&schemas);
	json_begin_object(&value_writer);
	json_begin_object(&schema_writer);
	json_key(&schema_writer, "properties");
	json_begin_object(&schema_writer);
	int rc = put_params(b, node, &value_writer, &schema_writer, err);
	json_end_object(&value_writer);
	json_end_object(&schema_writer);
	json_end_object(&schema_writer);
	if (rc == 0) {
		b->dag->params_json = arena_copy(b->arena, mr_buf_view(&values));
		b->dag->params_schema_json = arena_copy(b->arena, mr_buf_view(&schemas));
		rc = json_schema_compile(mr_buf_view(&schemas), "params", &b->dag->params_schema, err);
		if (rc < 0)
			mr_error_where(err, b->file, node->line, node->column);
	}
	if (rc == 0 && (timetable_kind(b->dag->timetable) != TIMETABLE_NEVER || b->dag->assets))
		rc = check_defaults(b, node, err);
	mr_buf_release(&values);
	mr_buf_release(&schemas);
	return rc;
}
