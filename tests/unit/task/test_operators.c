/* Every operator of the engine, run from a DAG file against the real thing: tables, topics, an HTTP server,
 * a mail server; and a scheduler that answers what the test says. */
#include "test.h"

#include "ingest/bed.h"
#include "task_bed.h"

#include "base/vec.h"
#include "group/group.h"
#include "http/server.h"
#include "query/session.h"
#include "task/notify.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct expected {
	const char *task, *end; /* what the end begins with */
};

static void check_ends(struct task_bed *bed, const struct expected *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *end = task_bed_run(bed, cases[i].task, NULL);
		if (strncmp(end, cases[i].end, strlen(cases[i].end)) != 0)
			test_fail(__FILE__, __LINE__, "%s: %s, expected %s", cases[i].task, end,
				  cases[i].end);
	}
}

/* ---- tables and topics ---- */

struct platform {
	struct bed bed;
	struct catalog *catalog;
	struct session_pool *sessions;
	struct groups *groups;
	struct task_bed task;
};

static void platform_open(struct platform *p, const char *dags)
{
	struct mr_error err;
	bed_open(&p->bed, test_folder(), 2, BED_SCHEMA);
	bed_open_ingest(&p->bed);
	struct catalog_options options = {.env = env_linux(),
					  .engine = p->bed.engine,
					  .broker = p->bed.broker,
					  .tables_dir = test_path("%s/tables", p->bed.dir)};
	CHECK_OK(catalog_new(&options, &p->catalog, &err), err);
	CHECK_OK(catalog_add_ingest(p->catalog, p->bed.ingest, &err), err);
	CHECK_OK(session_pool_new(p->catalog, 2, &p->sessions, &err), err);
	struct groups_options groups;
	groups_options_default(&groups);
	groups.env = env_linux();
	groups.broker = p->bed.broker;
	CHECK_OK(groups_open(&groups, &p->groups, &err), err);
	struct task_services services = {.catalog = p->catalog, .sessions = p->sessions, .groups = p->groups};
	task_bed_open_with(&p->task, dags, &services);
}

static void platform_close(struct platform *p)
{
	task_bed_close(&p->task);
	groups_close(p->groups);
	session_pool_free(p->sessions);
	catalog_free(p->catalog);
	bed_close(&p->bed, false);
}

static const char sql_dags[] =
    "t:\n"
    "  schedule: null\n"
    "  tasks:\n"
    "    make: {operator: airflow.providers.common.sql.operators.sql.SQLExecuteQueryOperator,\n"
    "      sql: [\"CREATE TABLE lake.t (k BIGINT, v STRING)\", \"INSERT INTO lake.t VALUES (1, 'a'), (2, "
    "'{{ ds }}')\"]}\n"
    "    read: {operator: SQLExecuteQueryOperator, sql: 'SELECT k, v FROM lake.t ORDER BY k'}\n"
    "    read2: {operator: SQLExecuteQueryOperator, sql: 'SELECT 1; SELECT count(*) AS n FROM lake.t;'}\n"
    "    bad: {operator: SQLExecuteQueryOperator, sql: SELECT * FROM lake.nowhere}\n"
    "    slow: {operator: SQLExecuteQueryOperator, execution_timeout: 0.3,\n"
    "      sql: 'SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3'}\n"
    "    merge: {operator: DeltaMergeOperator, sql: \"MERGE INTO lake.t t USING (SELECT 2 AS k, 'c' AS v "
    "UNION ALL SELECT 3, 'it''s') s ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN "
    "INSERT (k, v) VALUES (s.k, s.v)\"}\n"
    "    optimize: {operator: DeltaOptimizeOperator, table: lake.t, zorder_by: [k]}\n"
    "    optimize_bad: {operator: DeltaOptimizeOperator, table: 'lake.t; DROP TABLE lake.t'}\n"
    "    vacuum: {operator: DeltaVacuumOperator, table: lake.t, dry_run: true}\n"
    "    yes: {operator: SqlSensor, sql: SELECT count(*) FROM lake.t WHERE k = 3}\n"
    "    no: {operator: SqlSensor, sql: SELECT count(*) FROM lake.t WHERE k = 4}\n"
    "    broken: {operator: SqlSensor, sql: SELECT count(*) FROM lake.nowhere}\n"
    "    silent: {operator: SqlSensor, sql: SELECT count(*) FROM lake.nowhere, silent_fail: true}\n"
    "    there: {operator: DeltaTableSensor, table: lake.t}\n"
    "    version: {operator: DeltaVersionSensor, table: lake.t, version: 99}\n"
    "    part: {operator: DeltaPartitionSensor, table: lake.t, partition: {k: 3, v: \"it's\"}}\n"
    "    no_part: {operator: DeltaTableSensor, table: lake.t, partition: {v: its}}\n"
    "    where: {operator: DeltaTableSensor, table: lake.t, where: k > 2}\n"
    "    absent: {operator: DeltaTableSensor, table: lake.none}\n";

