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

/* The definition as a metaData body, with what column mapping asks of new columns. */
static int finish(const struct delta_snapshot *snapshot, struct definition *def, struct mr_rng *rng,
		  mr_str *metadata, struct mr_error *err)
{
	struct mr_buf text = {0};
	mr_str mode = delta_property(snapshot, "delta.columnMapping.mode");
	int rc = definition_map(def, mode, true, rng, err);
	if (rc == 0)
		rc = definition_check(def, err);
	if (rc == 0) {
		definition_write(def, &text);
		*metadata = arena_copy(def->arena, mr_buf_view(&text));
	}
	mr_buf_release(&text);
	return rc;
}

static int adopt(struct change *c, struct definition *def, struct mr_error *err)
{
	struct delta_snapshot *grown;
	int rc = finish(c->base, def, c->s->lake->options.env->rng, &c->metadata, err);
	if (rc == 0)
		rc = delta_snapshot_with(c->base, c->metadata, &grown, err);
	if (rc == 0) {
		delta_snapshot_unref(c->base);
		c->base = grown;
	}
	return rc;
}

/* Fields that the query does not give, or gives with another type. */
static bool drop_others(struct definition *def, const struct definition *given)
{
	size_t kept = 0;
	for (size_t i = 0; i < def->fields.len; i++) {
		const struct field *field = &def->fields.items[i],
				   *same = definition_find(given, field->name);
		if (same && mr_str_eq(same->type, field->type))
			def->fields.items[kept++] = *field;
	}
	bool dropped = kept < def->fields.len;
	def->fields.len = kept;
	return dropped;
}

int lake_grown_metadata(const struct delta_snapshot *snapshot, struct mr_rng *rng, struct sql_conn *conn,
			mr_str query, bool replaces, struct arena *arena, mr_str *out, struct mr_error *err)
{
	struct definition def, given;
	bool grown = false;
	mr_str metadata = MR_STR("");
	definition_init(&def, arena);
	definition_init(&given, arena);
	int rc = definition_read(&def, delta_metadata_json(snapshot), err);
	if (rc == 0)
		rc = definition_of_query(&given, conn, query, err);
	if (rc == 0 && replaces)
		grown = drop_others(&def, &given);
	for (size_t i = 0; i < given.fields.len && rc == 0; i++)
		rc = grow_field(&def, &given.fields.items[i], given.fields.items[i].name, &grown, err);
	if (rc == 0 && grown)
		rc = finish(snapshot, &def, rng, &metadata, err);
	if (rc == 0)
		*out = metadata;
	definition_release(&given);
	definition_release(&def);
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
