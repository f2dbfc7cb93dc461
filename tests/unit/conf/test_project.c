#include "conf/project.h"
#include "base/buf.h"
#include "env/env.h"
#include "test.h"

#include <stdlib.h>

static void put(const char *folder, const char *name, const char *text)
{
	struct mr_error err = {0};
	struct mr_disk *disk = env_linux()->disk;
	char *path = test_path("%s/%s", folder, name);
	char *slash = strrchr(path, '/');
	*slash = 0;
	CHECK_OK(disk_mkdir_all(disk, path, &err), err);
	*slash = '/';
	CHECK_OK(disk_replace_file(disk, path, mr_str_from(text), &err), err);
}

static const char weblog[] =
    "name: views\n"
    "data: ./state\n"
    "kafka: {listen: 127.0.0.1:0, auto_create_topics: false}\n"
    "http: {listen: off}\n"
    "topics:\n"
    "  logs-access: {partitions: 6, schema: schemas/access.yml, retention: forever}\n"
    "  logs-unknown:\n"
    "gateway:\n"
    "  listen: [{tcp: 127.0.0.1:1514}, {udp: '[::1]:1514'}]\n"
    "  rules:\n"
    "    - jmespath: '\"$topic\"'\n"
    "      actions: [{merge: {meta: {n: 1, at: '{{iso8601}}'}}}, {forward: '{{value}}'}, stop]\n"
    "    - {regex: '^a$', field: hostname, actions: [{replace: x}, {stop: }]}\n"
    "  max_line_bytes: 64KiB\n"
    "ingest:\n"
    "  - topic: logs-access\n"
    "    table: bronze.access_log\n"
    "    partition_by: date\n"
    "    commit: {every: 250ms, bytes: 1MiB}\n"
    "streams: {trigger: 100ms}\n"
    "materialize: {every: 2s}\n";