TEST(operators_work_on_tables)
{
	static const struct expected cases[] = {
	    {"make", "finished success"},
	    {"read", "finished success return_value=[[1,\"a\"],[2,\"2026-01-01\"]]"},
	    {"read2", "finished success return_value=[[2]]"},
	    {"bad", "finished failed reason="},
	    {"slow", "finished failed reason=timed out"},
	    {"there", "finished success"},
	    {"no", "deferred"},
	    {"merge", "finished success"},
	    {"read", "finished success return_value=[[1,\"a\"],[2,\"c\"],[3,\"it's\"]]"},
	    {"yes", "finished success"},
	    {"optimize", "finished success"},
	    {"optimize_bad", "finished failed reason='lake.t; DROP TABLE lake.t' is no table's name"},
	    {"vacuum", "finished success"},
	    {"read", "finished success return_value=[[1,\"a\"],[2,\"c\"],[3,\"it's\"]]"},
	    {"broken", "finished failed reason="},
	    {"silent", "deferred"},
	    {"version", "deferred"},
	    {"part", "finished success"},
	    {"no_part", "deferred"},
	    {"where", "finished success"},
	    {"absent", "deferred"},
	};
	struct platform p;
	platform_open(&p, sql_dags);
	check_ends(&p.task, cases, MR_COUNT(cases));
	check_has(task_bed_log(&p.task, "make", -1), "INSERT INTO lake.t VALUES (1, 'a'), (2, '2026-01-01')");
	platform_close(&p);
}

static void commit_offset(struct platform *p, int32_t partition, int64_t offset)
{
	struct group_offset_entry entry = {
	    .topic = MR_STR("t"), .partition = partition, .offset = offset, .leader_epoch = -1};
	struct group_commit commit = {
	    .member = {.group = MR_STR("readers"), .generation = -1}, .entries = &entry, .count = 1};
	struct group_write write;
	struct mr_error err;
	CHECK_INT(groups_commit(p->groups, &commit, &write, &err), 0);
	for (int i = 0; i < 500 && groups_write_state(&write, &err) == 1; i++)
		usleep(10000);
	CHECK_INT(groups_write_state(&write, &err), 0);
}

TEST(operators_wait_for_topics_without_looking)
{
	static const struct expected before[] = {{"some", "deferred"},
						 {"one", "deferred"},
						 {"lag", "deferred"}},
				     after[] = {{"some", "finished success"},
						{"one", "deferred"},
						{"nothing", "deferred"},
						{"lag", "finished success"}};
	struct platform p;
	platform_open(&p, "t:\n  schedule: null\n  tasks:\n"
			  "    some: {operator: TopicSensor, topic: t, offset: 5}\n"
			  "    one: {operator: TopicSensor, topic: t, offset: 6, partition: 1}\n"
			  "    nothing: {operator: TopicOffsetSensor, topic: no.such, poke_interval: 3600}\n"
			  "    lag: {operator: TopicLagSensor, topic: t, group: readers, lag: 2}\n");
	check_ends(&p.task, before, MR_COUNT(before));
	bed_put(&p.bed, 0, 0, 2);
	usleep(50000);
	CHECK(!strstr(mr_buf_view(&p.task.heard).ptr, "event"));
	bed_put(&p.bed, 1, 2, 3);
	CHECK(task_bed_heard(&p.task, "event topic:t:-1:5\n"));
	CHECK(!strstr(mr_buf_view(&p.task.heard).ptr, "event topic:t:1:6"));
	commit_offset(&p, 0, 2);
	commit_offset(&p, 1, 1);
	check_ends(&p.task, after, MR_COUNT(after));
	platform_close(&p);
}

/* ---- HTTP, webhooks, mail ---- */

struct web {
	struct http_server *server;
	int port;
	pthread_mutex_t lock;
	struct mr_buf seen; /* method path body, a line each */
	int refuse;         /* so many hooks with a 503 */
};

