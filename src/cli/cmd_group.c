/* cli/cmd_group.c - millrace group: list, describe, members, lag, seek, delete. */
#include "base/mem.h"
#include "cli/command.h"
#include "cli/rows.h"
#include "cli/verbs.h"
#include "sql/engine.h"

static const struct arg_option options[] = {
    {"project", 'C', "FOLDER", "the project's folder (default: .)", false},
    {"format", 'f', "FORMAT", "box, csv, tsv, json, jsonl, markdown", false},
    {"to", 0, "POSITION", "seek: start, end, 42, -10 (before the end), 2h (ago), @TIME", false},
    {"topic", 't', "TOPIC", "seek, delete: only this topic's offsets", false},
    {"partition", 'p', "N", "seek: only this partition", false},
    {"dry-run", 0, NULL, "seek: show the offsets, commit nothing", false},
};

/* SELECT what FROM system.table [WHERE group_id = name] ORDER BY … */
static int show(struct target *target, const struct args *args, const char *select, const char *name,
		const char *order, struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, select);
	if (name) {
		mr_buf_cstr(&sql, " WHERE group_id = ");
		sql_quote_literal(&sql, mr_str_from(name));
	}
	mr_buf_printf(&sql, " ORDER BY %s", order);
	int rc = target_sql(target, mr_buf_view(&sql), rows_format(args_get(args, "format")), print_width(),
			    target_print, NULL, err);
	mr_buf_release(&sql);
	return rc;
}

static int group_list(struct target *target, const struct args *args, const char *name, struct mr_error *err)
{
	(void)name;
	return show(target, args,
		    "SELECT group_id, kind, state, members, (SELECT coalesce(sum(lag_rows), 0) FROM "
		    "system.group_lag l "
		    "WHERE l.group_id = g.group_id) AS lag_rows FROM system.groups g",
		    NULL, "group_id", err);
}

static int group_lag(struct target *target, const struct args *args, const char *name, struct mr_error *err)
{
	return show(target, args, "SELECT * FROM system.group_lag", name, "group_id, topic, \"partition\"",
		    err);
}

static int group_members(struct target *target, const struct args *args, const char *name,
			 struct mr_error *err)
{
	return show(target, args, "SELECT * FROM system.group_members", name, "member_id", err);
}

static int group_describe(struct target *target, const struct args *args, const char *name,
			  struct mr_error *err)
{
	int rc = show(target, args, "SELECT * FROM system.groups", name, "group_id", err);
	return rc < 0 ? rc : group_lag(target, args, name, err);
}

static void put_topic(struct json_writer *w, const struct args *args)
{
	if (!args_get(args, "topic"))
		return;
	json_key(w, "topics");
	json_begin_array(w);
	json_put_cstr(w, args_get(args, "topic"));
	json_end_array(w);
	json_member_cstr(w, "topic", args_get(args, "topic"));
}

static int group_seek(struct target *target, const struct args *args, const char *name, struct mr_error *err)
{
	static const char *const columns[] = {"topic", "partition", "before", "after"};
	int64_t partition;
	if (!args_get(args, "to")) {
		mr_fail(err, MR_ERR_INVALID, "where is group %s to go?", name);
		return mr_hint(err, "millrace group seek %s --to 2h --dry-run", name);
	}
	int rc = args_int(args, "partition", -1, 0, INT32_MAX, &partition, err);
	if (rc < 0)
		return rc;
	struct mr_buf body = {0};
	struct json_writer w = json_writer(&body);
	json_begin_object(&w);
	json_member_cstr(&w, "group", name);
	json_member_cstr(&w, "to", args_get(args, "to"));
	json_member_bool(&w, "dry_run", args_has(args, "dry-run"));
	put_topic(&w, args);
	if (partition >= 0)
		json_member_int(&w, "partition", partition);
	json_end_object(&w);
	rc = rows_admin(target, "group.seek", mr_buf_view(&body), args_get(args, "format"), "offsets",
			columns, MR_COUNT(columns), err);
	mr_buf_release(&body);
	return rc;
}

static int group_delete(struct target *target, const struct args *args, const char *name,
			struct mr_error *err)
{
	struct mr_buf body = {0};
	struct json_writer w = json_writer(&body);
	json_begin_object(&w);
	json_member_cstr(&w, "group", name);
	put_topic(&w, args);
	json_end_object(&w);
	int rc = rows_admin(target, args_get(args, "topic") ? "group.forget" : "group.delete",
			    mr_buf_view(&body), NULL, NULL, NULL, 0, err);
	mr_buf_release(&body);
	return rc;
}

static const struct cli_verb verbs[] = {
    {"list", NULL, group_list}, {"describe", "group", group_describe}, {"members", "group", group_members},
    {"lag", NULL, group_lag},   {"seek", "group", group_seek},         {"delete", "group", group_delete},
};

int cmd_group(int argc, char **argv)
{
	static const struct cli_verbs group = {"group", options,         MR_COUNT(options),
					       verbs,   MR_COUNT(verbs), 2};
	return cli_verbs_run(&group, argc, argv);
}