TEST(project_full)
{
	const char *folder = test_folder();
	struct mr_error err = {0};
	struct project *p;
	put(folder, "millrace.yml", weblog);
	put(folder, "spark-pipeline.yml", "nonsense: true");
	put(folder, "schemas/access.yml",
	    "type: object\nrequired: [url]\nproperties: {n: {minimum: 0x10}}\n");
	put(folder, "transformations/b.sql", "SELECT 2");
	put(folder, "transformations/a/z.sql", "SELECT 1");
	put(folder, "transformations/README.md", "words");
	put(folder, "transformations/.hidden.sql", "no");
	CHECK_OK(project_load(folder, &p, &err), err);
	CHECK_STR(p->name, "views");
	CHECK_STR(mr_str_from(p->data), test_path("%s/state", folder));
	CHECK_STR(p->kafka_listen, "127.0.0.1:0");
	CHECK(!p->auto_create_topics);
	CHECK_INT(p->http_listen.len, 0);
	CHECK_INT(p->topic_count, 2);
	CHECK_STR(p->topics[0].name, "logs-access");
	CHECK_INT(p->topics[0].partitions, 6);
	CHECK_INT(p->topics[0].line, 6);
	CHECK_INT(p->topics[0].retention_ms, -1);
	CHECK_STR(p->topics[0].on_invalid, "dlq");
	CHECK_STR(p->topics[0].schema_json,
		  "{\"type\":\"object\",\"required\":[\"url\"],\"properties\":{\"n\":{\"minimum\":16}}}");
	CHECK_STR(p->topics[1].name, "logs-unknown");
	CHECK_INT(p->topics[1].partitions, 1);
	CHECK_STR(p->topics[1].on_invalid, "off");
	CHECK_STR(p->topics[1].durability, "durable");
	CHECK_INT(p->topics[1].retention_ms, 604800000);
	CHECK_INT(p->topics[1].retention_bytes, -1);
	CHECK_INT(p->topics[1].segment_bytes, 1 << 30);
	CHECK_INT(p->topics[1].max_message_bytes, 1048588);
	CHECK_INT(p->gateway.listen_count, 2);
	CHECK_STR(p->gateway.listen[1].protocol, "udp");
	CHECK_STR(p->gateway.listen[1].address, "[::1]:1514");
	CHECK_INT(p->gateway.max_line_bytes, 65536);
	CHECK_INT(p->gateway.rule_count, 2);
	const struct conf_rule *rule = &p->gateway.rules[0];
	CHECK_INT(rule->match, CONF_MATCH_JMESPATH);
	CHECK_STR(rule->pattern, "\"$topic\"");
	CHECK_STR(rule->field, "msg");
	CHECK_INT(rule->action_count, 3);
	CHECK_INT(rule->actions[0].kind, CONF_MERGE);
	CHECK_STR(rule->actions[0].text, "{\"meta\":{\"n\":1,\"at\":\"{{iso8601}}\"}}");
	CHECK_INT(rule->actions[1].kind, CONF_FORWARD);
	CHECK_STR(rule->actions[1].text, "{{value}}");
	CHECK_INT(rule->actions[2].kind, CONF_STOP);
	CHECK_INT(p->gateway.rules[1].match, CONF_MATCH_REGEX);
	CHECK_STR(p->gateway.rules[1].field, "hostname");
	CHECK_INT(p->gateway.rules[1].actions[0].kind, CONF_REPLACE);
	CHECK_INT(p->gateway.rules[1].actions[1].kind, CONF_STOP);
	CHECK_INT(p->ingest_count, 1);
	CHECK_STR(p->ingests[0].partition_by[0], "date");
	CHECK_INT(p->ingests[0].partition_count, 1);
	CHECK_INT(p->ingests[0].commit_every_ms, 250);
	CHECK_INT(p->ingests[0].commit_bytes, 1 << 20);
	CHECK_INT(p->ingests[0].commit_rows, 1000000);
	CHECK_INT(p->stream_every_ms, 100);
	CHECK_INT(p->materialize_every_ms, 2000);
	CHECK_INT(p->sql_file_count, 2);
	CHECK_STR(mr_str_from(p->sql_files[0].path), "transformations/a/z.sql");
	CHECK_STR(p->sql_files[1].text, "SELECT 2");
	project_free(p);
}

TEST(project_of_spark_with_defaults)
{
	const char *folder = test_folder();
	struct mr_error err = {0};
	struct project *p;
	put(folder, "spark-pipeline.yml",
	    "name: orders\nstorage: file:///srv/checkpoints\ncatalog: main\ndatabase: shop\n"
	    "configuration: {spark.sql.shuffle.partitions: 4}\n"
	    "libraries:\n  - glob:\n      include: flows/**\n  - file: flows/a.sql\n");
	put(folder, "flows/a.sql", "SELECT 1");
	put(folder, "flows/x/b.sql", "SELECT 2");
	put(folder, "transformations/c.sql", "not named");
	CHECK_OK(project_load(folder, &p, &err), err);
	CHECK_STR(p->kafka_listen, "127.0.0.1:9092");
	CHECK_STR(p->http_listen, "127.0.0.1:8080");
	CHECK_STR(mr_str_from(p->data), test_path("%s/.millrace", folder));
	CHECK(p->auto_create_topics);
	CHECK_INT(p->stream_every_ms, 1000);
	CHECK_INT(p->gateway.max_line_bytes, 1 << 20);
	CHECK_STR(p->default_schema, "shop");
	CHECK_INT(p->setting_count, 1);
	CHECK_STR(p->settings[0].value, "4");
	CHECK_INT(p->sql_file_count, 2);
	CHECK_STR(mr_str_from(p->sql_files[1].path), "flows/x/b.sql");
	project_free(p);

	put(folder, "flows/x/flow.py", "import pyspark");
	CHECK_INT(project_load(folder, &p, &err), MR_ERR_UNSUPPORTED);
	CHECK_STR(mr_str_from(err.message), "flows/x/flow.py: Python transformations are not supported");
	CHECK_STR(mr_str_from(err.where), test_path("%s/spark-pipeline.yml:7:5", folder));
}