static void answer(void *arg, const struct http_request *request, struct http_reply *reply)
{
	struct web *web = arg;
	pthread_mutex_lock(&web->lock);
	mr_buf_printf(&web->seen, "%.*s %.*s %.*s\n", MR_FMT(request->method), MR_FMT(request->path),
		      MR_FMT(request->body));
	if (mr_str_is(request->path, "/missing"))
		reply->status = 404;
	else if (mr_str_is(request->path, "/broken") || web->refuse-- > 0)
		reply->status = 503;
	mr_buf_cstr(&reply->body, "{\"ready\": true}");
	pthread_mutex_unlock(&web->lock);
}

static void stall(void *arg, const struct http_request *request, struct http_reply *reply)
{
	(void)arg, (void)request, (void)reply;
	usleep(4000000);
}

static void web_open(struct web *web)
{
	struct http_route routes[] = {
	    {"GET", "/stall", stall, web}, {"GET", "/*", answer, web}, {"POST", "/*", answer, web}};
	struct mr_error err;
	*web = (struct web){0};
	pthread_mutex_init(&web->lock, NULL);
	CHECK_OK(http_server_start("127.0.0.1:0", routes, MR_COUNT(routes), &web->server, &web->port, &err),
		 err);
}

static void web_close(struct web *web)
{
	http_server_stop(web->server);
	mr_buf_release(&web->seen);
	pthread_mutex_destroy(&web->lock);
}

static void set_connection(struct task_bed *bed, const char *id, const char *uri)
{
	struct mr_error err;
	mr_str text = mr_str_from(uri);
	CHECK_OK(vault_set_connection(bed->services.vault, mr_str_from(id), &text, &err), err);
}

TEST(operators_call_urls)
{
	static const struct expected cases[] = {
	    {"post", "finished success return_value=\"{\\\"ready\\\": true}\""},
	    {"broken", "finished failed reason=status 503"},
	    {"ready", "finished success"},
	    {"other", "deferred"},
	    {"missing", "deferred"},
	    {"error", "finished failed reason=status 503"},
	};
	struct task_bed bed;
	struct web web;
	web_open(&web);
	task_bed_open(&bed, "t:\n  schedule: null\n  tasks:\n"
			    "    post: {operator: airflow.providers.http.operators.http.HttpOperator, "
			    "endpoint: '/in/{{ ds }}', data: "
			    "{day: '{{ ds }}'}, log_response: true}\n"
			    "    broken: {operator: HttpOperator, endpoint: /broken, method: GET}\n"
			    "    ready: {operator: HttpSensor, endpoint: /x, response_contains: ready}\n"
			    "    other: {operator: HttpSensor, endpoint: /x, response_contains: done}\n"
			    "    missing: {operator: HttpSensor, endpoint: /missing}\n"
			    "    error: {operator: HttpSensor, endpoint: /broken}\n"
			    "    stall: {operator: HttpOperator, endpoint: /stall, method: GET}\n");
	set_connection(&bed, "http_default", test_path("http://127.0.0.1:%d", web.port));
	check_ends(&bed, cases, MR_COUNT(cases));
	check_has(mr_buf_view(&web.seen), "POST /in/2026-01-01 {\"day\":\"2026-01-01\"}\n");
	check_has(task_bed_log(&bed, "post", -1), "{\"ready\": true}");
	struct dag_try *try = task_bed_try(&bed, "stall", NULL);
	int64_t before = clock_mono_us(env_linux()->clock);
	task_bed_submit(&bed, try);
	usleep(100000);
	bed.engine->ops->cancel(bed.engine, try->id, DAG_CANCEL_CLEARED);
	CHECK_STR(mr_str_from(task_bed_wait(&bed, try->id)), "finished failed reason=stopped");
	CHECK(clock_mono_us(env_linux()->clock) - before < 3000000);
	dag_try_unref(try);
	task_bed_close(&bed);
	web_close(&web);
}

static bool web_saw(struct web *web, const char *what)
{
	bool saw = false;
	for (int i = 0; i < 500 && !saw; i++) {
		pthread_mutex_lock(&web->lock);
		saw = web->seen.len && strstr(mr_buf_view(&web->seen).ptr, what);
		pthread_mutex_unlock(&web->lock);
		if (!saw)
			usleep(10000);
	}
	return saw;
}

