/* cli/cmd_topic.c - millrace topic: list, describe, create, alter, add-partitions, delete, trim, produce,
 * consume. */
#include "base/mem.h"
#include "broker/config_key.h"
#include "cli/command.h"
#include "cli/rows.h"
#include "cli/topic_consume.h"
#include "cli/verbs.h"
#include "log/log.h"
#include "sql/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct arg_option options[] = {
    {"project", 'C', "FOLDER", "the project's folder (default: .)", false},
    {"format", 'f', "FORMAT",
     "consume: '%t %p %o %k %v %h %T\\n' or json (default); else box, csv, tsv, json, jsonl, markdown",
     false},
    {"partitions", 'p', "N", "create, add-partitions: how many in all; consume, trim: this one only", false},
    {"count", 'n', "N", "consume: at most N records", false},
    {"offset", 'o', "FROM[:TO]", "consume: start, end, 42, -10 (before the end), @2h (ago), @TIME", false},
    {"end", 'e', NULL, "consume: stop at the end instead of waiting for more", false},
    {"to", 0, "POSITION", "trim: forget what comes before it", false},
    {"set", 0, "NAME=VALUE", "create, alter: a configuration; more may follow the topic's name", false},
    {"dry-run", 0, NULL, "create, alter, trim: say what would become of it", false},
};

#define PRODUCE_BLOCK (4u << 20)

static int query(struct target *target, const struct args *args, struct mr_buf *sql, struct mr_error *err)
{
	return target_sql(target, mr_buf_view(sql), rows_format(args_get(args, "format")), print_width(),
			  target_print, NULL, err);
}

static int topic_list(struct target *target, const struct args *args, const char *name, struct mr_error *err)
{
	(void)name;
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "SELECT topic, partitions, messages, bytes, durability, contract FROM "
			  "system.topics ORDER BY topic");
	int rc = query(target, args, &sql, err);
	mr_buf_release(&sql);
	return rc;
}

static int topic_describe(struct target *target, const struct args *args, const char *name,
			  struct mr_error *err)
{
	static const char *const columns[] = {"name", "value", "source"};
	struct mr_buf sql = {0}, body = {0};
	struct json_writer w = json_writer(&body);
	mr_buf_cstr(&sql, "SELECT * FROM system.topics WHERE topic = ");
	sql_quote_literal(&sql, mr_str_from(name));
	mr_buf_cstr(&sql,
		    "; SELECT \"partition\", start_offset, stable_offset, end_offset, bytes, fault FROM "
		    "system.partitions WHERE topic = ");
	sql_quote_literal(&sql, mr_str_from(name));
	mr_buf_cstr(&sql, " ORDER BY \"partition\"");
	json_begin_object(&w);
	json_member_cstr(&w, "topic", name);
	json_end_object(&w);
	int rc = query(target, args, &sql, err);
	if (rc == 0)
		rc = rows_admin(target, "topic.configs", mr_buf_view(&body), args_get(args, "format"),
				"configs", columns, MR_COUNT(columns), err);
	mr_buf_release(&sql);
	mr_buf_release(&body);
	return rc;
}

/* NAME=VALUE into an object. 7d and 1GiB are as good as their numbers; an empty value is the default. */
static int put_config(struct json_writer *w, const char *text, struct mr_error *err)
{
	const char *equals = strchr(text, '=');
	if (!equals || equals == text) {
		mr_fail(err, MR_ERR_INVALID, "\"%s\" sets nothing", text);
		return mr_hint(err, "say NAME=VALUE, as retention.ms=7d");
	}
	mr_str name = mr_str_n(text, (size_t)(equals - text)), value = mr_str_from(equals + 1);
	struct arena arena = {0};
	json_key_str(w, name);
	if (value.len)
		json_put_str(w, config_from_people(name, value, &arena));
	else
		json_put_null(w);
	arena_release(&arena);
	return 0;
}

static int put_configs(struct json_writer *w, const struct args *args, struct mr_error *err)
{
	int rc = 0;
	json_key(w, "configs");
	json_begin_object(w);
	if (args_get(args, "set"))
		rc = put_config(w, args_get(args, "set"), err);
	for (size_t i = 2; rc == 0 && args_positional(args, i); i++)
		rc = put_config(w, args_positional(args, i), err);
	json_end_object(w);
	return rc;
}

