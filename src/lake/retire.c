#include "lake/retire.h"

#define PROPERTY "delta.enableDeletionVectors"
#define RETENTION "delta.dropFeatureTruncateHistory.retentionDuration"
#define RETENTION_DEFAULT_MS ((int64_t)24 * 3600 * 1000)

int retire_wait(struct mr_error *err)
{
	mr_fail(err, MR_ERR_BUSY,
		"DELTA_FEATURE_DROP_WAIT_FOR_RETENTION_PERIOD: the table no longer uses deletion vectors, "
		"but older "
		"versions in its log do");
	return mr_hint(err, "when they are older than " RETENTION " (24 hours): ALTER TABLE ... DROP FEATURE "
			    "deletionVectors TRUNCATE HISTORY removes them from the log");
}

/* Without their vectors: the rows that live, in new files. */
static int rewrite(struct change *c, const size_t *chosen, size_t count, struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "SELECT ");
	change_columns(c, "", &sql);
	mr_buf_cstr(&sql, " FROM ");
	change_scan(c, chosen, count, &sql);
	mr_buf_cstr(&sql, " AS f");
	int rc = change_add_rows(c, mr_buf_view(&sql), err);
	mr_buf_release(&sql);
	for (size_t i = 0; i < count; i++)
		change_remove(c, chosen[i]);
	return rc;
}

/* The versions that tell of vectors go: an empty one is put first, so that none of them is the newest. */
static int truncate_history(struct change *c, struct mr_error *err)
{
	int64_t version;
	mr_str metadata = arena_copy(&c->s->arena, delta_metadata_json(c->base));
	struct delta_commit empty = {.operation = "TRUNCATE HISTORY", .base = c->base, .metadata = metadata};
	int rc = delta_commit(c->table, &empty, &version, err);
	if (rc == 0)
		rc = delta_truncate_log(c->table, err);
	if (rc < 0)
		return rc;
	struct delta_snapshot *now;
	rc = delta_snapshot(c->table, &now, err);
	if (rc == 0) {
		delta_snapshot_unref(c->base);
		c->base = now;
		c->file_count = 0; /* the old snapshot's; no file changes from here on */
	}
	return rc;
}

int retire_vectors(struct change *c, struct definition *def, bool truncates, struct mr_error *err)
{
	size_t *chosen = arena_alloc(&c->s->arena, (c->file_count + 1) * sizeof *chosen), count = 0;
	for (size_t i = 0; i < c->file_count; i++)
		if (c->files[i].dv)
			chosen[count++] = i;
	bool enabled = mr_str_is(definition_property(def, PROPERTY), "true");
	if (count || enabled) {
		definition_set(def, MR_STR(PROPERTY), MR_STR("false"));
		c->rearranges = true;
		int rc = count ? rewrite(c, chosen, count, err) : 0;
		return rc < 0 ? rc : 1;
	}
	int64_t version, ms = 0;
	int64_t keep_ms = delta_property_ms(c->base, RETENTION, RETENTION_DEFAULT_MS);
	int rc = delta_vectors_last_seen(c->table, &version, &ms, err);
	if (rc < 0 || version < 0)
		return rc;
	if (!truncates || clock_wall_ms(c->s->lake->options.env->clock) - ms < keep_ms)
		return retire_wait(err);
	return truncate_history(c, err);
}