TEST(notifier_tells_webhooks_and_tries_again)
{
	struct task_bed bed;
	struct web web;
	struct notifier *notifier;
	struct mr_error err;
	web_open(&web);
	task_bed_open(&bed, "t: {schedule: null, tasks: {a: {operator: EmptyOperator}}}");
	set_connection(&bed, "ops", test_path("http://127.0.0.1:%d/hook", web.port));
	CHECK_OK(notifier_new(bed.services.vault, &notifier, &err), err);
	web.refuse = 1;
	struct task_notice notice = {.kind = MR_STR("webhook"),
				     .how_json = MR_STR("\"ops\""),
				     .what = MR_STR("task_failed"),
				     .dag_id = MR_STR("d"),
				     .run_id = MR_STR("r"),
				     .task_id = MR_STR("t"),
				     .detail = MR_STR("exit \"3\""),
				     .map_index = -1};
	notifier_tell(notifier, &notice);
	static const char line[] = "POST /hook {\"event\":\"task_failed\",\"dag_id\":\"d\",\"run_id\":\"r\","
				   "\"task_id\":\"t\",\"map_index\":-1,\"detail\":\"exit \\\"3\\\"\"}\n";
	CHECK(web_saw(&web, line) && web_saw(&web, test_path("%s%s", line, line)));
	notice.how_json = MR_STR("\"nobody\""); /* only in the log */
	notifier_tell(notifier, &notice);
	notice.how_json = mr_str_from(test_path("{\"url\": \"http://127.0.0.1:%d/other\"}", web.port));
	notifier_tell(notifier, &notice);
	CHECK(web_saw(&web, "POST /other "));
	notifier_free(notifier);
	task_bed_close(&bed);
	web_close(&web);
}

/* A mail server for one letter. */
struct post {
	int fd, port;
	pthread_t thread;
	struct mr_buf seen;
};

static void *serve_mail(void *arg)
{
	struct post *post = arg;
	struct timeval limit = {.tv_sec = 10};
	int fd = accept(post->fd, NULL, NULL);
	char line[2048];
	bool data = false;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	FILE *in = fdopen(fd, "r");
	dprintf(fd, "220 here\r\n");
	while (fgets(line, sizeof line, in)) {
		mr_buf_cstr(&post->seen, line);
		if (data && strcmp(line, ".\r\n") != 0)
			continue;
		if (strncmp(line, "QUIT", 4) == 0)
			break;
		data = strncmp(line, "DATA", 4) == 0;
		dprintf(fd, data ? "354 go on\r\n" : "250 ok\r\n");
	}
	dprintf(fd, "221 bye\r\n");
	fclose(in);
	return NULL;
}

