/* cli/cmd_export.c - millrace export airflow: DAGs as Python files that Airflow loads. */
#include "cli/command.h"

#include "base/mem.h"
#include "base/vec.h"
#include "dag/export.h"
#include "dag/load.h"
#include "env/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct arg_option options[] = {
    {"project", 'C', "FOLDER", "the project's folder (default: .)", false},
    {"out", 'O', "FOLDER", "write DAG.py there for each (default: to standard output)", false},
};

static int write_one(const struct dag *dag, const char *out, struct mr_error *err)
{
	struct mr_buf text = {0}, notes = {0};
	int rc = dag_export_airflow(dag, &text, &notes, err);
	if (rc == 0 && out) {
		char *path = mr_asprintf("%s/%.*s.py", out, MR_FMT(dag->id));
		rc = disk_mkdir_all(env_linux()->disk, out, err);
		if (rc == 0)
			rc = disk_replace_file(env_linux()->disk, path, mr_buf_view(&text), err);
		if (rc == 0)
			printf("%s\n", path);
		free(path);
	} else if (rc == 0) {
		fputs(text.ptr, stdout);
	}
	if (rc == 0 && notes.len)
		fputs(notes.ptr, stderr);
	mr_buf_release(&text);
	mr_buf_release(&notes);
	return rc;
}

static bool is_wanted(const struct args *args, const struct dag *dag)
{
	bool wanted = args->positional_count < 2;
	for (size_t i = 1; i < args->positional_count && !wanted; i++)
		wanted = mr_str_is(dag->id, args_positional(args, i));
	return wanted;
}

static int export_all(const struct args *args, struct mr_error *err)
{
	const char *project = args_get(args, "project") ? args_get(args, "project") : ".";
	struct dag_load_options load = {.disk = env_linux()->disk};
	struct dag_set set = {0};
	char *folder = mr_asprintf("%s/dags", project);
	size_t done = 0;
	int rc = dag_load_folder(&load, folder, &set, err);
	if (rc == 0)
		dag_set_finish(&load, &set);
	for (size_t i = 0; rc == 0 && i < set.dags.len; i++) {
		if (!is_wanted(args, set.dags.items[i]))
			continue;
		rc = write_one(set.dags.items[i], args_get(args, "out"), err);
		done++;
	}
	for (size_t i = 0; rc == 0 && i < set.faults.len; i++)
		print_error(&set.faults.items[i].error);
	if (rc == 0 && set.faults.len)
		rc = mr_fail(err, MR_ERR_INVALID, "%zu of the DAGs cannot be loaded", set.faults.len);
	else if (rc == 0 && !done) {
		mr_fail(err, MR_ERR_NOT_FOUND, "no DAG of that name in %s", folder);
		rc = mr_hint(err, "'millrace dag list' shows them");
	}
	dag_set_release(&set);
	free(folder);
	return rc;
}

int cmd_export(int argc, char **argv)
{
	struct args args;
	struct mr_error err;
	int code;
	if (!command_args("export", "airflow [DAG …]", options, MR_COUNT(options), ARG_POSITIONALS_MAX, argc,
			  argv, &args, &code))
		return code;
	const char *what = args_positional(&args, 0);
	int rc;
	if (what && strcmp(what, "airflow") == 0) {
		rc = export_all(&args, &err);
	} else {
		mr_fail(&err, MR_ERR_INVALID, what ? "millrace exports nothing to '%s'" : "export to what?%s",
			what ? what : "");
		rc = mr_hint(&err, "millrace export airflow [DAG …]");
	}
	return rc < 0 ? command_failed(&err) : EXIT_OK;
}
