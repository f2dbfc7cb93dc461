#include "task/notify.h"

#include "base/log.h"
#include "codec/json.h"
#include "task/mail.h"
#include "task/pool.h"
#include "task/web.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define PENDING_MAX 1000
#define TRIES 3
#define TIMEOUT_MS 10000

struct notifier {
	struct vault *vault;
	struct pool *pool; /* of one thread */
	_Atomic int pending;
	_Atomic uint64_t dropped;
	_Atomic bool closing;
};

struct order {
	struct pool_job job;
	struct notifier *notifier;
	struct arena arena;
	struct task_notice notice;
};

static bool closing(void *arg)
{
	return ((struct notifier *)arg)->closing;
}

static void put_notice(const struct task_notice *notice, struct mr_buf *out)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	json_member_str(&w, "event", notice->what);
	json_member_str(&w, "dag_id", notice->dag_id);
	json_member_str(&w, "run_id", notice->run_id);
	json_member_str(&w, "task_id", notice->task_id);
	json_member_int(&w, "map_index", notice->map_index);
	json_member_str(&w, "detail", notice->detail);
	json_end_object(&w);
}

/* webhook: a URL or a connection's id, alone or as {"url": …} / {"conn_id": …}. */
static int send_webhook(struct notifier *notifier, struct json_value how, const struct task_notice *notice,
			struct arena *arena, struct mr_error *err)
{
	struct mr_buf json = {0}, body = {0};
	const char *type = "Content-Type: application/json";
	struct connection c;
	int status = 0, rc = 0;
	mr_str target = json_type(how) == JSON_STRING ? json_str(how) : json_str(json_get(how, "url"));
	if (!target.len)
		target = json_str(json_get(how, "conn_id"));
	if (!mr_str_starts(target, MR_STR("http"))) {
		rc = notifier->vault ? vault_connection(notifier->vault, target, arena, &c, err) : 1;
		if (rc == 1)
			rc = mr_fail(err, MR_ERR_NOT_FOUND, "there is no connection '%.*s'", MR_FMT(target));
		if (rc < 0)
			return rc;
		target = c.port ? arena_printf(arena, "%.*s://%.*s:%d/%.*s", MR_FMT(c.type), MR_FMT(c.host),
					       (int)c.port, MR_FMT(c.schema))
				: arena_printf(arena, "%.*s://%.*s/%.*s", MR_FMT(c.type), MR_FMT(c.host),
					       MR_FMT(c.schema));
	}
	put_notice(notice, &json);
	struct web_request request = {.method = "POST",
				      .url = arena_copy(arena, target).ptr,
				      .headers = &type,
				      .header_count = 1,
				      .body = mr_buf_view(&json),
				      .timeout_ms = TIMEOUT_MS,
				      .stopped = closing,
				      .arg = notifier};
	rc = web_call(&request, &status, &body, err);
	if (rc == 0 && (status < 200 || status > 299))
		rc = mr_fail(err, MR_ERR_UNAVAILABLE, "the webhook answered %d", status);
	mr_buf_release(&json);
	mr_buf_release(&body);
	return rc;
}

static int send_mail(struct notifier *notifier, struct json_value how, const struct task_notice *notice,
		     struct arena *arena, struct mr_error *err)
{
	struct json_value to = json_type(how) == JSON_OBJECT ? json_get(how, "to") : how;
	bool many = json_type(to) == JSON_ARRAY;
	size_t count = many ? json_count(to) : 1;
	mr_str *list = arena_alloc(arena, (count + 1) * sizeof *list);
	for (size_t i = 0; i < count; i++)
		list[i] = arena_copy(arena, json_str(many ? json_at(to, i) : to));
	mr_str conn = json_str(json_get(how, "conn_id"));
	struct letter letter = {
	    .conn_id = conn.len ? conn : MR_STR("smtp_default"),
	    .subject =
		arena_printf(arena, "millrace: %.*s %.*s", MR_FMT(notice->what), MR_FMT(notice->dag_id)),
	    .html = arena_printf(arena, "%.*s: DAG %.*s, run %.*s, task %.*s<br>%.*s", MR_FMT(notice->what),
				 MR_FMT(notice->dag_id), MR_FMT(notice->run_id), MR_FMT(notice->task_id),
				 MR_FMT(notice->detail)),
	    .to = list,
	    .to_count = count,
	    .shown = count,
	    .stopped = closing,
	    .arg = notifier};
	return mail_send(notifier->vault, &letter, err);
}

static int send_notice(struct notifier *notifier, const struct task_notice *notice, struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct arena arena = {0};
	struct json_value how;
	int rc = json_parse(parser, notice->how_json, &how, err);
	if (rc == 0 && mr_str_is(notice->kind, "webhook"))
		rc = send_webhook(notifier, how, notice, &arena, err);
	else if (rc == 0 && mr_str_is(notice->kind, "email"))
		rc = send_mail(notifier, how, notice, &arena, err);
	else if (rc == 0)
		rc = mr_fail(err, MR_ERR_UNSUPPORTED, "there is no callback '%.*s'", MR_FMT(notice->kind));
	json_parser_free(parser);
	arena_release(&arena);
	return rc;
}

/* A message may have been refused for a moment only: three times, a little later each. */
static void run_order(struct pool_job *job)
{
	struct order *order = MR_CONTAINER_OF(job, struct order, job);
	struct notifier *notifier = order->notifier;
	struct mr_error err;
	int rc = mr_fail(&err, MR_ERR_CLOSED, "the server ends");
	for (int i = 0; i < TRIES && rc < 0 && !notifier->closing; i++) {
		rc = send_notice(notifier, &order->notice, &err);
		if (rc < 0 && rc != MR_ERR_UNAVAILABLE && rc != MR_ERR_TIMEOUT)
			break;
		for (int tick = 0; rc < 0 && i + 1 < TRIES && tick < (i + 1) * 5 && !notifier->closing;
		     tick++)
			usleep(100000);
	}
	if (rc < 0) {
		mr_error_wrap(&err, rc, "nobody was told that %.*s %.*s: %.*s", MR_FMT(order->notice.what),
			      MR_FMT(order->notice.dag_id), MR_FMT(order->notice.kind));
		mr_log_error("task", &err);
	}
	notifier->pending--;
	arena_release(&order->arena);
	free(order);
}

void notifier_tell(struct notifier *notifier, const struct task_notice *notice)
{
	if (notifier->pending >= PENDING_MAX) {
		notifier->dropped++;
		return;
	}
	notifier->pending++;
	struct order *order = mr_calloc(1, sizeof *order);
	order->job.run = run_order;
	order->notifier = notifier;
	order->notice = *notice;
	mr_str *const texts[] = {&order->notice.kind,   &order->notice.how_json, &order->notice.what,
				 &order->notice.dag_id, &order->notice.run_id,   &order->notice.task_id,
				 &order->notice.detail};
	for (size_t i = 0; i < MR_COUNT(texts); i++)
		*texts[i] = arena_copy(&order->arena, *texts[i]);
	pool_put(notifier->pool, &order->job);
}

int notifier_new(struct vault *vault, struct notifier **out, struct mr_error *err)
{
	struct notifier *notifier = mr_calloc(1, sizeof *notifier);
	notifier->vault = vault;
	int rc = pool_new(1, &notifier->pool, err);
	if (rc < 0) {
		free(notifier);
		return rc;
	}
	*out = notifier;
	return 0;
}

void notifier_free(struct notifier *notifier)
{
	if (!notifier)
		return;
	notifier->closing = true;
	pool_free(notifier->pool);
	free(notifier);
}