static void post_open(struct post *post)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	struct timeval limit = {.tv_sec = 10};
	*post = (struct post){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	CHECK(bind(post->fd, (struct sockaddr *)&address, size) == 0 && listen(post->fd, 4) == 0);
	CHECK(getsockname(post->fd, (struct sockaddr *)&address, &size) == 0);
	setsockopt(post->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	post->port = ntohs(address.sin_port);
	CHECK(pthread_create(&post->thread, NULL, serve_mail, post) == 0);
}

TEST(operators_send_mail)
{
	struct task_bed bed;
	struct post post;
	task_bed_open(&bed,
		      "t:\n  schedule: null\n  tasks:\n"
		      "    mail: {operator: airflow.providers.smtp.operators.smtp.EmailOperator, to: [a@x, "
		      "b@x], bcc: c@x,\n      subject: \"{{ ds }}\\nBcc: evil@x\", html_content: \"<b>{{ "
		      "params.country }}</b>\\n.\\nend\"}\n");
	CHECK_STR(mr_str_from(task_bed_run(&bed, "mail", NULL)),
		  "finished failed reason=there is no connection 'smtp_default' to send mail with");
	post_open(&post);
	set_connection(&bed, "smtp_default",
		       test_path("smtp://127.0.0.1:%d/?from_email=me%%40here", post.port));
	CHECK_STR(mr_str_from(task_bed_run(&bed, "mail", NULL)), "finished success");
	pthread_join(post.thread, NULL);
	close(post.fd);
	mr_str seen = mr_buf_view(&post.seen);
	check_has(seen, "MAIL FROM:<me@here>");
	check_has(seen, "RCPT TO:<a@x>\r\n");
	check_has(seen, "RCPT TO:<c@x>\r\n");
	check_has(seen, "To: a@x, b@x\r\n");
	check_has(seen, "Subject: 2026-01-01 Bcc: evil@x\r\n"); /* no header of its own */
	check_has(seen, "<b>US</b>\r\n..\r\nend\r\n");
	mr_buf_release(&post.seen);
	task_bed_close(&bed);
}

/* ---- other DAGs ---- */

struct others { /* what the scheduler would say */
	enum task_found found;
	struct mr_buf asked;
	int refreshed;
};

static int others_trigger(void *arg, const struct task_trigger *trigger, struct mr_buf *run_id,
			  struct mr_error *err)
{
	struct others *others = arg;
	if (mr_str_is(trigger->dag_id, "none"))
		return mr_fail(err, MR_ERR_NOT_FOUND, "there is no DAG 'none'");
	mr_buf_printf(&others->asked, "trigger %.*s %.*s %.*s %lld\n", MR_FMT(trigger->dag_id),
		      MR_FMT(trigger->run_id), MR_FMT(trigger->conf_json),
		      (long long)trigger->logical_date_us);
	mr_buf_cstr(run_id, "manual__new");
	return 0;
}

static int others_find(void *arg, mr_str dag_id, mr_str run_id, int64_t logical_date_us, mr_str task_id,
		       enum task_found *out, struct mr_error *err)
{
	struct others *others = arg;
	(void)err;
	mr_buf_printf(&others->asked, "find %.*s [%.*s] %lld %.*s\n", MR_FMT(dag_id), MR_FMT(run_id),
		      logical_date_us == NO_TIME ? -1LL : (long long)logical_date_us, MR_FMT(task_id));
	*out = others->found;
	return 0;
}

static int others_refresh(void *arg, struct mr_error *err)
{
	struct others *others = arg;
	return others->refreshed++ ? mr_fail(err, MR_ERR_IO, "the disk is full") : 0;
}

static const char others_dags[] =
    "t:\n"
    "  schedule: null\n"
    "  tasks:\n"
    "    start: {operator: airflow.providers.standard.operators.trigger_dagrun.TriggerDagRunOperator,\n"
    "      trigger_dag_id: other, trigger_run_id: 'r-{{ ds }}', conf: {day: '{{ ds }}'}, logical_date: '{{ "
    "ts "
    "}}'}\n"
    "    none: {operator: TriggerDagRunOperator, trigger_dag_id: none}\n"
    "    wait: {operator: TriggerDagRunOperator, trigger_dag_id: other, wait_for_completion: true}\n"
    "    run: {operator: airflow.providers.standard.sensors.external_task.ExternalTaskSensor,\n"
    "      external_dag_id: other, execution_delta: 1h}\n"
    "    tasks: {operator: ExternalTaskSensor, external_dag_id: other, external_task_ids: [a, b],\n"
    "      failed_states: [failed]}\n"
    "    skipped: {operator: ExternalTaskSensor, external_dag_id: other, external_task_id: a,\n"
    "      allowed_states: [success, skipped]}\n"
    "    refresh: {operator: PipelineRefreshOperator}\n";

TEST(operators_deal_with_other_dags)
{
	static const struct {
		enum task_found found;
		struct expected expected;
	} cases[] = {
	    {TASK_FOUND_NOT, {"start", "finished success return_value=\"manual__new\""}},
	    {TASK_FOUND_NOT, {"none", "finished failed reason=there is no DAG 'none'"}},
	    {TASK_FOUND_RUNNING, {"wait", "deferred"}},
	    {TASK_FOUND_SUCCESS, {"wait", "finished success return_value=\"manual__new\""}},
	    {TASK_FOUND_FAILED, {"wait", "finished failed reason=other failed in run manual__new"}},
	    {TASK_FOUND_NOT, {"run", "deferred"}},
	    {TASK_FOUND_RUNNING, {"run", "deferred"}},
	    {TASK_FOUND_FAILED, {"run", "deferred"}},
	    {TASK_FOUND_SUCCESS, {"run", "finished success"}},
	    {TASK_FOUND_SUCCESS, {"tasks", "finished success"}},
	    {TASK_FOUND_FAILED, {"tasks", "finished failed reason=other.a has failed"}},
	    {TASK_FOUND_SKIPPED, {"tasks", "deferred"}},
	    {TASK_FOUND_SKIPPED, {"skipped", "finished success"}},
	    {TASK_FOUND_NOT, {"refresh", "finished success"}},
	    {TASK_FOUND_NOT, {"refresh", "finished failed reason=the disk is full"}},
	};
	struct others others = {0};
	struct task_bed bed;
	struct task_services services = {
	    .trigger = others_trigger, .find = others_find, .refresh = others_refresh, .arg = &others};
	task_bed_open_with(&bed, others_dags, &services);
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		others.found = cases[i].found;
		check_ends(&bed, &cases[i].expected, 1);
	}
	mr_str asked = mr_buf_view(&others.asked);
	check_has(asked, "trigger other r-2026-01-01 {\"day\":\"2026-01-01\"} 1767225600000000\n");
	check_has(asked, "find other [] 1767222000000000 \n"); /* an hour before */
	check_has(asked, "find other [] 1767225600000000 b\n");
	check_has(asked, "find other [manual__new] -1 \n");
	mr_buf_release(&others.asked);
	task_bed_close(&bed);
}