TEST(project_expansion)
{
	const char *folder = test_folder();
	struct mr_error err = {0};
	struct project *p;
	setenv("MR_TEST_PARTS", "12", 1);
	setenv("MR_TEST_EMPTY", "", 1);
	unsetenv("MR_TEST_UNSET");
	put(folder, "secret", "hush\n");
	put(folder, "millrace.yml",
	    "name: 'a-${file:secret}-${MR_TEST_UNSET:-x}${MR_TEST_EMPTY:-y}-$${z}-$'\n"
	    "topics: {t: {partitions: \"${MR_TEST_PARTS}\", retention: '${MR_TEST_UNSET:-3d}'}}\n");
	CHECK_OK(project_load(folder, &p, &err), err);
	CHECK_STR(p->name, "a-hush-xy-${z}-$");
	CHECK_INT(p->topics[0].partitions, 12);
	CHECK_INT(p->topics[0].retention_ms, 3 * 86400000);
	project_free(p);
}

struct bad {
	const char *yaml, *where, *message, *hint;
};

static const struct bad bad_files[] = {
    {"topics:\n  logs-access: {partitons: 6}", "2:17", "unknown key 'partitons' in topics.logs-access",
     "did you mean 'partitions'?"},
    {"topcs: {}", "1:1", "unknown key 'topcs' in the project file", "did you mean 'topics'?"},
    {"kafka: {zookeeper: x}", "1:9", "unknown key 'zookeeper' in kafka",
     "valid keys: listen, advertised, tls, num_partitions, auto_create_topics, max_connections, "
     "connections_max_idle"},
    {"[]", "1:1", "the project file: expected a mapping, got a list", ""},
    {"hello", "1:1", "the project file: expected a mapping, got 'hello'", ""},
    {"topics: [a]", "1:9", "topics: expected a mapping, got a list", ""},
    {"topics: {a: 5}", "1:13", "topics.a: expected a mapping, got '5'", ""},
    {"topics: {'a b': }", "1:10", "'a b' is not a topic name", "1 to 249 of the letters a-z A-Z 0-9 . _ -"},
    {"topics: {..: }", "1:10", "'..' is not a topic name", "1 to 249 of the letters a-z A-Z 0-9 . _ -"},
    {"topics: {a: {partitions: six}}", "1:26", "topics.a.partitions: expected a whole number, got 'six'", ""},
    {"topics: {a: {partitions: }}", "1:26", "topics.a.partitions: expected a whole number, got nothing", ""},
    {"topics: {a: {partitions: [1]}}", "1:26", "topics.a.partitions: expected a whole number, got a list",
     ""},
    {"topics: {a: {partitions: 0}}", "1:26", "topics.a.partitions: '0' is not between 1 and 10000", ""},
    {"topics: {a: {partitions: 99999999999}}", "1:26",
     "topics.a.partitions: '99999999999' is not between 1 and 10000", ""},
    {"topics: {a: {on_invalid: dql}}", "1:26", "topics.a.on_invalid: 'dql' is not one of off, reject, dlq",
     "did you mean 'dlq'?"},
    {"topics: {a: {on_invalid: dlq}}", "1:10", "topics.a: on_invalid is 'dlq', but the topic has no schema",
     ""},
    {"topics: {a: {retention: 7}}", "1:25",
     "topics.a.retention: expected a duration such as 5s or 7d, got '7'",
     "a duration needs its unit: ms, s, m, h, d or w"},
    {"topics: {a: {retention: always}}", "1:25",
     "topics.a.retention: expected a duration such as 5s or 7d, got 'always'", "or 'forever'"},
    {"topics: {a: {segment_bytes: 1KiB}}", "1:29",
     "topics.a.segment_bytes: '1KiB' is not between 1048576 and 2147483648 bytes", ""},
    {"topics: {a: {max_message_bytes: 1TiB}}", "1:33",
     "topics.a.max_message_bytes: '1TiB' is not between 1024 and 268435456 bytes", ""},
    {"topics: {a: {schema: s.yml}}", "1:22", NULL, NULL},
    {"topics: {a: {schema: bad.yml}}", "bad.yml:1:1", "a JSON Schema must be a mapping, this is a list", ""},
    {"kafka: {auto_create_topics: yes}", "1:29",
     "kafka.auto_create_topics: expected true or false, got 'yes'", ""},
    {"kafka: {tls: {listen: '127.0.0.1:0'}}", "1:14", "kafka.tls: a listener needs a certificate and a key",
     ""},
    {"users: {a: {}}", "1:12", "missing key 'password' in users.a", ""},
    {"http: {listen: 'example.org:80'}", "1:16", "http.listen: 'example.org:80' is not a loopback address",
     "without authentication millrace listens on this machine only: 127.0.0.1:PORT"},
    {"http: {listen: 8080}", "1:16", "http.listen: expected an address such as 127.0.0.1:9092, got '8080'",
     ""},
    {"http: {listen: '127.0.0.1:99999'}", "1:16",
     "http.listen: expected an address such as 127.0.0.1:9092, got '127.0.0.1:99999'", ""},
    {"gateway: {listen: [{tcp: '127.0.0.1:1', udp: '127.0.0.1:1'}]}", "1:20",
     "gateway.listen[0]: expected one of tcp and udp with an address", ""},
    {"gateway: {rules: [{actions: [stop]}]}", "1:19",
     "gateway.rules[0]: a rule has neither; it needs one of regex or jmespath", ""},
    {"gateway: {rules: [{regex: a, jmespath: b, actions: [stop]}]}", "1:19",
     "gateway.rules[0]: a rule has either, not both, regex or jmespath", ""},
    {"gateway: {rules: [{regex: a}]}", "1:19", "missing key 'actions' in gateway.rules[0]", ""},
    {"gateway: {rules: [{regex: a, actions: [{forward: a, stop: }]}]}", "1:40",
     "gateway.rules[0].actions[0]: an action is one of forward, merge, replace, stop",
     "actions run in the order of the list: one item for each"},
    {"gateway: {rules: [{regex: a, actions: [stopp]}]}", "1:40",
     "gateway.rules[0].actions[0]: expected 'stop' or a mapping, got 'stopp'", ""},
    {"gateway: {rules: [{regex: a, actions: [{merge: x}]}]}", "1:48",
     "gateway.rules[0].actions[0].merge: expected a mapping, got a value", ""},
    {"gateway: {rules: [{regex: a, field: message, actions: [stop]}]}", "1:37",
     "gateway.rules[0].field: 'message' is not one of msg, hostname, appname, facility, severity", ""},
    {"ingest: [{topic: a}]", "1:10", "missing key 'table' in ingest[0]", ""},
    {"topics: {abc: }\ningest: [{topic: abd, table: b.c}]", "2",
     "ingest[0].topic: 'abd' is not a topic of this file", "did you mean 'abc'?"},
    {"topics: {a: }\ningest: [{topic: a, table: access}]", "2:28",
     "ingest[0].table: expected schema.table such as bronze.events, got 'access'", ""},
    {"topics: {a: }\ningest: [{topic: a, table: a.b.c}]", "2:28",
     "ingest[0].table: expected schema.table such as bronze.events, got 'a.b.c'", ""},
    {"topics: {a: }\ningest:\n- {topic: a, table: b.c}\n- {topic: a, table: B.C}", "4",
     "ingest[1].table: B.C is filled by ingest[0] already, on line 3",
     "one ingest fills one table: choose another name"},
    {"topics: {a: }\ningest: [{topic: a, table: b.c, partition_by: [x, x]}]", "2:51",
     "ingest[0].partition_by: 'x' is given twice", ""},
    {"libraries: [{glob: {include: ../x/**}}]", "1:13",
     "libraries[0]: '../x/**' leads out of the project folder", ""},
    {"libraries: [{glob: {include: absent/**}}]", "1:13", NULL, NULL},
    {"libraries: [{file: absent.sql}]", "1:13", NULL, NULL},
    {"libraries: [{}]", "1:13", "libraries[0]: expected {glob: {include: PATTERN}} or {file: PATH}", ""},
    {"name: ${MR_TEST_UNSET}", "1:7", "the environment variable MR_TEST_UNSET is not set",
     "export it, or give a default: ${MR_TEST_UNSET:-value}"},
    {"name: ${1x}", "1:7", "'${1x}' names no variable",
     "write ${NAME}, ${NAME:-default}, ${file:PATH}, or $${ for the two characters"},
    {"name: 'a${b'", "1:7", "'${' without '}' in 'a${b'", ""},
    {"name: ${file:absent}", "1:7", NULL, NULL},
    {"name: \"a\\0b\"", "1:7", "name holds a NUL byte", ""},
    {"name: a\nname: b", "2:1", "key 'name' is given twice, first on line 1", ""},
    {"streams: {trigger: 0s}", "1:20", "streams.trigger: '0s' is not between 1 and 86400000 ms", ""},
};

