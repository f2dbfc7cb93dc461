/* lake/grow.c - WITH SCHEMA EVOLUTION: what rows bring and the table lacks comes into the table.
 *
 * Columns that the table has not are added, last; with delta.enableTypeWidening a column gets the wider
 * type of what is written to it. From there on the statement works on a snapshot that has those columns
 * already, and its commit brings them: rows and schema are one version.
 */
#include "lake/change.h"
#include "lake/define.h"

/* true: the definition has changed. */
static int grow_field(struct definition *def, const struct field *given, mr_str name, bool *grown,
		      struct mr_error *err)
{
	struct field *field = definition_find(def, name);
	if (!field) {
		mr_vec_push(&def->fields,
			    (struct field){.name = name, .type = given->type, .metadata = MR_STR("{}")});
		*grown = true;
	} else if (mr_str_is(definition_property(def, "delta.enableTypeWidening"), "true") &&
		   !mr_str_eq(field->type, given->type)) {
		/* What is no widening is cast, as without evolution. */
		*grown |= definition_widen(def, field, given->type, NULL) == 0;
	}
	return given->type.len ? 0 : mr_fail(err, MR_ERR_INVALID, "column %.*s has no type", MR_FMT(name));
}

static int adopt(struct change *c, struct definition *def, struct mr_error *err)
{
	struct delta_snapshot *grown;
	struct mr_buf metadata = {0};
	mr_str mode = delta_property(c->base, "delta.columnMapping.mode");
	int rc = definition_map(def, mode, true, c->s->lake->options.env->rng, err);
	if (rc == 0)
		rc = definition_check(def, err);
	if (rc == 0) {
		definition_write(def, &metadata);
		c->metadata = arena_copy(&c->s->arena, mr_buf_view(&metadata));
		rc = delta_snapshot_with(c->base, c->metadata, &grown, err);
	}
	if (rc == 0) {
		delta_snapshot_unref(c->base);
		c->base = grown;
	}
	mr_buf_release(&metadata);
	return rc;
}

int change_grow(struct change *c, mr_str query, const mr_str *names, size_t count, bool by_name,
		struct mr_error *err)
{
	struct definition def, given;
	bool grown = false;
	definition_init(&def, &c->s->arena);
	definition_init(&given, &c->s->arena);
	int rc = definition_read(&def, delta_metadata_json(c->base), err);
	size_t own = def.fields.len;
	if (rc == 0)
		rc = definition_of_query(&given, c->s->conn, query, err);
	for (size_t i = 0; i < given.fields.len && rc == 0; i++) {
		mr_str name = i < count             ? names[i]
			      : by_name || i >= own ? given.fields.items[i].name
						    : def.fields.items[i].name;
		rc = grow_field(&def, &given.fields.items[i], name, &grown, err);
	}
	if (rc == 0 && grown)
		rc = adopt(c, &def, err);
	definition_release(&given);
	definition_release(&def);
	return rc;
}
