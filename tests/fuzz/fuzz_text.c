/* What people write: SQL, pipelines, templates, cron expressions, DAG files, project files; and zone files.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "conf/project.h"
#include "dag/civil.h"
#include "dag/cron.h"
#include "dag/load.h"
#include "dag/tz.h"
#include "env/disk_linux.h"
#include "jinja/jinja.h"
#include "lake/define.h"
#include "lake/parser.h"
#include "stream/pipeline.h"
#include "stream/statement.h"

#include <stdlib.h>

/* ---- SQL: statements cut apart, translated from Spark's spelling ---- */

static const char *const sql_texts[] = {
    "SELECT a, `b c`, 'it''s' FROM db.t WHERE x <=> 1 -- comment\n; SELECT /* y */ CAST(a AS STRING) FROM "
    "VALUES (1)",
    "SELECT date_format(ts, 'yyyy-MM-dd'), explode(xs), a:b.c FROM STREAM(t) LATERAL VIEW explode(y) z AS w",
    "WITH q AS (SELECT 1) SELECT * FROM q JOIN u USING (id) WHERE name RLIKE '^a.*' GROUP BY ALL",
    "SELECT \"text\\n\", r'raw\\d', 1L, 2.5BD, x'0f', interval 5 days, t.`a``b` FROM delta.`/tmp/x`",
    NULL,
};

static void feed_sql(void *state, mr_str input)
{
	struct arena arena = {0};
	mr_str rest = input, out;
	for (int i = 0; i < 100; i++) {
		mr_str statement = statement_next(&rest);
		if (statement.len == 0)
			break;
		CHECK(statement.len <= input.len);
		(void)!spark_translate(statement, &arena, &out, NULL);
		(void)!parse_type_text(statement, &arena, &out, NULL);
	}
	arena_release(&arena);
}

const struct fuzz_target fuzz_sql = {.name = "sql", .rounds = 8000, .texts = sql_texts, .feed = feed_sql};

/* ---- pipelines ---- */

static const char *const pipeline_texts[] = {
    "CREATE OR REFRESH STREAMING TABLE silver.a PARTITIONED BY (d) COMMENT 'x' TBLPROPERTIES ('k'='v') AS\n"
    "SELECT *, date(ts) AS d FROM STREAM bronze.b WHERE n > 1;\n"
    "CREATE MATERIALIZED VIEW gold.c AS SELECT count(*) FROM silver.a JOIN bronze.b USING (id);",
    "CREATE TEMPORARY VIEW v AS SELECT 1;\nCREATE STREAMING TABLE t AS SELECT * FROM STREAM(v) WITH "
    "(startingVersion=3);",
    "CREATE MATERIALIZED VIEW a AS SELECT * FROM b; CREATE MATERIALIZED VIEW b AS SELECT * FROM a;",
    NULL,
};

static void feed_pipeline(void *state, mr_str input)
{
	struct pipeline_file file = {"fuzz.sql", input};
	mr_str known = MR_STR("bronze.b");
	struct pipeline *pipeline;
	if (pipeline_load(&file, 1, &known, 1, &pipeline, NULL) == 0)
		pipeline_free(pipeline);
}

const struct fuzz_target fuzz_pipeline = {.name = "pipeline",
					  .rounds = 6000,
					  .files = "../examples/weblog/transformations",
					  .texts = pipeline_texts,
					  .feed = feed_pipeline};

/* ---- templates ---- */

static const char *const jinja_texts[] = {
    "{{ ds }} {% for x in [1, 2, 3] if x > 1 %}{{ loop.index }}:{{ x * 2 }}{% else %}none{% endfor %}",
    "{%- set a = {'k': (1, 2.5, none)} -%}{{ a.k[0] ~ a['k'][1:] | join(',') }}{# comment #}{% raw %}{{ }}{% "
    "endraw %}",
    "{% if x is defined and not y %}{{ 'a' if true else 'b' }}{% elif 1 in [1] %}{{ \"%s\" | format(5) }}{% "
    "endif %}",
    "{% with b = 'text' %}{{ b | upper | replace('T', 'x') | default('z', true) }}{% endwith %}{{ 2 ** 10 // "
    "3 % 5 }}",
    "{{ range(3) | map('string') | list | length }} {{ 'abc'[::-1] }} {{ 'x' * 5 }} {{ [1, [2]] | tojson }}",
    NULL,
};

static void feed_jinja(void *state, mr_str input)
{
	static const struct jinja_context nothing;
	struct jinja_template *template;
	struct arena arena = {0};
	struct mr_buf out = {0};
	if (jinja_parse(input, NULL, 0, &template, NULL) != 0)
		return;
	(void)!jinja_render(template, &nothing, &arena, &out, NULL);
	CHECK(out.len <= JINJA_OUTPUT_BYTES_MAX);
	mr_buf_release(&out);
	arena_release(&arena);
	jinja_free(template);
}