/* A verb on this topic with configurations, partitions, place and partition as they are given. */
static int call(struct target *target, const struct args *args, const char *verb, const char *name,
		struct mr_error *err)
{
	static const char *const columns[] = {"partition", "before", "after"};
	struct mr_buf body = {0};
	struct json_writer w = json_writer(&body);
	bool trims = strcmp(verb, "topic.trim") == 0;
	int64_t n;
	int rc = args_int(args, "partitions", -1, trims ? 0 : 1, LOG_PARTITIONS_MAX, &n, err);
	if (rc < 0)
		return rc;
	json_begin_object(&w);
	json_member_cstr(&w, "topic", name);
	json_member_bool(&w, "dry_run", args_has(args, "dry-run"));
	if (n >= 0)
		json_member_int(&w, trims ? "partition" : "partitions", n);
	if (args_get(args, "to"))
		json_member_cstr(&w, "to", args_get(args, "to"));
	rc = put_configs(&w, args, err);
	json_end_object(&w);
	if (rc == 0)
		rc = rows_admin(target, verb, mr_buf_view(&body), args_get(args, "format"),
				trims ? "partitions" : NULL, columns, MR_COUNT(columns), err);
	mr_buf_release(&body);
	return rc;
}

static int topic_create(struct target *target, const struct args *args, const char *name,
			struct mr_error *err)
{
	return call(target, args, "topic.create", name, err);
}

static int topic_alter(struct target *target, const struct args *args, const char *name, struct mr_error *err)
{
	if (!args_get(args, "set") && !args_positional(args, 2)) {
		mr_fail(err, MR_ERR_INVALID, "what of topic %s is to change?", name);
		return mr_hint(err, "millrace topic alter %s retention.ms=7d", name);
	}
	return call(target, args, "topic.alter", name, err);
}

static int topic_add_partitions(struct target *target, const struct args *args, const char *name,
				struct mr_error *err)
{
	if (!args_get(args, "partitions")) {
		mr_fail(err, MR_ERR_INVALID, "how many partitions is topic %s to have?", name);
		return mr_hint(err, "millrace topic add-partitions %s -p 12", name);
	}
	return call(target, args, "topic.alter", name, err);
}

static int topic_delete(struct target *target, const struct args *args, const char *name,
			struct mr_error *err)
{
	return call(target, args, "topic.delete", name, err);
}

static int topic_trim(struct target *target, const struct args *args, const char *name, struct mr_error *err)
{
	if (!args_get(args, "to")) {
		mr_fail(err, MR_ERR_INVALID, "before what is topic %s to be trimmed?", name);
		return mr_hint(err, "millrace topic trim %s --to @7d", name);
	}
	return call(target, args, "topic.trim", name, err);
}

/* Lines of standard input, in blocks that end with a line. */
static int topic_produce(struct target *target, const struct args *args, const char *name,
			 struct mr_error *err)
{
	(void)args;
	struct mr_buf text;
	mr_buf_init(&text, 4 * PRODUCE_BLOCK);
	char block[65536];
	int rc = 0;
	for (ssize_t n = 1; n > 0 && rc == 0;) {
		n = read(STDIN_FILENO, block, sizeof block);
		if (n > 0)
			mr_buf_append(&text, block, (size_t)n);
		if (text.overflow)
			return mr_fail(err, MR_ERR_LIMIT, "a line is longer than %u bytes",
				       4 * PRODUCE_BLOCK);
		if (!text.len || (n > 0 && text.len < PRODUCE_BLOCK))
			continue;
		const char *last = n > 0 ? memrchr(text.ptr, '\n', text.len) : text.ptr + text.len - 1;
		size_t whole = last ? (size_t)(last - text.ptr) + 1 : 0;
		if (whole)
			rc = target_produce(target, name, mr_str_n(text.ptr, whole), err);
		mr_buf_consume(&text, whole);
	}
	mr_buf_release(&text);
	return rc;
}

static const struct cli_verb verbs[] = {
    {"list", NULL, topic_list},
    {"describe", "topic", topic_describe},
    {"create", "topic", topic_create},
    {"alter", "topic", topic_alter},
    {"add-partitions", "topic", topic_add_partitions},
    {"delete", "topic", topic_delete},
    {"trim", "topic", topic_trim},
    {"produce", "topic", topic_produce},
    {"consume", "topic", topic_consume},
};

int cmd_topic(int argc, char **argv)
{
	static const struct cli_verbs topic = {"topic", options,         MR_COUNT(options),
					       verbs,   MR_COUNT(verbs), ARG_POSITIONALS_MAX};
	return cli_verbs_run(&topic, argc, argv);
}
