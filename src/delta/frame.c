/* delta/frame.c - what a version is made with: its protocol and metadata, its time, its row ids.
 *
 * Some of it can only be known once the version's number is: properties that tell since which
 * version in-commit timestamps are there, say. So a frame is made anew for each attempt.
 */
#include "delta/internal.h"

#define PAIRS_MAX 8

static void put_configuration(struct json_writer *w, struct json_value configuration,
			      const struct delta_pair *pairs, size_t count)
{
	json_begin_object(w);
	for (struct json_iter it = json_iter(configuration); json_next(&it);) {
		bool replaced = false;
		for (size_t i = 0; i < count; i++)
			replaced |= mr_str_eq(pairs[i].key, it.key);
		if (replaced)
			continue;
		json_key_str(w, it.key);
		json_put_value(w, it.value);
	}
	for (size_t i = 0; i < count; i++) {
		if (!pairs[i].value.ptr)
			continue;
		json_key_str(w, pairs[i].key);
		json_put_str(w, pairs[i].value);
	}
	json_end_object(w);
}

int delta_metadata_set(struct json_parser *parser, mr_str metadata, const struct delta_pair *pairs,
		       size_t count, struct arena *arena, mr_str *out, struct mr_error *err)
{
	struct json_value body;
	int rc = json_parse(parser, metadata, &body, err);
	if (rc < 0)
		return rc;
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	json_begin_object(&w);
	for (struct json_iter it = json_iter(body); json_next(&it);) {
		if (mr_str_is(it.key, "configuration"))
			continue;
		json_key_str(&w, it.key);
		json_put_value(&w, it.value);
	}
	json_key(&w, "configuration");
	put_configuration(&w, json_get(body, "configuration"), pairs, count);
	json_end_object(&w);
	*out = arena_copy(arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return 0;
}

static int read_metadata(struct version_frame *frame, struct json_parser *parser, struct mr_error *err)
{
	struct action action = {.kind = ACTION_METADATA};
	struct table_meta *meta;
	int rc = json_parse(parser, frame->metadata, &action.metadata.body, err);
	if (rc == 0)
		rc = delta_meta_parse(parser, &action.metadata, &meta, err);
	if (rc == 0) {
		delta_meta_unref(frame->meta);
		frame->meta = meta;
	}
	return rc;
}

/* Properties that are the writer's to set, not the user's. */
static int complete_metadata(struct version_frame *frame, struct delta_table *table, struct mr_error *err)
{
	struct delta_pair pairs[PAIRS_MAX];
	const struct table_meta *before = table->state ? table->state->meta : NULL;
	size_t count = delta_commit_time_properties(frame, before, pairs);
	count += delta_row_tracking_properties(frame, before, table->env->rng, pairs + count);
	if (!count)
		return 0;
	int rc = delta_metadata_set(table->parser, frame->metadata, pairs, count, &frame->arena,
				    &frame->metadata, err);
	return rc == 0 ? read_metadata(frame, table->parser, err) : rc;
}

static int choose_protocol(struct version_frame *frame, const struct delta_table *table,
			   const struct delta_commit *commit, struct mr_error *err)
{
	const struct table_protocol *before = table->state ? table->state->protocol : NULL;
	if (commit->metadata.len) {
		int rc = delta_protocol_for(before, frame->meta, commit->features, commit->feature_count,
					    &frame->protocol, err);
		frame->new_protocol = rc == 1;
		return rc < 0 ? rc : 0;
	}
	return delta_protocol_extend(before, commit->features, commit->feature_count, &frame->protocol,
				     &frame->new_protocol, err);
}

static int drop_feature(struct version_frame *frame, const struct delta_table *table, const char *name,
			struct mr_error *err)
{
	struct table_protocol without;
	if (!table->state)
		return mr_fail(err, MR_ERR_NOT_FOUND, "there is no Delta table at %s", table->path);
	int rc =
	    delta_protocol_drop(delta_frame_protocol(frame, table->state), frame->meta, name, &without, err);
	if (rc < 0)
		return rc;
	delta_protocol_release(&frame->protocol);
	frame->protocol = without;
	frame->new_protocol = true;
	return 0;
}

const struct table_protocol *delta_frame_protocol(const struct version_frame *frame,
						  const struct delta_log_state *before)
{
	return frame->new_protocol ? &frame->protocol : before->protocol;
}

void delta_stamp_init(struct commit_stamp *stamp, const struct delta_table *table,
		      const struct delta_commit *commit)
{
	stamp->now_ms = clock_wall_ms(table->env->clock);
	stamp->read_version = commit->base   ? delta_version(commit->base)
			      : table->state ? table->state->version
					     : -1;
	rng_uuid(table->env->rng, stamp->txn_id);
}

int delta_frame_init(struct version_frame *frame, struct delta_table *table,
		     const struct delta_commit *commit, const struct commit_stamp *stamp,
		     struct mr_error *err)
{
	const struct delta_log_state *state = table->state;
	*frame = (struct version_frame){.version = state ? state->version + 1 : 0,
					.now_ms = stamp->now_ms,
					.stamp = stamp,
					.metadata = commit->metadata,
					.in_commit_ms = -1,
					.row_id_mark = -1};
	int rc = 0;
	if (frame->metadata.len)
		rc = read_metadata(frame, table->parser, err);
	else
		frame->meta = delta_meta_ref(state->meta);
	if (rc == 0)
		rc = choose_protocol(frame, table, commit, err);
	if (rc == 0 && commit->drops_feature)
		rc = drop_feature(frame, table, commit->drops_feature, err);
	if (rc == 0)
		rc = delta_commit_time_next(table, frame->meta, frame->now_ms, &frame->in_commit_ms, err);
	if (rc == 0 && frame->metadata.len)
		rc = complete_metadata(frame, table, err);
	if (rc == 0)
		delta_row_tracking_begin(frame, table);
	return rc;
}

void delta_frame_release(struct version_frame *frame)
{
	delta_protocol_release(&frame->protocol);
	delta_meta_unref(frame->meta);
	arena_release(&frame->arena);
}
