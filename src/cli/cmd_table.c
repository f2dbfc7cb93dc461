/* cli/cmd_table.c - millrace table: what there is, and the chores, on names and on paths. A word
 * with a '/' in it is a path, and needs no project. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/target.h"
#include "sql/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct arg_option options[] = {
    {"project", 'C', "FOLDER", "the project's folder (default: . when it holds a project, else none)", false},
    {"format", 'o', "FORMAT", "box, csv, tsv, json, jsonl, markdown", false},
    {"version", 0, "N", "restore: to this version", false},
    {"timestamp", 0, "TIME", "restore: to the version of that time", false},
    {"zorder", 0, "COLUMNS", "optimize: sort along these columns, separated by commas", false},
    {"retain", 0, "HOURS", "vacuum: keep what left the table within these hours", false},
    {"no-statistics", 0, NULL, "fsck: do not read rows to check statistics against them", true},
    {"dry-run", 0, NULL, "vacuum: show the files, remove nothing", true},
};

/* The table as SQL names it. */
static void put_table(struct mr_buf *out, const char *name)
{
	if (!strchr(name, '/')) {
		sql_quote_path(out, mr_str_from(name));
		return;
	}
	mr_buf_cstr(out, "delta.`");
	for (; *name; name++)
		mr_buf_cstr(out, *name == '`' ? "``" : (char[]){*name, 0});
	mr_buf_char(out, '`');
}

static int put_list(const struct args *args, const char *name, struct mr_buf *out, struct mr_error *err)
{
	(void)args, (void)name, (void)err;
	mr_buf_cstr(
	    out,
	    "SELECT table_name, kind, version, rows, files, bytes FROM system.tables ORDER BY table_name");
	return 0;
}

static int put_describe(const struct args *args, const char *name, struct mr_buf *out, struct mr_error *err)
{
	(void)args, (void)err;
	mr_buf_cstr(out, "DESCRIBE SELECT * FROM ");
	put_table(out, name);
	mr_buf_cstr(out, "; DESCRIBE DETAIL ");
	put_table(out, name);
	return 0;
}

static int put_history(const struct args *args, const char *name, struct mr_buf *out, struct mr_error *err)
{
	(void)args, (void)err;
	mr_buf_cstr(out, "DESCRIBE HISTORY ");
	put_table(out, name);
	return 0;
}

static int put_optimize(const struct args *args, const char *name, struct mr_buf *out, struct mr_error *err)
{
	(void)err;
	mr_buf_cstr(out, "OPTIMIZE ");
	put_table(out, name);
	if (args_get(args, "zorder"))
		mr_buf_printf(out, " ZORDER BY (%s)", args_get(args, "zorder"));
	return 0;
}

static int put_vacuum(const struct args *args, const char *name, struct mr_buf *out, struct mr_error *err)
{
	(void)err;
	mr_buf_cstr(out, "VACUUM ");
	put_table(out, name);
	if (args_get(args, "retain"))
		mr_buf_printf(out, " RETAIN %s HOURS", args_get(args, "retain"));
	mr_buf_cstr(out, args_has(args, "dry-run") ? " DRY RUN" : "");
	return 0;
}

static int put_restore(const struct args *args, const char *name, struct mr_buf *out, struct mr_error *err)
{
	const char *version = args_get(args, "version"), *timestamp = args_get(args, "timestamp");
	if (!version == !timestamp)
		return mr_fail(err, MR_ERR_INVALID, "restore takes --version N or --timestamp TIME");
	mr_buf_cstr(out, "RESTORE TABLE ");
	put_table(out, name);
	if (version)
		mr_buf_printf(out, " TO VERSION AS OF %s", version);
	else
		mr_buf_cstr(out, " TO TIMESTAMP AS OF ");
	if (timestamp)
		sql_quote_literal(out, mr_str_from(timestamp));
	return 0;
}

static int put_fsck(const struct args *args, const char *name, struct mr_buf *out, struct mr_error *err)
{
	(void)err;
	mr_buf_cstr(out, "FSCK ");
	put_table(out, name);
	mr_buf_cstr(out, args_has(args, "no-statistics") ? " NO STATISTICS" : "");
	return 0;
}