TEST(project_bad_files)
{
	const char *folder = test_folder();
	unsetenv("MR_TEST_UNSET");
	put(folder, "bad.yml", "[]");
	for (size_t i = 0; i < MR_COUNT(bad_files); i++) {
		const struct bad *bad = &bad_files[i];
		struct mr_error err = {0};
		struct project *p;
		put(folder, "millrace.yml", bad->yaml);
		if (project_load(folder, &p, &err) == 0)
			test_fail(__FILE__, __LINE__, "was loaded: %s", bad->yaml);
		const char *file = strstr(bad->where, ".yml") ? "" : "millrace.yml:";
		CHECK_STR(mr_str_from(err.where), test_path("%s/%s%s", folder, file, bad->where));
		if (bad->message) {
			CHECK_STR(mr_str_from(err.message), bad->message);
			CHECK_STR(mr_str_from(err.hint), bad->hint);
		} else {
			CHECK(strstr(err.message, "No such file"));
		}
	}
	struct mr_error err = {0};
	struct project *p;
	CHECK_INT(project_load(test_path("%s/none", folder), &p, &err), MR_ERR_NOT_FOUND);
	CHECK(strstr(err.message, "neither millrace.yml nor spark-pipeline.yml is there"));
}

/* The tests may be started from the repository or from its build folder. */
static const char *doc_path(void)
{
	static const char *const places[] = {"docs/configuration.md", "../../docs/configuration.md"};
	for (size_t i = 0; i < MR_COUNT(places); i++)
		if (disk_exists(env_linux()->disk, places[i]))
			return places[i];
	test_fail(__FILE__, __LINE__,
		  "run the tests from the repository: docs/configuration.md is not there");
}

/* docs/configuration.md ends with what the option tables say;
 * MR_TEST_UPDATE=1 writes it. */
TEST(project_documentation_is_current)
{
	static const char marker[] = "<!-- keys: written by the option tables -->\n";
	struct mr_error err = {0};
	struct mr_buf doc = {0}, keys = {0};
	CHECK_OK(disk_read_file(env_linux()->disk, doc_path(), 1 << 20, &doc, &err), err);
	project_document_keys(&keys);
	const char *found = strstr(doc.ptr, marker);
	CHECK(found);
	if (strcmp(found + strlen(marker), keys.ptr) != 0 && getenv("MR_TEST_UPDATE")) {
		doc.len = (size_t)(found - doc.ptr) + strlen(marker);
		mr_buf_str(&doc, mr_buf_view(&keys));
		CHECK_OK(disk_replace_file(env_linux()->disk, doc_path(), mr_buf_view(&doc), &err), err);
		found = strstr(doc.ptr, marker);
	}
	CHECK_STR(mr_str_from(found + strlen(marker)), keys.ptr);
	mr_buf_release(&doc);
	mr_buf_release(&keys);
}
