/* app/system_groups.c - system.groups, group_members, group_lag and connections: who reads and who
 * is connected. */
#include "app/system_fill.h"

static const struct column_def groups_columns[] = {
    SYSTEM_COLUMN("group_id", COL_STRING), SYSTEM_COLUMN("kind", COL_STRING),
    SYSTEM_COLUMN("state", COL_STRING),    SYSTEM_COLUMN("protocol_type", COL_STRING),
    SYSTEM_COLUMN("protocol", COL_STRING), SYSTEM_COLUMN("generation", COL_INTEGER),
    SYSTEM_COLUMN("members", COL_INTEGER),
};

static int fill_groups(void *arg, struct system_rows *rows, struct mr_error *err)
{
	(void)err;
	struct arena arena = {0};
	struct groups *groups = app_groups(arg);
	size_t count;
	struct group_summary *list = groups_list(groups, &count, &arena);
	for (size_t i = 0; i < count; i++) {
		struct group_view view;
		if (groups_describe(groups, list[i].name, &view, &arena) != GROUP_OK)
			continue; /* gone meanwhile */
		system_str(rows, list[i].name);
		system_cstr(rows, group_kind_name(view.summary.kind));
		system_cstr(rows, view.summary.state);
		system_str(rows, view.summary.protocol_type);
		system_str(rows, view.protocol);
		system_int(rows, view.generation);
		system_int(rows, (int64_t)view.summary.members);
	}
	arena_release(&arena);
	return 0;
}

static const struct column_def group_members_columns[] = {
    SYSTEM_COLUMN("group_id", COL_STRING),    SYSTEM_COLUMN("member_id", COL_STRING),
    SYSTEM_COLUMN("instance_id", COL_STRING), SYSTEM_COLUMN("client_id", COL_STRING),
    SYSTEM_COLUMN("host", COL_STRING),        SYSTEM_COLUMN("leader", COL_BOOLEAN),
};

static int fill_group_members(void *arg, struct system_rows *rows, struct mr_error *err)
{
	(void)err;
	struct arena arena = {0};
	struct groups *groups = app_groups(arg);
	size_t count;
	struct group_summary *list = groups_list(groups, &count, &arena);
	for (size_t i = 0; i < count; i++) {
		struct group_view view;
		if (groups_describe(groups, list[i].name, &view, &arena) != GROUP_OK)
			continue;
		for (size_t m = 0; m < view.summary.members; m++) {
			const struct group_member_view *member = &view.members[m];
			system_str(rows, list[i].name);
			system_str(rows, member->id);
			if (member->instance_id.ptr)
				system_str(rows, member->instance_id);
			else
				system_null(rows);
			system_str(rows, member->client_id);
			system_str(rows, member->client_host);
			system_int(rows, view.leader.len && mr_str_eq(view.leader, member->id));
		}
	}
	arena_release(&arena);
	return 0;
}

static const struct column_def group_lag_columns[] = {
    SYSTEM_COLUMN("group_id", COL_STRING),    SYSTEM_COLUMN("topic", COL_STRING),
    SYSTEM_COLUMN("partition", COL_INTEGER),  SYSTEM_COLUMN("committed_offset", COL_LONG),
    SYSTEM_COLUMN("end_offset", COL_LONG),    SYSTEM_COLUMN("lag_rows", COL_LONG),
    SYSTEM_COLUMN("lag_seconds", COL_DOUBLE), SYSTEM_COLUMN("member_id", COL_STRING),
    SYSTEM_COLUMN("client_id", COL_STRING),
};

static void text_or_null(struct system_rows *rows, mr_str text)
{
	if (text.len)
		system_str(rows, text);
	else
		system_null(rows);
}

static int fill_group_lag(void *arg, struct system_rows *rows, struct mr_error *err)
{
	(void)err;
	struct arena arena = {0};
	size_t count;
	struct group_lag *lags = groups_lag(app_groups(arg), MR_STR_NULL, &count, &arena);
	for (size_t i = 0; i < count; i++) {
		system_str(rows, lags[i].group);
		system_str(rows, lags[i].topic);
		system_int(rows, lags[i].partition);
		system_int(rows, lags[i].committed);
		system_int(rows, lags[i].log_end);
		system_int(rows, lags[i].lag_rows);
		system_double(rows, lags[i].lag_seconds);
		text_or_null(rows, lags[i].member_id);
		text_or_null(rows, lags[i].client_id);
	}
	arena_release(&arena);
	return 0;
}

static const struct column_def connections_columns[] = {
    SYSTEM_COLUMN("peer", COL_STRING),          SYSTEM_COLUMN("port", COL_INTEGER),
    SYSTEM_COLUMN("user_name", COL_STRING),     SYSTEM_COLUMN("client_id", COL_STRING),
    SYSTEM_COLUMN("software_name", COL_STRING), SYSTEM_COLUMN("software_version", COL_STRING),
    SYSTEM_COLUMN("tls", COL_BOOLEAN),          SYSTEM_COLUMN("opened", COL_TIMESTAMP),
    SYSTEM_COLUMN("requests", COL_LONG),        SYSTEM_COLUMN("bytes_in", COL_LONG),
    SYSTEM_COLUMN("bytes_out", COL_LONG),
};

static int fill_connections(void *arg, struct system_rows *rows, struct mr_error *err)
{
	(void)err;
	if (!app_kafka(arg))
		return 0;
	struct arena arena = {0};
	size_t count;
	struct kafka_connection *list = kafka_server_connections(app_kafka(arg), &arena, &count);
	for (size_t i = 0; i < count; i++) {
		const struct kafka_connection *c = &list[i];
		system_str(rows, c->peer);
		system_int(rows, c->peer_port);
		text_or_null(rows, c->user);
		text_or_null(rows, c->client_id);
		text_or_null(rows, c->software_name);
		text_or_null(rows, c->software_version);
		system_int(rows, c->tls);
		system_int(rows, c->opened_ms * 1000);
		system_int(rows, (int64_t)c->requests);
		system_int(rows, (int64_t)c->bytes_in);
		system_int(rows, (int64_t)c->bytes_out);
	}
	arena_release(&arena);
	return 0;
}

const struct system_table system_group_tables[] = {
    SYSTEM_TABLE(groups),
    SYSTEM_TABLE(group_members),
    SYSTEM_TABLE(group_lag),
    SYSTEM_TABLE(connections),
};
const size_t system_group_table_count = MR_COUNT(system_group_tables);
