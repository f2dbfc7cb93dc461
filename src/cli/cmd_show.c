/* cli/cmd_show.c - commands that are one query over system.*: pipeline, status. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/target.h"
#include "sql/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct arg_option options[] = {
    {"project", 'C', "FOLDER", "the project's folder (default: .)", false},
    {"format", 'o', "FORMAT", "box, csv, tsv, json, jsonl, markdown", false},
};

struct view {
	const char *verb;
	bool needs_name;
	const char *sql; /* "$" stands for the name as a literal, "@" as a quoted path */
};

static void put_sql(struct mr_buf *out, const char *sql, const char *name)
{
	for (; *sql; sql++) {
		if (*sql == '$' && name)
			sql_quote_literal(out, mr_str_from(name));
		else if (*sql == '@' && name)
			sql_quote_path(out, mr_str_from(name));
		else
			mr_buf_char(out, *sql);
	}
}

static int show(const char *command, const struct view *views, size_t count, int argc, char **argv)
{
	struct mr_buf synopsis = {0};
	for (size_t i = 0; i < count; i++)
		mr_buf_printf(&synopsis, "%s%s%s", i ? " | " : "", views[i].verb,
			      views[i].needs_name ? " NAME" : "");
	struct args args;
	int code;
	bool go = command_args(command, mr_buf_view(&synopsis).ptr, options, MR_COUNT(options), 2, argc, argv,
			       &args, &code);
	if (!go) {
		mr_buf_release(&synopsis);
		return code;
	}
	const char *word = args_positional(&args, 0) ? args_positional(&args, 0) : views[0].verb;
	const char *name = args_positional(&args, 1);
	const struct view *view = NULL;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(views[i].verb, word) == 0 && (name || !views[i].needs_name))
			view = &views[i];
	}
	struct mr_error err;
	struct target *target = NULL;
	int rc = 0;
	if (!view) {
		rc = mr_fail(&err, MR_ERR_INVALID, "millrace %s does not know '%s'", command, word);
		mr_hint(&err, "millrace %s %s", command, synopsis.ptr);
	}
	mr_buf_release(&synopsis);
	const char *folder = args_get(&args, "project") ? args_get(&args, "project") : ".";
	if (rc == 0)
		rc = target_open(folder, &target, &err);
	if (rc == 0) {
		const char *format = args_get(&args, "format");
		if (!format)
			format = print_is_terminal(STDOUT_FILENO) ? "box" : "tsv";
		struct mr_buf sql = {0};
		put_sql(&sql, view->sql, name);
		rc = target_sql(target, mr_buf_view(&sql), format, print_width(), target_print, NULL, &err);
		mr_buf_release(&sql);
	}
	target_close(target);
	return rc < 0 ? command_failed(&err) : EXIT_OK;
}

int cmd_pipeline(int argc, char **argv)
{
	static const struct view views[] = {
	    {"list", false, "SELECT * FROM system.flows ORDER BY flow"},
	    {"errors", false, "SELECT * FROM system.errors"},
	};
	return show("pipeline", views, MR_COUNT(views), argc, argv);
}

int cmd_status(int argc, char **argv)
{
	static const struct view views[] = {
	    {"all", false,
	     "SELECT topic, partitions, messages, bytes, invalid FROM system.topics ORDER BY topic;"
	     "SELECT table_name, topic, rows, rejected, lag_rows, lag_seconds, error FROM system.ingests;"
	     "SELECT flow, kind, state, batches, rows, last_ms, error FROM system.flows;"
	     "SELECT table_name, kind, version, rows, files, bytes FROM system.tables ORDER BY table_name"},
	};
	return show("status", views, MR_COUNT(views), argc, argv);
}
