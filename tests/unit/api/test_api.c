/* tests/unit/api/test_api.c - requests without a server: what is asked of the store, and what hostile
 * requests get. */
#include "test.h"

#include "api/call.h"
#include "base/mem.h"

#include <stdlib.h>

static struct dags *open_dags(const char *folder, const char *text)
{
	struct mr_error err;
	struct dags *dags;
	char *data = mr_strdup(test_path("%s/data", folder)),
	     *files = mr_strdup(test_path("%s/dags", folder));
	CHECK_OK(disk_mkdir_all(env_linux()->disk, data, &err), err);
	CHECK_OK(disk_mkdir_all(env_linux()->disk, files, &err), err);
	CHECK_OK(disk_replace_file(env_linux()->disk, test_path("%s/x.yml", files), mr_str_from(text), &err),
		 err);
	struct dags_options options = {.env = env_linux(), .data = data, .folder = files, .parallelism = 4};
	CHECK_OK(dags_open(&options, &dags, &err), err);
	free(data);
	free(files);
	return dags;
}

/* The status; the answer holds `part`. */
static int ask(struct dags *dags, const char *method, const char *target, const char *body, const char *part)
{
	struct api_reply reply = {0};
	api_handle_target(dags, method, target, mr_str_from(body), &reply);
	if (!strstr(reply.body.ptr ? reply.body.ptr : "", part))
		test_fail(__FILE__, __LINE__, "%s %s: %s", method, target, reply.body.ptr);
	struct json_parser *parser = json_parser_new();
	struct json_value v;
	struct mr_error err;
	if (reply.body.len)
		CHECK_OK(json_parse(parser, mr_buf_view(&reply.body), &v, &err), err);
	json_parser_free(parser);
	mr_buf_release(&reply.body);
	return reply.status;
}

#define TWO_DAGS \
	"x: {schedule: null, start_date: 2026-01-01, tasks: {t: {operator: EmptyOperator}}}\n" \
	"y: {schedule: '@daily', start_date: 2026-01-01, catchup: false, tasks: {t: {operator: " \
	"EmptyOperator}}}\n"

TEST(api_keeps_what_is_asked_without_a_scheduler)
{
	struct dags *dags = open_dags(test_folder(), TWO_DAGS);
	CHECK_INT(ask(dags, "POST", "/dags/x/dagRuns", "{\"logical_date\":null,\"dag_run_id\":\"a+b c\"}",
		      "queued"),
		  200);
	CHECK_INT(ask(dags, "GET", "/dags/x/dagRuns/a%2Bb%20c", "", "\"a+b c\""), 200);
	CHECK_INT(ask(dags, "PATCH", "/dags/y", "{\"is_paused\":true}", "\"is_paused\":true"), 200);
	CHECK_INT(ask(dags, "GET", "/dags?paused=true", "", "\"total_entries\":1"), 200);
	CHECK_INT(ask(dags, "GET", "/dags/~/dagRuns/~/taskInstances?task_id=t", "", "\"total_entries\":1"),
		  200);
	CHECK_INT(ask(dags, "GET", "/monitor/health", "", "\"scheduler\":{\"status\":\"unhealthy\""), 200);
	dags_free(dags);
}

TEST(api_answers_hostile_requests)
{
	struct dags *dags = open_dags(test_folder(), TWO_DAGS);
	CHECK_INT(ask(dags, "POST", "/dags/x/dagRuns", "{", "json_invalid"), 422);
	CHECK_INT(ask(dags, "POST", "/dags/x/dagRuns", "[1]", "logical_date"), 422);
	CHECK_INT(ask(dags, "POST", "/dags/x/dagRuns", "{\"logical_date\":5,\"conf\":[],\"dag_run_id\":{}}",
		      "dict_type"),
		  422);
	CHECK_INT(ask(dags, "GET", "/dags/~/dagRuns?limit=99999999999999999999", "", "int_parsing"), 422);
	CHECK_INT(ask(dags, "GET", "/dags/~/dagRuns?limit=-1", "", "int_parsing"), 422);
	CHECK_INT(ask(dags, "GET", "/dags/~/dagRuns?order_by=run_id;DROP", "", "disallowed"), 400);
	CHECK_INT(ask(dags, "GET", "/dags/~/dagRuns?duration_gte=1e400", "", "detail"), 422);
	CHECK_INT(ask(dags, "GET", "/dags/~/dagRuns?duration_gte=nan", "", "detail"), 422);
	CHECK_INT(ask(dags, "GET", "/dags/~/dagRuns?state=%27%20OR%201=1%20--", "", "\"total_entries\":0"),
		  200);
	CHECK_INT(ask(dags, "GET", "/dags/~/dagRuns?run_id_pattern=%25%00", "", "total_entries"), 200);
	CHECK_INT(ask(dags, "GET", "/assets/99999999999999999999", "", "not found"), 404);
	CHECK_INT(ask(dags, "GET", "/importErrors/x", "", "not found"), 404);
	CHECK_INT(ask(dags, "GET", "", "", "Not Found"), 404);
	CHECK_INT(ask(dags, "GET", "//", "", "Not Found"), 404);
	CHECK_INT(ask(dags, "PUT", "/dags/x", "", "Method Not Allowed"), 405);
	CHECK_INT(ask(dags, "POST", "/dags/x/clearTaskInstances", "{\"task_ids\":[[],[1],{}]}", "not found"),
		  404);
	CHECK_INT(ask(dags, "POST", "/backfills", "{\"dag_id\":\"x\",\"from_date\":\"a\",\"to_date\":null}",
		      "from_date"),
		  422);
	struct mr_buf many = {0};
	mr_buf_cstr(&many, "/dags?");
	for (int i = 0; i < 500; i++)
		mr_buf_printf(&many, "state=%d&tags=%d&", i, i);
	CHECK_INT(ask(dags, "GET", many.ptr, "", "total_entries"), 200);
	mr_buf_release(&many);
	dags_free(dags);
}
