/* share/sessions.c - share sessions: what a member reads, and the order of its requests. */
#include "share/coordinator.h"

#include <stdlib.h>

#define SESSION_CLOSE (-1)
#define SESSION_PARTS_MAX 100000

void reader_free(struct share_reader *reader)
{
	reader->group->share->sessions--;
	mr_map_remove(&reader->group->sessions, mr_str_from(reader->member_id));
	mr_vec_release(&reader->parts);
	free(reader->member_id);
	free(reader);
}

static void release_part(struct share_reader *reader, struct share_part *part)
{
	struct share_limits limits = share_limits_of(reader->group);
	struct group_write write;
	if (!part->begun || !share_partition_give_up(&part->records, &limits, reader->owner))
		return;
	part_keep_deadline(part);
	(void)!part_flush(part, &write, NULL); /* else with the next change */
	share_tell_moved(reader->group->share, part);
}

void reader_close(struct share_reader *reader)
{
	mr_map_each (&reader->group->parts, each)
		release_part(reader, each->value);
	reader_free(reader);
}

static struct share_reader *reader_new(struct share_group *group, mr_str member_id)
{
	struct share_reader *reader = mr_calloc(1, sizeof *reader);
	reader->group = group;
	reader->member_id = mr_strndup(member_id);
	reader->owner = ++group->share->last_owner;
	group->share->sessions++;
	mr_map_put(&group->sessions, member_id, reader);
	return reader;
}

static size_t place_of(const struct share_reader *reader, const struct share_part *part)
{
	size_t i = 0;
	while (i < reader->parts.len && reader->parts.items[i] != part)
		i++;
	return i;
}

static void change_parts(struct share_reader *reader, const struct share_ask *ask)
{
	for (size_t i = 0; i < ask->add_count; i++) {
		struct share_part *part = part_make(reader->group, &ask->add[i]);
		if (place_of(reader, part) == reader->parts.len && reader->parts.len < SESSION_PARTS_MAX)
			mr_vec_push(&reader->parts, part);
	}
	for (size_t i = 0; i < ask->forget_count; i++) {
		struct share_part *part = part_find(reader->group, &ask->forget[i]);
		size_t at = place_of(reader, part);
		if (at < reader->parts.len)
			mr_vec_remove(&reader->parts, at);
	}
}

/* Find or open the session that the request belongs to, and take its epoch in. */
static int take_epoch(struct share *share, const struct share_ask *ask, struct share_reader **out)
{
	struct share_group *group = share_group_find(share, ask->group);
	struct share_reader *reader = group ? mr_map_get(&group->sessions, ask->member_id) : NULL;
	if (ask->epoch == 0) {
		if (ask->acknowledging)
			return SHARE_BAD_SESSION_EPOCH;
		if (!reader && share->sessions >= (size_t)share->options.sessions_max)
			return SHARE_SESSION_LIMIT;
		if (!reader)
			reader = reader_new(share_group_make(share, ask->group), ask->member_id);
		reader->parts.len = 0;
		reader->epoch = 0;
	}
	if (!reader)
		return SHARE_SESSION_NOT_FOUND;
	if (ask->epoch != SESSION_CLOSE && ask->epoch != reader->epoch)
		return SHARE_BAD_SESSION_EPOCH;
	reader->epoch = reader->epoch == INT32_MAX ? 1 : reader->epoch + 1;
	reader->conn = ask->conn;
	*out = reader;
	return GROUP_OK;
}

int share_session_enter(struct share *share, const struct share_ask *ask, struct share_session *out,
			struct arena *arena)
{
	struct share_reader *reader;
	share_enter(share);
	int code = take_epoch(share, ask, &reader);
	if (code == GROUP_OK) {
		change_parts(reader, ask);
		*out = (struct share_session){
		    .owner = reader->owner,
		    .lock_ms = share_limits_of(reader->group).lock_ms,
		    .closing = ask->epoch == SESSION_CLOSE,
		    .part_count = reader->parts.len,
		};
		out->parts = arena_calloc(arena, out->part_count + 1, sizeof(struct share_part *));
		for (size_t i = 0; i < out->part_count; i++)
			out->parts[i] = reader->parts.items[(reader->turn + i) % out->part_count];
		reader->turn++;
	}
	share_leave_lock(share);
	return code;
}

void share_session_close(struct share *share, mr_str name, mr_str member_id)
{
	share_enter(share);
	struct share_group *group = share_group_find(share, name);
	struct share_reader *reader = group ? mr_map_get(&group->sessions, member_id) : NULL;
	if (reader)
		reader_close(reader);
	share_leave_lock(share);
}

void share_connection_gone(struct share *share, const void *conn)
{
	share_enter(share);
	mr_map_each (&share->by_name, each) {
		struct share_group *group = each->value;
		mr_map_each (&group->sessions, session) {
			struct share_reader *reader = session->value;
			if (reader->conn == conn)
				reader_close(reader);
		}
	}
	share_leave_lock(share);
}
