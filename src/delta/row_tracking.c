/* delta/row_tracking.c - ids of rows and the versions they came in.
 *
 * With the feature rowTracking each file bears the id of its first row (the others follow by
 * position) and the version it came in. Ids are never given twice: the highest one so far is kept in
 * the domain delta.rowTracking. They are given when a commit's lines are made, from the state that
 * the version follows; so a commit that lost a race gets others with the next attempt.
 *
 * Rows that are written again, by UPDATE or OPTIMIZE, get new ids, and the commit says so
 * (delta.rowTracking.preserved); the protocol leaves that to writers. Files that stay or come back
 * keep theirs (protocol, "Row Tracking").
 */
#include "delta/internal.h"

static const char id_key[] = "delta.rowTracking.materializedRowIdColumnName";
static const char version_key[] = "delta.rowTracking.materializedRowCommitVersionColumnName";

bool delta_rows_are_tracked(const struct table_protocol *protocol, const struct table_meta *meta)
{
	return delta_protocol_has(protocol, "rowTracking") &&
	       !mr_str_is(delta_meta_property(meta, "delta.rowTrackingSuspended"), "true");
}

int64_t delta_row_id_mark_of(struct json_parser *parser, mr_str configuration)
{
	struct json_value root;
	struct json_value mark = {0};
	if (json_parse(parser, configuration, &root, NULL) == 0)
		mark = json_get(root, "rowIdHighWaterMark");
	return json_type(mark) == JSON_INT ? json_int(mark) : -1;
}

int64_t delta_row_id_mark(struct json_parser *parser, const struct delta_log_state *state)
{
	const char *body = state ? mr_map_get(&state->domains, MR_STR(ROW_TRACKING_DOMAIN)) : NULL;
	struct json_value root;
	struct arena arena = {0};
	if (!body || json_parse(parser, mr_str_from(body), &root, NULL) < 0)
		return -1;
	/* Out of the document before the parser takes the next one. */
	mr_str text = arena_copy(&arena, json_str(json_get(root, "configuration")));
	int64_t mark = delta_row_id_mark_of(parser, text);
	arena_release(&arena);
	return mark;
}

size_t delta_row_tracking_properties(struct version_frame *frame, const struct table_meta *before,
				     struct mr_rng *rng, struct delta_pair *out)
{
	static const struct {
		const char *key, *prefix;
	} columns[] = {{id_key, "_row-id-col-"}, {version_key, "_row-commit-version-col-"}};
	size_t count = 0;
	if (!mr_str_is(delta_meta_property(frame->meta, "delta.enableRowTracking"), "true"))
		return 0;
	for (size_t i = 0; i < MR_COUNT(columns); i++) {
		char id[37];
		mr_str value = before ? delta_meta_property(before, columns[i].key) : MR_STR_NULL;
		if (delta_meta_property(frame->meta, columns[i].key).len)
			continue;
		rng_uuid(rng, id);
		if (!value.len)
			value = arena_printf(&frame->arena, "%s%s", columns[i].prefix, id);
		out[count++] = (struct delta_pair){mr_str_from(columns[i].key), value};
	}
	return count;
}

void delta_row_tracking_begin(struct version_frame *frame, struct delta_table *table)
{
	const struct delta_log_state *state = table->state;
	frame->tracks_rows = delta_rows_are_tracked(delta_frame_protocol(frame, state), frame->meta);
	if (!frame->tracks_rows)
		return;
	frame->row_id_mark = delta_row_id_mark(table->parser, state);
	frame->backfills = state && !delta_rows_are_tracked(state->protocol, state->meta);
}

/* A file that is in the table already keeps its ids; one that has none yet gets new ones. */
void delta_row_tracking_assign(struct version_frame *frame, const struct file_entry *live, int64_t rows,
			       struct file_extra *extra)
{
	if (!frame->tracks_rows)
		return;
	if (extra->base_row_id < 0 && live && live->extra) {
		extra->base_row_id = live->extra->base_row_id;
		extra->default_row_commit_version = live->extra->default_row_commit_version;
	}
	if (extra->base_row_id >= 0 || rows < 0)
		return;
	extra->base_row_id = frame->row_id_mark + 1;
	extra->default_row_commit_version = frame->version;
	frame->row_id_mark += rows;
}
