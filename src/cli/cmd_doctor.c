/* cli/cmd_doctor.c - millrace doctor: what could stand in the way, checked one by one. */
#include "cli/command.h"

#include "app/app.h"
#include "sql/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

struct doctor {
	const char *folder;
	struct project *project;
	int failed;
};

static void say(struct doctor *d, bool ok, const char *what, const char *detail, const char *way_out)
{
	printf("%-6s %-22s %s\n", ok ? "ok" : "FAILED", what, detail);
	if (!ok && way_out)
		printf("       %-22s -> %s\n", "", way_out);
	d->failed += !ok;
}

static void check_engine(struct doctor *d)
{
	struct mr_error err;
	struct sql_engine *engine = NULL;
	struct sql_conn *conn = NULL;
	int rc = sql_engine_open(NULL, &engine, &err);
	if (rc == 0)
		rc = sql_connect(engine, &conn, &err);
	say(d, rc == 0, "DuckDB", rc == 0 ? sql_engine_version(&err) : err.message,
	    "run tools/setup.sh and build again");
	sql_disconnect(conn);
	sql_engine_close(engine);
}

static void check_limits(struct doctor *d)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	char text[64];
	snprintf(text, sizeof text, "%llu open files allowed", (unsigned long long)limit.rlim_cur);
	say(d, limit.rlim_cur >= 1024, "limits", text, "ulimit -n 65536");
}

static void check_project(struct doctor *d)
{
	struct mr_error err;
	int rc = project_load(d->folder, &d->project, &err);
	char text[512];
	if (rc == 0)
		snprintf(text, sizeof text, "%s: %zu topics, %zu ingests, %zu SQL files", d->project->file,
			 d->project->topic_count, d->project->ingest_count, d->project->sql_file_count);
	else
		snprintf(text, sizeof text, "%s%s%s", err.where, err.where[0] ? ": " : "", err.message);
	say(d, rc == 0, "project", text, rc < 0 && err.hint[0] ? err.hint : "millrace init makes one");
}

static void check_disk(struct doctor *d)
{
	struct mr_error err;
	struct statvfs fs;
	int rc = disk_mkdir_all(env_linux()->disk, d->project->data, &err);
	if (rc < 0 || statvfs(d->project->data, &fs) < 0) {
		say(d, false, "data folder", rc < 0 ? err.message : "cannot be looked at",
		    "give 'data:' another folder");
		return;
	}
	double free_gb = (double)fs.f_bavail * (double)fs.f_frsize / 1e9;
	char text[512];
	snprintf(text, sizeof text, "%s, %.1f GB free", d->project->data, free_gb);
	say(d, free_gb > 1, "data folder", text, "make room: the log needs it before it can acknowledge");
}

/* What an acknowledgement costs here: a small write and its fdatasync. */
static void check_sync(struct doctor *d)
{
	struct mr_error err;
	struct mr_file *file;
	char *path = mr_asprintf("%s/doctor.tmp", d->project->data);
	int rc = disk_open(env_linux()->disk, path, FILE_WRITE | FILE_CREATE, &file, &err);
	char block[4096] = {0};
	int64_t start_us = clock_mono_us(env_linux()->clock);
	for (int i = 0; rc == 0 && i < 20; i++) {
		rc = file_write_at(file, block, sizeof block, (int64_t)i * 4096, &err);
		if (rc == 0)
			rc = file_sync(file, &err);
	}
	double ms = (double)(clock_mono_us(env_linux()->clock) - start_us) / 20000;
	char text[128];
	snprintf(text, sizeof text, "%.2f ms to write and sync 4 KiB", ms);
	say(d, rc == 0 && ms < 50, "fdatasync", rc == 0 ? text : err.message,
	    "a slower disk means slower acknowledgements");
	if (rc == 0) {
		file_close(file);
		rc = disk_unlink(env_linux()->disk, path, &err);
	}
	free(path);
}

static void check_server(struct doctor *d)
{
	char address[64];
	struct mr_error err;
	bool runs = app_find_server(env_linux(), d->project->data, address, &err) == 0;
	say(d, true, "server", runs ? address : "none runs (millrace up starts one)", NULL);
}

int cmd_doctor(int argc, char **argv)
{
	struct args args;
	int code;
	if (!command_args("doctor", "[FOLDER]", NULL, 0, 1, argc, argv, &args, &code))
		return code;
	struct doctor d = {.folder = args_positional(&args, 0) ? args_positional(&args, 0) : "."};
	check_engine(&d);
	check_limits(&d);
	check_project(&d);
	if (d.project) {
		check_disk(&d);
		check_sync(&d);
		check_server(&d);
	}
	project_free(d.project);
	return d.failed ? EXIT_WORK_FAILED : EXIT_OK;
}
