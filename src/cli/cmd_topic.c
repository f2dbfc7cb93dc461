/* cli/cmd_topic.c - millrace topic: list, describe, create, delete, produce, consume. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/target.h"
#include "conf/nearest.h"
#include "sql/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct arg_option options[] = {
    {"project", 'C', "FOLDER", "the project's folder (default: .)", false},
    {"format", 'o', "FORMAT", "box, csv, tsv, json, jsonl, markdown", false},
    {"partitions", 'p', "N", "create: partitions (default 1); consume: this one only", false},
    {"count", 'n', "N", "consume: at most N messages", false},
    {"offset", 0, "OFFSET", "consume: start (default), end-N, or an offset", false},
};

#define PRODUCE_BLOCK (4u << 20)

static int query(struct target *target, const struct args *args, struct mr_buf *sql, struct mr_error *err)
{
	const char *format = args_get(args, "format");
	if (!format)
		format = print_is_terminal(STDOUT_FILENO) ? "box" : "tsv";
	return target_sql(target, mr_buf_view(sql), format, print_width(), target_print, NULL, err);
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
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "SELECT * FROM system.topics WHERE topic = ");
	sql_quote_literal(&sql, mr_str_from(name));
	mr_buf_cstr(
	    &sql,
	    "; SELECT \"partition\", start_offset, stable_offset, end_offset, bytes FROM system.partitions "
	    "WHERE topic = ");
	sql_quote_literal(&sql, mr_str_from(name));
	mr_buf_cstr(&sql, " ORDER BY \"partition\"");
	int rc = query(target, args, &sql, err);
	mr_buf_release(&sql);
	return rc;
}

static int topic_create(struct target *target, const struct args *args, const char *name,
			struct mr_error *err)
{
	int64_t partitions;
	int rc = args_int(args, "partitions", 1, 1, 10000, &partitions, err);
	return rc < 0 ? rc : target_topic_create(target, name, (int32_t)partitions, err);
}

static int topic_delete(struct target *target, const struct args *args, const char *name,
			struct mr_error *err)
{
	(void)args;
	return target_topic_delete(target, name, err);
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

static int topic_consume(struct target *target, const struct args *args, const char *name,
			 struct mr_error *err)
{
	int64_t partition, count, offset = 0, from_end = 0;
	int rc = args_int(args, "partitions", -1, 0, 9999, &partition, err);
	if (rc == 0)
		rc = args_int(args, "count", -1, 1, INT64_MAX, &count, err);
	if (rc < 0)
		return rc;
	const char *from = args_get(args, "offset");
	if (from && strncmp(from, "end-", 4) == 0)
		from_end = strtoll(from + 4, NULL, 10);
	else if (from && strcmp(from, "start") != 0)
		offset = strtoll(from, NULL, 10);
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "SELECT \"partition\", \"offset\", timestamp, key, value FROM (SELECT * FROM ");
	sql_quote_name(&sql, mr_str_from(name));
	mr_buf_printf(&sql, " WHERE \"offset\" >= %lld", (long long)offset);
	if (partition >= 0)
		mr_buf_printf(&sql, " AND \"partition\" = %lld", (long long)partition);
	mr_buf_cstr(&sql, ")");
	if (from_end > 0)
		mr_buf_printf(&sql,
			      " QUALIFY row_number() OVER (PARTITION BY \"partition\" ORDER BY \"offset\" "
			      "DESC) <= %lld",
			      (long long)from_end);
	mr_buf_cstr(&sql, " ORDER BY timestamp, \"partition\", \"offset\"");
	if (count > 0)
		mr_buf_printf(&sql, " LIMIT %lld", (long long)count);
	rc = query(target, args, &sql, err);
	mr_buf_release(&sql);
	return rc;
}

static const struct {
	const char *verb;
	bool needs_name;
	int (*run)(struct target *, const struct args *, const char *name, struct mr_error *);
} verbs[] = {
    {"list", false, topic_list},    {"describe", true, topic_describe}, {"create", true, topic_create},
    {"delete", true, topic_delete}, {"produce", true, topic_produce},   {"consume", true, topic_consume},
};

static int find_verb(const struct args *args, size_t *out, struct mr_error *err)
{
	const char *word = args_positional(args, 0) ? args_positional(args, 0) : "list";
	const char *names[MR_COUNT(verbs)];
	for (size_t i = 0; i < MR_COUNT(verbs); i++) {
		names[i] = verbs[i].verb;
		if (strcmp(word, verbs[i].verb) != 0)
			continue;
		*out = i;
		if (verbs[i].needs_name && !args_positional(args, 1)) {
			mr_fail(err, MR_ERR_INVALID, "which topic?");
			return mr_hint(err, "millrace topic %s NAME", word);
		}
		return 0;
	}
	mr_fail(err, MR_ERR_INVALID, "millrace topic knows no '%s'", word);
	const char *near = conf_nearest(mr_str_from(word), names, MR_COUNT(names));
	return mr_hint(err, "%s%s",
		       near ? "did you mean " : "list, describe, create, delete, produce, consume",
		       near ? near : "");
}

int cmd_topic(int argc, char **argv)
{
	struct args args;
	int code;
	if (!command_args("topic", "list|describe|create|delete|produce|consume [NAME]", options,
			  MR_COUNT(options), 2, argc, argv, &args, &code))
		return code;
	struct mr_error err;
	size_t verb;
	struct target *target = NULL;
	const char *folder = args_get(&args, "project") ? args_get(&args, "project") : ".";
	int rc = find_verb(&args, &verb, &err);
	if (rc == 0)
		rc = target_open(folder, &target, &err);
	if (rc == 0)
		rc = verbs[verb].run(target, &args, args_positional(&args, 1), &err);
	target_close(target);
	return rc < 0 ? command_failed(&err) : EXIT_OK;
}
