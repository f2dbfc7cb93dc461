/* cli/cmd_sql.c - millrace sql: one query (-c), a file (-f), standard input, or a prompt. */
#include "cli/command.h"

#include "base/mem.h"
#include "cli/target.h"
#include "env/env.h"

#include <histedit.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SQL_TEXT_MAX (16u << 20)

static const struct arg_option options[] = {
    {"project", 'C', "FOLDER", "the project's folder (default: . when it holds a project, else none)", false},
    {"command", 'c', "SQL", "run this and end", false},
    {"file", 'f', "FILE", "run the statements of this file ('-': standard input)", false},
    {"format", 'o', "FORMAT", "box, csv, tsv, json, jsonl, markdown (default: box on a terminal, else tsv)",
     false},
    {"box", 0, NULL, "the same as --format box, and so on:", true},
    {"csv", 0, NULL, "", true},
    {"tsv", 0, NULL, "", true},
    {"json", 0, NULL, "", true},
    {"jsonl", 0, NULL, "", true},
    {"markdown", 0, NULL, "", true},
};

static const char *chosen_format(const struct args *args)
{
	static const char *const words[] = {"box", "csv", "tsv", "json", "jsonl", "markdown"};
	for (size_t i = 0; i < MR_COUNT(words); i++) {
		if (args_has(args, words[i]))
			return words[i];
	}
	const char *format = args_get(args, "format");
	return format ? format : print_is_terminal(STDOUT_FILENO) ? "box" : "tsv";
}

static int run(struct target *target, mr_str sql, const char *format)
{
	struct mr_error err;
	if (target_sql(target, sql, format, print_width(), target_print, NULL, &err) < 0) {
		/* Text from the command line that the engine refuses is the query's failure, not a
		 * wrong use of the command. */
		print_error(&err);
		return err.code == MR_ERR_UNAVAILABLE ? EXIT_UNREACHABLE : EXIT_WORK_FAILED;
	}
	fflush(stdout);
	return EXIT_OK;
}

static int read_all(const char *path, struct mr_buf *out, struct mr_error *err)
{
	mr_buf_init(out, SQL_TEXT_MAX);
	if (strcmp(path, "-") != 0)
		return disk_read_file(env_linux()->disk, path, SQL_TEXT_MAX, out, err);
	char block[8192];
	for (ssize_t n; (n = read(STDIN_FILENO, block, sizeof block)) > 0;)
		mr_buf_append(out, block, (size_t)n);
	return out->overflow ? mr_fail(err, MR_ERR_LIMIT, "more than %u bytes of SQL", SQL_TEXT_MAX) : 0;
}

/* ---- the prompt ---- */

static int continued; /* histedit's prompt callback has no argument of ours */

static char *prompt(EditLine *edit)
{
	(void)edit;
	static char first[] = "millrace> ", more[] = "    ...> ";
	return continued ? more : first;
}

/* A statement is whole when a ';' ends it; "\q", "exit" and "quit" end the prompt. */
static bool ends_session(mr_str line)
{
	return mr_str_starts(line, MR_STR("\\q")) || mr_str_starts(line, MR_STR("exit")) ||
	       mr_str_starts(line, MR_STR("quit"));
}

static void run_prompt(struct target *target, const char *format)
{
	EditLine *edit = el_init("millrace", stdin, stdout, stderr);
	History *past = history_init();
	HistEvent event;
	history(past, &event, H_SETSIZE, 1000);
	const struct project *project = target_project(target);
	char *path = project ? mr_asprintf("%s/sql_history", project->data) : NULL;
	if (path)
		history(past, &event, H_LOAD, path);
	el_set(edit, EL_PROMPT, prompt);
	el_set(edit, EL_EDITOR, "emacs");
	el_set(edit, EL_SIGNAL, 1);
	el_set(edit, EL_HIST, history, past);
	struct mr_buf text = {0};
	int count;
	for (const char *line; (line = el_gets(edit, &count)) && count > 0;) {
		if (!text.len && ends_session(mr_str_from(line)))
			break;
		mr_buf_cstr(&text, line);
		mr_str rest = mr_buf_view(&text);
		while (rest.len && strchr(" \t\n\r", rest.ptr[rest.len - 1]))
			rest.len--;
		if (rest.len && rest.ptr[rest.len - 1] != ';') {
			continued = 1;
			continue;
		}
		continued = 0;
		if (rest.len) {
			history(past, &event, H_ENTER, text.ptr);
			run(target, rest, format);
		}
		mr_buf_clear(&text);
	}
	if (path)
		history(past, &event, H_SAVE, path);
	history_end(past);
	el_end(edit);
	mr_buf_release(&text);
	free(path);
}

int cmd_sql(int argc, char **argv)
{
	struct args args;
	int code;
	if (!command_args("sql", "[-C FOLDER] [-c SQL | -f FILE] [-o FORMAT]", options, MR_COUNT(options), 0,
			  argc, argv, &args, &code))
		return code;
	struct mr_error err;
	struct target *target;
	if (target_open_any(args_get(&args, "project"), &target, &err) < 0)
		return command_failed(&err);
	const char *format = chosen_format(&args), *file = args_get(&args, "file");
	if (!file && !args_has(&args, "command") && !print_is_terminal(STDIN_FILENO))
		file = "-";
	struct mr_buf text = {0};
	if (args_has(&args, "command"))
		code = run(target, mr_str_from(args_get(&args, "command")), format);
	else if (!file)
		code = (run_prompt(target, format), EXIT_OK);
	else if (read_all(file, &text, &err) < 0)
		code = command_failed(&err);
	else
		code = run(target, mr_buf_view(&text), format);
	mr_buf_release(&text);
	target_close(target);
	return code;
}