/* NAME@v3: the suffix stays outside of the quotes. A path keeps it: it may be read from there. */
static void put_versioned(struct mr_buf *out, const char *name)
{
	const char *at = strrchr(name, '@');
	if (!at || strchr(name, '/') || strspn(at + 1, "vV0123456789") != strlen(at + 1)) {
		put_table(out, name);
		return;
	}
	char *base = mr_strndup(mr_str_n(name, (size_t)(at - name)));
	put_table(out, base);
	mr_buf_cstr(out, at);
	free(base);
}

static int put_diff(const struct args *args, const char *name, struct mr_buf *out, struct mr_error *err)
{
	const char *sides[] = {name, args_positional(args, 2)};
	if (!sides[1])
		return mr_fail(err, MR_ERR_INVALID, "diff takes two tables: NAME@v1 NAME@v2");
	for (int i = 0; i < 2; i++) {
		mr_buf_printf(out, "%sSELECT '%c' AS diff, * FROM (SELECT * FROM ", i ? " UNION ALL " : "",
			      i ? '+' : '-');
		put_versioned(out, sides[i]);
		mr_buf_cstr(out, " EXCEPT ALL SELECT * FROM ");
		put_versioned(out, sides[1 - i]);
		mr_buf_cstr(out, ") AS d");
	}
	mr_buf_cstr(out, " ORDER BY ALL");
	return 0;
}

static const struct verb {
	const char *name;
	bool needs_table;
	int (*put)(const struct args *args, const char *name, struct mr_buf *out, struct mr_error *err);
} verbs[] = {
    {"list", false, put_list},        {"describe", true, put_describe}, {"history", true, put_history},
    {"optimize", true, put_optimize}, {"vacuum", true, put_vacuum},     {"restore", true, put_restore},
    {"fsck", true, put_fsck},         {"diff", true, put_diff},
};

static const struct verb *find_verb(const char *word, const char *name)
{
	for (size_t i = 0; i < MR_COUNT(verbs); i++)
		if (strcmp(verbs[i].name, word) == 0 && (name || !verbs[i].needs_table))
			return &verbs[i];
	return NULL;
}

static int run(const struct args *args, const struct verb *verb, const char *name, struct mr_error *err)
{
	const char *folder = args_get(args, "project"), *format = args_get(args, "format");
	bool by_path = name && strchr(name, '/');
	struct target *target = NULL;
	struct mr_buf sql = {0};
	int rc = verb->put(args, name, &sql, err);
	if (rc == 0 && by_path)
		rc = target_open_any(folder, &target, err);
	else if (rc == 0)
		rc = target_open(folder ? folder : ".", &target, err);
	if (!format)
		format = print_is_terminal(STDOUT_FILENO) ? "box" : "tsv";
	if (rc == 0)
		rc = target_sql(target, mr_buf_view(&sql), format, print_width(), target_print, NULL, err);
	target_close(target);
	mr_buf_release(&sql);
	return rc;
}

int cmd_table(int argc, char **argv)
{
	static const char synopsis[] =
	    "list | describe TABLE | history TABLE | optimize TABLE | vacuum TABLE | "
	    "restore TABLE | fsck TABLE | diff TABLE@v1 TABLE@v2 (TABLE: a name, or a path with a '/')";
	struct args args;
	int code;
	if (!command_args("table", synopsis, options, MR_COUNT(options), 3, argc, argv, &args, &code))
		return code;
	const char *word = args_positional(&args, 0) ? args_positional(&args, 0) : "list";
	const char *name = args_positional(&args, 1);
	const struct verb *verb = find_verb(word, name);
	struct mr_error err;
	if (!verb) {
		mr_fail(&err, MR_ERR_INVALID, "millrace table does not know '%s'%s", word,
			name ? "" : " without a table");
		mr_hint(&err, "millrace table %s", synopsis);
		return command_failed(&err);
	}
	return run(&args, verb, name, &err) < 0 ? command_failed(&err) : EXIT_OK;
}
