/* codec/jsonschema_columns.c - a contract's top-level properties as typed columns. */
#include "codec/columns.h"
#include "codec/jsonschema_node.h"

static const struct schema_node *followed(const struct schema_node *node)
{
	while (node && node->ref)
		node = node->ref;
	return node;
}

/* Optional as generators write it: anyOf/oneOf of one schema and {"type": "null"}, or one
 * schema in allOf. */
static const struct schema_node *essence(const struct schema_node *node, bool *nullable)
{
	node = followed(node);
	const struct schema_logic *l = node->logic;
	if (!l || node->types != TYPE_ANY)
		return node;
	const struct schema_list *list = l->any.count ? &l->any : l->one.count ? &l->one : &l->all;
	const struct schema_node *found = NULL;
	for (size_t i = 0; i < list->count; i++) {
		const struct schema_node *one = followed(list->nodes[i]);
		if (one->types == TYPE_NULL)
			*nullable = true;
		else if (found)
			return node;
		else
			found = one;
	}
	return found ? found : node;
}

static const char *string_column(const struct schema_node *node)
{
	const char *format = node->string && node->string->format_name ? node->string->format_name : "";
	if (strcmp(format, "date-time") == 0)
		return "timestamp";
	return strcmp(format, "date") == 0 ? "date" : "string";
}

/* TYPE_* bits: of `type`, or of the values that enum or const allow. */
static int column_types(const struct schema_node *node)
{
	static const uint8_t bits[] = {[JSON_NULL] = TYPE_NULL,
				       [JSON_BOOL] = TYPE_BOOLEAN,
				       [JSON_INT] = TYPE_INTEGER,
				       [JSON_UINT] = TYPE_INTEGER,
				       [JSON_DOUBLE] = TYPE_NUMBER | TYPE_INTEGER,
				       [JSON_STRING] = TYPE_STRING,
				       [JSON_ARRAY] = TYPE_ARRAY,
				       [JSON_OBJECT] = TYPE_OBJECT};
	if (node->types != TYPE_ANY)
		return node->types;
	if (node->has_const)
		return bits[json_type(node->constant)];
	int types = 0;
	for (struct json_iter it = json_iter(node->enumeration); json_next(&it);)
		types |= bits[json_type(it.value)];
	return types ? types : TYPE_ANY;
}

static const char *column_type(const struct schema_node *node, int types)
{
	switch (types & ~TYPE_NULL) {
	case TYPE_BOOLEAN:
		return "boolean";
	case TYPE_INTEGER:
		return "long";
	case TYPE_INTEGER | TYPE_NUMBER:
		return "double";
	case TYPE_STRING:
		return string_column(node);
	default:
		return "json";
	}
}

static int override_type(struct json_schema *schema, const struct schema_property *p,
			 struct json_value wanted, struct json_schema_column *column, struct mr_error *err)
{
	struct column_def def;
	mr_str name = json_str(wanted);
	int rc = json_type(wanted) == JSON_STRING
		     ? column_type_parse(name, &def, err)
		     : mr_fail(err, MR_ERR_INVALID, "must be the name of a column type");
	if (rc)
		return mr_error_wrap(err, rc, "schema %s at /properties/%.*s/x-type", schema->name,
				     (int)mr_min_size(p->name.len, 100), p->name.ptr);
	column->type = arena_copy(&schema->arena, name).ptr;
	return 0;
}

int schema_columns_make(struct json_schema *schema, struct mr_error *err)
{
	const struct schema_node *root = followed(schema->root);
	const struct schema_object_rules *o = root->object;
	if (!o)
		return 0;
	schema->columns = arena_calloc(&schema->arena, o->property_count + 1, sizeof *schema->columns);
	for (uint32_t i = 0; i < o->property_count; i++) {
		const struct schema_property *p = &o->properties[i];
		if (!p->node || followed(p->node)->never)
			continue;
		bool nullable = false;
		const struct schema_node *node = essence(p->node, &nullable);
		int types = column_types(node);
		struct json_schema_column *column = &schema->columns[schema->column_count++];
		nullable = nullable || types & TYPE_NULL;
		column->name = p->name;
		column->required = p->required && !nullable;
		column->type = column_type(node, types);
		struct json_value wanted = json_get(p->node->source, "x-type");
		if (!json_present(wanted))
			wanted = json_get(node->source, "x-type");
		int rc = json_present(wanted) ? override_type(schema, p, wanted, column, err) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

size_t json_schema_columns(const struct json_schema *schema, const struct json_schema_column **out)
{
	*out = schema->columns;
	return schema->column_count;
}