const struct fuzz_target fuzz_jinja = {
    .name = "jinja", .rounds = 6000, .texts = jinja_texts, .feed = feed_jinja};

/* ---- cron expressions, and times as text ---- */

static const char *const cron_texts[] = {
    "*/5 0-23/2 1,15,L * mon-fri",
    "0 2 * * *",
    "30 4 15W jan,jul ? 10",
    "0 0 * * fri#2",
    "@daily",
    "22-3 * * * L5",
    "59 23 31 12 * 59",
    "2026-01-01T02:30:00+02:00",
    "2026-02-30 25:61",
    NULL,
};

static void feed_cron(void *state, mr_str input)
{
	const int64_t from = 1767225600000000;
	struct cron cron;
	int64_t next, back, us;
	(void)civil_parse(input, NULL, &us);
	if (cron_parse(input, &cron, NULL) != 0)
		return;
	if (cron_next(&cron, from, &next)) {
		CHECK(next * 1000000 > from);
		CHECK(cron_prev(&cron, next * 1000000 + 1, &back));
		CHECK_INT(back, next);
	}
}

const struct fuzz_target fuzz_cron = {.name = "cron", .rounds = 2000, .texts = cron_texts, .feed = feed_cron};

/* ---- DAG files ---- */

static void feed_dag_file(void *state, mr_str input)
{
	struct dag_load_options options = {.disk = disk_linux()};
	struct dag_set set = {0};
	dag_load_text(&options, "fuzz.yml", input, &set);
	dag_set_finish(&options, &set);
	dag_set_release(&set);
}

static const char *const dag_texts[] = {
    "d:\n  schedule: '@hourly'\n  start_date: 2026-01-01\n  catchup: true\n  params: {n: {default: 1, type: "
    "integer}}\n"
    "  tasks:\n    a: {operator: bash, bash_command: 'echo {{ ds }}', retries: 2, retry_delay: 5s}\n"
    "    b: {operator: empty, dependencies: [a], trigger_rule: all_done}\n",
    NULL,
};

const struct fuzz_target fuzz_dag_file = {.name = "dag_file",
					  .rounds = 2500,
					  .files = "../examples/weblog/dags",
					  .texts = dag_texts,
					  .feed = feed_dag_file};

/* ---- zone files ---- */

static bool seed_timezone(void *state, size_t n, struct mr_buf *out)
{
	static const char *const zones[] = {"Europe/Berlin", "UTC", "America/New_York",
					    "Australia/Lord_Howe"};
	struct mr_error err;
	char path[128];
	if (n >= MR_COUNT(zones))
		return false;
	snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", zones[n]);
	CHECK_OK(disk_read_file(disk_linux(), path, 1 << 20, out, &err), err);
	return true;
}

static void feed_timezone(void *state, mr_str input)
{
	struct tz *tz;
	if (tz_parse(MR_STR("fuzz"), input, &tz, NULL) != 0)
		return;
	for (int64_t at = -4000000000; at < 8000000000; at += 700000001)
		(void)tz_utc_s(tz, tz_local_s(tz, at));
	tz_free(tz);
}

const struct fuzz_target fuzz_timezone = {
    .name = "timezone", .rounds = 3000, .seed = seed_timezone, .feed = feed_timezone};

/* ---- a project's file, with all that is checked about it ---- */

static const char *const project_texts[] = {
    "name: p\nkafka: {listen: 127.0.0.1:9092}\nhttp: {listen: 127.0.0.1:8080}\ntopics:\n"
    "  a: {partitions: 4, retention: 7d, config: {segment.bytes: 1MiB}}\ningest:\n"
    "  - {topic: a, table: bronze.a, partition_by: [date], commit: {every: 2s}}\nusers:\n"
    "  - {name: anna, password: '${PASSWORD:-x}'}\n",
    "gateway:\n  listen: [{tcp: 127.0.0.1:1514}, {udp: 127.0.0.1:1514}]\n  rules:\n"
    "    - regex: '^(?<a>.*)$'\n      actions: [{merge: {b: '{{a}}'}}, {replace: '{{a|json}}'}, {forward: "
    "'t-{{a}}'}, stop]\n",
    NULL,
};

static void *start_project(void)
{
	return (void *)test_folder();
}

static void feed_project(void *state, mr_str input)
{
	struct mr_error err;
	struct project *project;
	char path[512];
	snprintf(path, sizeof path, "%s/" CONF_PROJECT_FILE, (const char *)state);
	CHECK_OK(disk_replace_file(disk_linux(), path, input, &err), err);
	if (project_load(state, &project, &err) == 0)
		project_free(project);
	else
		CHECK(err.message[0]);
}

const struct fuzz_target fuzz_project = {
    .name = "project", .rounds = 1000, .texts = project_texts, .start = start_project, .feed = feed_project};
