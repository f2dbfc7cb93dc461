#include "cli/dag_client.h"

#include "base/mem.h"
#include "cli/print.h"
#include "http/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int dag_client_open(const char *folder, struct dag_client *out, struct mr_error *err)
{
	memset(out, 0, sizeof *out);
	int rc = target_open(folder ? folder : ".", &out->target, err);
	if (rc == 0)
		out->parser = json_parser_new();
	return rc;
}

void dag_client_close(struct dag_client *client)
{
	target_close(client->target);
	json_parser_free(client->parser);
	mr_buf_release(&client->answer);
	mr_buf_release(&client->path);
}

const char *dag_client_path(struct dag_client *client, const char *part, ...)
{
	va_list parts;
	bool escape = false;
	mr_buf_clear(&client->path);
	va_start(parts, part);
	for (; part; part = va_arg(parts, const char *)) {
		if (escape)
			http_escape(&client->path, mr_str_from(part));
		else
			mr_buf_cstr(&client->path, part);
		escape = !escape;
	}
	va_end(parts);
	return client->path.ptr;
}

int dag_client_call(struct dag_client *client, const char *method, const char *path, mr_str body,
		    struct json_value *out, struct mr_error *err)
{
	mr_buf_clear(&client->answer);
	int rc = target_dags(client->target, method, path, body, &client->answer, err);
	struct json_value v = {0};
	if (rc == 0 && client->answer.len)
		rc = json_parse(client->parser, mr_buf_view(&client->answer), &v, err);
	if (rc == 0)
		*out = v;
	return rc;
}

int dag_client_run(struct dag_client *client, const char *dag_id, const char *run_id, char **out,
		   struct mr_error *err)
{
	struct json_value v;
	if (run_id) {
		*out = mr_strdup(run_id);
		return 0;
	}
	const char *path =
	    dag_client_path(client, "/dags/", dag_id, "/dagRuns?order_by=-run_after&limit=1", NULL);
	int rc = dag_client_call(client, "GET", path, MR_STR_NULL, &v, err);
	if (rc < 0)
		return rc;
	mr_str id = json_str(json_get(json_at(json_get(v, "dag_runs"), 0), "dag_run_id"));
	if (!id.len) {
		mr_fail(err, MR_ERR_NOT_FOUND, "DAG '%s' has no run yet", dag_id);
		return mr_hint(err, "start one: millrace dag trigger %s", dag_id);
	}
	*out = mr_strndup(id);
	return 0;
}

int dag_client_table(struct dag_client *client, const char *sql, const char *format, struct mr_error *err)
{
	if (!format)
		format = print_is_terminal(STDOUT_FILENO) ? "box" : "tsv";
	return target_sql(client->target, mr_str_from(sql), format, print_width(), target_print, NULL, err);
}

const char *duration_text(char out[DURATION_BYTES], double seconds)
{
	long whole = (long)seconds;
	if (seconds < 60)
		snprintf(out, DURATION_BYTES, "%.1fs", seconds);
	else if (whole < 3600)
		snprintf(out, DURATION_BYTES, "%ldm%02lds", whole / 60, whole % 60);
	else
		snprintf(out, DURATION_BYTES, "%ldh%02ldm", whole / 3600, whole / 60 % 60);
	return out;
}
