/* cli/main.c - finds the command by its name and hands it the rest. */
#include "cli/command.h"

#include "base/log.h"
#include "conf/nearest.h"
#include "sql/engine.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *name;
	command_fn *run;
	const char *help;
} commands[] = {
    {"init", cmd_init, "make a project folder to start from"},
    {"demo", cmd_demo, "the whole platform on a real access log, in a minute"},
    {"up", cmd_up, "run a project: gateway, broker, ingest, flows, HTTP"},
    {"broker", cmd_broker, "topics and the Kafka endpoint alone; --ephemeral for tests"},
    {"sql", cmd_sql, "query every table and topic"},
    {"topic", cmd_topic, "list, describe, create, alter, delete, trim, produce, consume topics"},
    {"group", cmd_group, "list, describe, seek, delete consumer groups; their members and lag"},
    {"user", cmd_user, "list, add, remove users; their passwords"},
    {"acl", cmd_acl, "list, add, remove access control lists"},
    {"table", cmd_table, "list, describe, history, optimize, vacuum, restore tables"},
    {"pipeline", cmd_pipeline, "list the flows; validate the project's SQL"},
    {"dag", cmd_dag, "list, show, test, trigger, pause, backfill DAGs; their runs and dates"},
    {"task", cmd_task, "a run's tasks: state, logs, retry, clear, mark"},
    {"export", cmd_export, "DAGs as Python files for Airflow"},
    {"status", cmd_status, "what runs, how far, what failed"},
    {"doctor", cmd_doctor, "check this machine and this project"},
    {"keeper", cmd_keeper, NULL},
    {"play", cmd_play, "send a file's lines as syslog, at a rate"},
    {"gateway", cmd_gateway, "try the gateway's rules on a file (--test)"},
};

static void usage(FILE *to)
{
	fputs("millrace: a real-time data platform in one program\n\nusage: millrace COMMAND [ARGUMENTS]\n\n",
	      to);
	for (size_t i = 0; i < MR_COUNT(commands); i++)
		if (commands[i].help) /* others are not for people */
			fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
	fputs("\n'millrace COMMAND --help' tells a command's options.\n", to);
}

static int unknown_command(const char *word)
{
	const char *names[MR_COUNT(commands)];
	for (size_t i = 0; i < MR_COUNT(commands); i++)
		names[i] = commands[i].name;
	struct mr_error err;
	mr_fail(&err, MR_ERR_INVALID, "unknown command '%s'", word);
	const char *near = conf_nearest(mr_str_from(word), names, MR_COUNT(names));
	if (near)
		mr_hint(&err, "did you mean 'millrace %s'?", near);
	else
		mr_hint(&err, "'millrace help' lists the commands");
	return command_failed(&err);
}

bool command_args(const char *name, const char *synopsis, const struct arg_option *options,
		  size_t option_count, size_t positionals_max, int argc, char **argv, struct args *out,
		  int *exit_code)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0)
			continue;
		struct mr_buf text = {0};
		mr_buf_printf(&text, "usage: millrace %s %s\n\n", name, synopsis);
		args_usage(options, option_count, &text);
		fputs(mr_buf_view(&text).ptr, stdout);
		mr_buf_release(&text);
		*exit_code = EXIT_OK;
		return false;
	}
	struct mr_error err;
	int rc = args_parse(options, option_count, positionals_max, argc, argv, out, &err);
	if (rc == 0)
		return true;
	if (!err.hint[0])
		mr_hint(&err, "usage: millrace %s %s", name, synopsis);
	*exit_code = command_failed(&err);
	return false;
}

int command_failed(const struct mr_error *err)
{
	print_error(err);
	return print_exit_code(err->code);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	const char *word = argc > 1 ? argv[1] : "help";
	if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		usage(argc > 1 ? stdout : stderr);
		return argc > 1 ? EXIT_OK : EXIT_USAGE;
	}
	if (strcmp(word, "version") == 0 || strcmp(word, "--version") == 0) {
		struct mr_error err;
		const char *engine = sql_engine_version(&err);
		printf("millrace " MR_VERSION " (DuckDB %s)\n", engine ? engine : err.message);
		return EXIT_OK;
	}
	for (size_t i = 0; i < MR_COUNT(commands); i++) {
		if (strcmp(word, commands[i].name) == 0)
			return commands[i].run(argc - 2, argv + 2);
	}
	return unknown_command(word);
}
