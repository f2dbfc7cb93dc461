#include "cli/target.h"

#include "admin/consume.h"
#include "app/api.h"
#include "base/mem.h"
#include "cli/plain.h"
#include "cli/stores.h"
#include "http/client.h"
#include "lake/lake.h"

#include <stdio.h>
#include <stdlib.h>

struct target {
	struct project *project;
	char address[64]; /* of the server, or empty */
	struct stores stores;
	struct app *app; /* when there is no server */
	struct plain *plain;
};

int target_open(const char *folder, struct target **out, struct mr_error *err)
{
	struct target *target = mr_calloc(1, sizeof *target);
	int rc = project_load(folder, &target->project, err);
	if (rc == 0)
		rc = app_find_server(env_linux(), target->project->data, target->address, err);
	if (rc == MR_ERR_NOT_FOUND && target->project) {
		stores_init(&target->stores);
		rc = app_open(&target->stores.env, target->project, APP_ALL, &target->app, err);
	}
	if (rc < 0) {
		target_close(target);
		return rc;
	}
	*out = target;
	return 0;
}

static bool has_project(const char *folder)
{
	static const char *const names[] = {"millrace.yml", "spark-pipeline.yml"};
	bool found = false;
	for (size_t i = 0; i < MR_COUNT(names) && !found; i++) {
		char *path = mr_asprintf("%s/%s", folder, names[i]);
		found = disk_exists(env_linux()->disk, path);
		free(path);
	}
	return found;
}

int target_open_any(const char *folder, struct target **out, struct mr_error *err)
{
	if (folder || has_project("."))
		return target_open(folder ? folder : ".", out, err);
	struct target *target = mr_calloc(1, sizeof *target);
	int rc = plain_open(NULL, &target->plain, err);
	if (rc < 0) {
		target_close(target);
		return rc;
	}
	*out = target;
	return 0;
}

void target_close(struct target *target)
{
	if (!target)
		return;
	plain_close(target->plain);
	app_close(target->app);
	stores_release(&target->stores);
	project_free(target->project);
	free(target);
}

bool target_is_server(const struct target *target)
{
	return target->address[0] != 0;
}

const struct project *target_project(const struct target *target)
{
	return target->project;
}

int target_print(void *arg, mr_str bytes)
{
	(void)arg;
	return fwrite(bytes.ptr, 1, bytes.len, stdout) == bytes.len ? 0 : -1;
}

int target_sql(struct target *target, mr_str sql, const char *format, int width, target_put_fn put, void *arg,
	       struct mr_error *err)
{
	if (!target->app && !target->plain && lake_names_files(sql)) {
		char *tables = mr_asprintf("%s/tables", target->project->data);
		int opened = plain_open(tables, &target->plain, err);
		free(tables);
		if (opened < 0)
			return opened;
	}
	if (target->plain && (!target->address[0] || lake_names_files(sql)))
		return plain_sql(target->plain, sql, format, width, put, arg, err);
	if (target->app)
		return app_sql(target->app, sql, format, width, put, arg, err);
	struct mr_buf path = {0};
	mr_buf_cstr(&path, "/api/v1/sql?format=");
	http_escape(&path, mr_str_from(format));
	mr_buf_printf(&path, "&width=%d", width);
	int rc = http_call("POST", target->address, path.ptr, sql, put, arg, err);
	mr_buf_release(&path);
	return rc;
}

static int append(void *arg, mr_str bytes)
{
	mr_buf_str(arg, bytes);
	return 0;
}

int target_dags(struct target *target, const char *method, const char *path, mr_str body, struct mr_buf *out,
		struct mr_error *err)
{
	if (target->app)
		return app_dag_call(target->app, method, path, body, out, err);
	char *whole = mr_asprintf("/api/v2%s", path);
	int rc = http_call(method, target->address, whole, body, append, out, err);
	free(whole);
	return rc;
}

int target_stream(struct target *target, const char *path, target_put_fn put, void *arg, struct mr_error *err)
{
	char *whole = mr_asprintf("/api/v2%s", path);
	int rc = http_call("GET", target->address, whole, MR_STR_NULL, put, arg, err);
	free(whole);
	return rc;
}

struct app *target_app(struct target *target)
{
	return target->app;
}

int target_status(struct target *target, struct mr_buf *out, struct mr_error *err)
{
	if (!target->app)
		return http_call("GET", target->address, "/api/v1/status", MR_STR_NULL, append, out, err);
	app_status_json(target->app, out);
	return 0;
}

/* METHOD /api/v1/WHAT/NAME QUERY */
static int call_named(struct target *target, const char *method, const char *what, const char *name,
		      const char *query, mr_str body, struct mr_error *err)
{
	struct mr_buf path = {0};
	mr_buf_printf(&path, "/api/v1/%s/", what);
	http_escape(&path, mr_str_from(name));
	mr_buf_cstr(&path, query);
	int rc = http_call(method, target->address, path.ptr, body, NULL, NULL, err);
	mr_buf_release(&path);
	return rc;
}

int target_admin(struct target *target, const char *verb, mr_str body, struct mr_buf *out,
		 struct mr_error *err)
{
	if (target->app) {
		struct admin admin = app_admin(target->app);
		return admin_call(&admin, mr_str_from(verb), body, out, err);
	}
	char *path = mr_asprintf("/api/v1/admin/%s", verb);
	int rc = http_call("POST", target->address, path, body, append, out, err);
	free(path);
	return rc;
}

int target_consume(struct target *target, mr_str body, struct mr_buf *out, struct mr_error *err)
{
	if (!target->app)
		return http_call("POST", target->address, "/api/v1/consume", body, append, out, err);
	struct admin admin = app_admin(target->app);
	return admin_consume(&admin, body, out, err);
}

int target_produce(struct target *target, const char *topic, mr_str lines, struct mr_error *err)
{
	int64_t count;
	if (target->app)
		return app_topic_produce(target->app, mr_str_from(topic), lines, &count, err);
	return call_named(target, "POST", "records", topic, "", lines, err);
}
