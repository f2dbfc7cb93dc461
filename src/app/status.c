/* app/status.c - /api/v1/status: one JSON object with everything a person asks first. */
#include "app/api.h"

#include "base/mem.h"
#include "codec/json.h"

#include <stdlib.h>

static void put_listeners(struct app *app, struct json_writer *w)
{
	json_key(w, "listen");
	json_begin_object(w);
	if (app_kafka(app))
		json_member_int(w, "kafka_port", kafka_server_port(app_kafka(app)));
	if (app_http_port(app))
		json_member_int(w, "http_port", app_http_port(app));
	size_t listeners = app_gateway(app) ? gateway_listener_count(app_gateway(app)) : 0;
	json_key(w, "gateway");
	json_begin_array(w);
	for (size_t i = 0; i < listeners; i++) {
		mr_str protocol;
		char address[64];
		gateway_listener(app_gateway(app), i, &protocol, address);
		struct mr_buf text = {0};
		mr_buf_printf(&text, "%.*s://%s", MR_FMT(protocol), address);
		json_put_str(w, mr_buf_view(&text));
		mr_buf_release(&text);
	}
	json_end_array(w);
	json_end_object(w);
}

/* Rows of a system table, as an array of objects. */
static int put_rows(void *arg, mr_str bytes)
{
	mr_buf_str(arg, bytes);
	return 0;
}

static void put_query(struct app *app, struct json_writer *w, const char *name, mr_str sql)
{
	struct mr_buf rows = {0};
	struct mr_error err;
	json_key(w, name);
	if (app_sql(app, sql, "json", 0, put_rows, &rows, &err) < 0) {
		mr_buf_clear(&rows);
		http_put_error(&rows, &err);
	}
	json_put_raw(w, mr_buf_view(&rows));
	mr_buf_release(&rows);
}

void app_status_json(struct app *app, struct mr_buf *out)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	json_member_cstr(&w, "version", MR_VERSION);
	json_member_str(&w, "project", app_project(app)->name);
	json_member_bool(&w, "ready", app_ready(app));
	json_member_int(&w, "uptime_ms", clock_wall_ms(app_env(app)->clock) - app_started_ms(app));
	put_listeners(app, &w);
	put_query(app, &w, "topics", MR_STR("SELECT * FROM system.topics ORDER BY topic"));
	put_query(app, &w, "ingests", MR_STR("SELECT * FROM system.ingests ORDER BY table_name"));
	put_query(app, &w, "flows", MR_STR("SELECT * FROM system.flows ORDER BY flow"));
	put_query(app, &w, "tables", MR_STR("SELECT * FROM system.tables ORDER BY table_name"));
	put_query(app, &w, "errors", MR_STR("SELECT * FROM system.errors"));
	json_end_object(&w);
}
