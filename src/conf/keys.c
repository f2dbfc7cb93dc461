/* conf/keys.c - what millrace.yml may say. The one place that names keys, types and defaults. */
#include "conf/keys.h"

#include "codec/json.h"
#include "conf/project.h"
#include "conf/values.h"

#define SCHEMA_BYTES_MAX YAML_BYTES_MAX
#define TOPIC_NAME_MAX 249

/* ---- topics ---- */

static int schema_text(const struct option_place *place, const char *path, mr_str text, mr_str *out,
		       struct mr_error *err)
{
	struct yaml_node *root;
	struct mr_buf json;
	mr_buf_init(&json, SCHEMA_BYTES_MAX);
	int rc = yaml_read(place->reader->arena, path, text, NULL, &root, err);
	if (rc == 0 && root->kind != YAML_MAPPING) {
		rc = mr_fail(err, MR_ERR_INVALID, "a JSON Schema must be a mapping, this is %s",
			     yaml_kind_name(root));
		mr_error_where(err, path, root->line, root->column);
	}
	if (rc == 0)
		rc = yaml_to_json(root, path, &json, err);
	if (rc == 0)
		*out = arena_copy(place->reader->arena, mr_buf_view(&json));
	mr_buf_release(&json);
	return rc;
}

/* YAML 1.2 contains JSON but for tabs in odd places, so JSON goes through the JSON parser. */
static int schema_from_json(const struct option_place *place, const char *path, mr_str text, mr_str *out,
			    struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct json_value root;
	int rc = json_parse(parser, text, &root, err);
	if (rc == 0 && json_type(root) != JSON_OBJECT)
		rc = mr_fail(err, MR_ERR_INVALID, "a JSON Schema must be an object");
	if (rc < 0)
		mr_error_where(err, path, 0, 0);
	else
		*out = arena_copy(place->reader->arena, text);
	json_parser_free(parser);
	return rc;
}

static int load_schema(const struct option_place *place, const struct option *option, void *to,
		       struct mr_error *err)
{
	struct conf_topic *topic = MR_CONTAINER_OF(to, struct conf_topic, schema_path);
	const struct option_reader *reader = place->reader;
	mr_str name = topic->schema_path;
	const char *path = name.len && name.ptr[0] == '/'
			       ? name.ptr
			       : arena_printf(reader->arena, "%s/%s", reader->folder, name.ptr).ptr;
	struct mr_buf text = {0};
	int rc = disk_read_file(reader->disk, path, SCHEMA_BYTES_MAX, &text, err);
	if (rc < 0) {
		mr_error_wrap(err, rc, "%s", place->path.ptr);
		mr_error_where(err, reader->file, place->node->line, place->node->column);
	} else if (mr_str_ends(name, MR_STR(".json"))) {
		rc = schema_from_json(place, path, mr_buf_view(&text), &topic->schema_json, err);
	} else {
		rc = schema_text(place, path, mr_buf_view(&text), &topic->schema_json, err);
	}
	mr_buf_release(&text);
	return rc;
}

static bool is_topic_name(mr_str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '.' && c != '_' && c != '-')
			return false;
	}
	return name.len > 0 && name.len <= TOPIC_NAME_MAX && !mr_str_is(name, ".") && !mr_str_is(name, "..");
}

static int check_topic(const struct option_place *place, void *item, struct mr_error *err)
{
	struct conf_topic *topic = item;
	struct option_place at = *place;
	at.node = place->key;
	topic->name = place->key->text;
	topic->line = place->key->line;
	if (!is_topic_name(topic->name)) {
		int rc = option_fail(&at, err, "'%.*s' is not a topic name",
				     (int)mr_min_size(topic->name.len, 60), topic->name.ptr);
		mr_hint(err, "1 to 249 of the letters a-z A-Z 0-9 . _ -");
		return rc;
	}
	bool wants_schema = topic->on_invalid.len && !mr_str_is(topic->on_invalid, "off");
	if (wants_schema && !topic->schema_json.len)
		return option_fail(&at, err, "%s: on_invalid is '%.*s', but the topic has no schema",
				   place->path.ptr, MR_FMT(topic->on_invalid));
	if (!topic->on_invalid.len)
		topic->on_invalid = topic->schema_json.len ? MR_STR("dlq") : MR_STR("off");
	return 0;
}

static const char *const on_invalid_words[] = {"off", "reject", "dlq"};
static const char *const durability_words[] = {"durable", "relaxed"};

static int read_setting(const struct option_place *place, void *item, struct mr_error *err)
{
	struct conf_setting *setting = item;
	setting->name = place->key->text;
	setting->value = place->node->text;
	setting->line = place->key->line;
	setting->column = place->key->column;
	return 0;
}

static const struct option_table setting_table = {.size = sizeof(struct conf_setting),
						  .scalar = read_setting};

static const struct option topic_options[] = {
    {.key = "partitions",
     .type = OPTION_INT32,
     AT(struct conf_topic, partitions),
     .preset = "1",
     .min = 1,
     .max = 10000,
     .help = "How many partitions."},
    {.key = "schema",
     .type = OPTION_STR,
     AT(struct conf_topic, schema_path),
     .read = load_schema,
     .shown_type = "path",
     .help = "JSON Schema (draft 7) of the events, in YAML or JSON."},
    {.key = "on_invalid",
     .type = OPTION_WORD,
     AT(struct conf_topic, on_invalid),
     .words = on_invalid_words,
     .word_count = MR_COUNT(on_invalid_words),
     .shown_default = "`dlq` with a schema, else `off`",
     .help = "An event that breaks the schema: let it in, refuse it, or send it to `NAME.dlq`."},
    {.key = "durability",
     .type = OPTION_WORD,
     AT(struct conf_topic, durability),
     .preset = "durable",
     .words = durability_words,
     .word_count = MR_COUNT(durability_words),
     .help = "`durable`: acknowledged means synced to disk. `relaxed`: it is in the page cache."},
    {.key = "retention",
     .type = OPTION_DURATION,
     AT(struct conf_topic, retention_ms),
     .preset = "7d",
     .min = -1,
     .max = INT64_MAX,
     .help = "How long events are kept."},
    {.key = "retention_bytes",
     .type = OPTION_SIZE,
     AT(struct conf_topic, retention_bytes),
     .preset = "unlimited",
     .min = -1,
     .max = INT64_MAX,
     .help = "How much each partition keeps."},
    {.key = "segment_bytes",
     .type = OPTION_SIZE,
     AT(struct conf_topic, segment_bytes),
     .preset = "1GiB",
     .min = 1 << 20,
     .max = (int64_t)2 << 30,
     .help = "Size at which a log file is closed and the next begun."},
    {.key = "max_message_bytes",
     .type = OPTION_SIZE32,
     AT(struct conf_topic, max_message_bytes),
     .preset = "1048588",
     .min = 1024,
     .max = (int64_t)256 << 20,
     .help = "Largest record batch taken."},
    {.key = "config",
     .type = OPTION_MAP,
     COUNTED(struct conf_topic, config, config_count),
     .table = &setting_table,
     .shown_type = "mapping of texts",
     .help = "Kafka's configurations by name (topic-configs.md); `7d` and `16MiB` may stand for numbers."},
};
static const struct option_table topic_table =
    OPTION_TABLE(struct conf_topic, topic_options, .check = check_topic, .items_max = 10000);

/* ---- gateway ---- */

static int read_listen_address(const struct option_place *place, const struct option *option, void *to,
			       struct mr_error *err)
{
	struct conf_listen *listen = to;
	listen->protocol = mr_str_from(option->key);
	return conf_read_loopback(place, &listen->address, err);
}

static int check_listen(const struct option_place *place, void *item, struct mr_error *err)
{
	if (place->node->count == 1)
		return 0;
	return option_fail(place, err, "%s: expected one of tcp and udp with an address", place->path.ptr);
}

static int read_pattern(const struct option_place *place, const struct option *option, void *to,
			struct mr_error *err)
{
	struct conf_rule *rule = to;
	int rc = conf_expect_text(place, "a pattern", err);
	if (rc < 0)
		return rc;
	rule->match = mr_str_is(mr_str_from(option->key), "regex") ? CONF_MATCH_REGEX : CONF_MATCH_JMESPATH;
	rule->pattern = place->node->text;
	return 0;
}

static int check_rule(const struct option_place *place, void *item, struct mr_error *err)
{
	struct conf_rule *rule = item;
	rule->line = place->node->line;
	bool regex = yaml_get(place->node, "regex"), jmespath = yaml_get(place->node, "jmespath");
	if (regex == jmespath)
		return option_fail(place, err, "%s: a rule has %s regex or jmespath", place->path.ptr,
				   regex ? "either, not both," : "neither; it needs one of");
	return 0;
}

static int read_action_text(const struct option_place *place, const struct option *option, void *to,
			    struct mr_error *err)
{
	struct conf_action *action = to;
	int rc = conf_expect_text(place, "a template", err);
	if (rc < 0)
		return rc;
	action->kind = mr_str_is(mr_str_from(option->key), "forward") ? CONF_FORWARD : CONF_REPLACE;
	action->text = place->node->text;
	return 0;
}

static int read_action_merge(const struct option_place *place, const struct option *option, void *to,
			     struct mr_error *err)
{
	struct conf_action *action = to;
	struct mr_buf json;
	if (place->node->kind != YAML_MAPPING)
		return option_fail(place, err, "%s: expected a mapping, got %s", place->path.ptr,
				   yaml_kind_name(place->node));
	mr_buf_init(&json, SCHEMA_BYTES_MAX);
	int rc = yaml_to_json(place->node, place->reader->file, &json, err);
	if (rc == 0) {
		action->kind = CONF_MERGE;
		action->text = arena_copy(place->reader->arena, mr_buf_view(&json));
	}
	mr_buf_release(&json);
	return rc;
}

static int read_action_word(const struct option_place *place, void *item, struct mr_error *err)
{
	struct conf_action *action = item;
	if (!mr_str_is(place->node->text, "stop"))
		return option_fail(place, err, "%s: expected 'stop' or a mapping, got '%.*s'",
				   place->path.ptr, (int)mr_min_size(place->node->text.len, 60),
				   place->node->text.ptr);
	action->kind = CONF_STOP;
	return 0;
}

static int check_action(const struct option_place *place, void *item, struct mr_error *err)
{
	((struct conf_action *)item)->line = place->node->line;
	if (place->node->kind == YAML_SCALAR && !yaml_is_null(place->node))
		return 0;
	if (place->node->count == 1)
		return 0;
	int rc =
	    option_fail(place, err, "%s: an action is one of forward, merge, replace, stop", place->path.ptr);
	mr_hint(err, "actions run in the order of the list: one item for each");
	return rc;
}

static int read_stop(const struct option_place *place, const struct option *option, void *to,
		     struct mr_error *err)
{
	if (!yaml_is_null(place->node) && !mr_str_is(place->node->text, "true"))
		return option_fail(place, err, "%s takes no value", place->path.ptr);
	((struct conf_action *)to)->kind = CONF_STOP;
	return 0;
}

static const struct option action_options[] = {
    {.key = "forward",
     .type = OPTION_CUSTOM,
     .read = read_action_text,
     .shown_type = "template",
     .help = "Send the event to the topic of this name."},
    {.key = "merge",
     .type = OPTION_CUSTOM,
     .read = read_action_merge,
     .shown_type = "mapping",
     .help = "Merge this object, its texts being templates, into the JSON event."},
    {.key = "replace",
     .type = OPTION_CUSTOM,
     .read = read_action_text,
     .shown_type = "template",
     .help = "Replace the event by this text."},
    {.key = "stop",
     .type = OPTION_CUSTOM,
     .read = read_stop,
     .shown_type = "nothing",
     .help = "Look at no further rule. May be written as the plain word `stop`."},
};
static const struct option_table action_table =
    OPTION_TABLE(struct conf_action, action_options, .check = check_action, .scalar = read_action_word);

static const struct option listen_options[] = {
    {.key = "tcp",
     .type = OPTION_CUSTOM,
     .read = read_listen_address,
     .shown_type = "address",
     .help = "Syslog over TCP, newline or octet-counted framing."},
    {.key = "udp",
     .type = OPTION_CUSTOM,
     .read = read_listen_address,
     .shown_type = "address",
     .help = "Syslog over UDP, one message a datagram."},
};
static const struct option_table listen_table =
    OPTION_TABLE(struct conf_listen, listen_options, .check = check_listen, .items_max = 64);

static const char *const field_words[] = {"msg", "hostname", "appname", "facility", "severity"};

static const struct option rule_options[] = {
    {.key = "regex",
     .type = OPTION_CUSTOM,
     .read = read_pattern,
     .shown_type = "PCRE2 pattern",
     .help = "The rule matches when this does; its named groups may be used in templates."},
    {.key = "jmespath",
     .type = OPTION_CUSTOM,
     .read = read_pattern,
     .shown_type = "JMESPath expression",
     .help = "The rule matches when the field is JSON and this finds something, which is `{{value}}`."},
    {.key = "field",
     .type = OPTION_WORD,
     AT(struct conf_rule, field),
     .preset = "msg",
     .words = field_words,
     .word_count = MR_COUNT(field_words),
     .help = "What part of the syslog message is looked at."},
    {.key = "actions",
     .type = OPTION_LIST,
     COUNTED(struct conf_rule, actions, action_count),
     .table = &action_table,
     .required = true,
     .help = "What is done, in order."},
};
static const struct option_table rule_table =
    OPTION_TABLE(struct conf_rule, rule_options, .check = check_rule);

static const struct option gateway_options[] = {
    {.key = "listen",
     .type = OPTION_LIST,
     COUNTED(struct conf_gateway, listen, listen_count),
     .table = &listen_table,
     .help = "Where syslog comes in."},
    {.key = "rules",
     .type = OPTION_LIST,
     COUNTED(struct conf_gateway, rules, rule_count),
     .table = &rule_table,
     .help = "What becomes of a line; the rules are tried in order."},
    {.key = "max_line_bytes",
     .type = OPTION_SIZE,
     AT(struct conf_gateway, max_line_bytes),
     .preset = "1MiB",
     .min = 1024,
     .max = 64 << 20,
     .help = "A longer line is cut off and counted."},
};
static const struct option_table gateway_table = OPTION_TABLE(struct conf_gateway, gateway_options);

/* ---- ingest ---- */

static bool is_identifier(mr_str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
		if (!letter && !(i > 0 && c >= '0' && c <= '9'))
			return false;
	}
	return name.len > 0 && name.len <= 128;
}

static int check_table_name(const struct option_place *place, const struct option *option, void *to,
			    struct mr_error *err)
{
	mr_str text = *(mr_str *)to;
	const char *dot = memchr(text.ptr, '.', text.len);
	size_t at = dot ? (size_t)(dot - text.ptr) : 0;
	if (dot && is_identifier(mr_str_n(text.ptr, at)) && is_identifier(mr_str_tail(text, at + 1)))
		return 0;
	return option_fail(place, err, "%s: expected schema.table such as bronze.events, got '%.*s'",
			   place->path.ptr, (int)mr_min_size(text.len, 60), text.ptr);
}

static int check_ingest(const struct option_place *place, void *item, struct mr_error *err)
{
	((struct conf_ingest *)item)->line = place->node->line;
	return 0;
}

static const struct option commit_options[] = {
    {.key = "every",
     .type = OPTION_DURATION,
     AT(struct conf_ingest, commit_every_ms),
     .preset = "5s",
     .min = 10,
     .max = 86400000,
     .help = "Commit when the oldest row waits this long,"},
    {.key = "bytes",
     .type = OPTION_SIZE,
     AT(struct conf_ingest, commit_bytes),
     .preset = "128MiB",
     .min = 1024,
     .max = (int64_t)64 << 30,
     .help = "or this much of the log is read,"},
    {.key = "rows",
     .type = OPTION_INT64,
     AT(struct conf_ingest, commit_rows),
     .preset = "1000000",
     .min = 1,
     .max = 1000000000,
     .help = "or this many rows have come, whichever is first."},
};
static const struct option_table commit_table = OPTION_TABLE(struct conf_ingest, commit_options);

static const struct option ingest_options[] = {
    {.key = "topic",
     .type = OPTION_STR,
     AT(struct conf_ingest, topic),
     .required = true,
     .help = "Where rows come from: a topic of this file."},
    {.key = "table",
     .type = OPTION_STR,
     AT(struct conf_ingest, table),
     .read = check_table_name,
     .required = true,
     .shown_type = "schema.table",
     .help = "The Delta table; made when absent."},
    {.key = "partition_by",
     .type = OPTION_NAMES,
     COUNTED(struct conf_ingest, partition_by, partition_count),
     .help = "Columns the table is partitioned by; `date` is the UTC date of the event time."},
    {.key = "date_from",
     .type = OPTION_STR,
     AT(struct conf_ingest, date_from),
     .shown_type = "column",
     .shown_default = "the first timestamp column",
     .help = "The event time that `date` is taken from."},
    {.key = "commit", .type = OPTION_SECTION, .table = &commit_table, .help = "When rows are committed."},
};
static const struct option_table ingest_table =
    OPTION_TABLE(struct conf_ingest, ingest_options, .check = check_ingest);

/* ---- libraries, as in spark-pipeline.yml ---- */

static int check_library(const struct option_place *place, void *item, struct mr_error *err)
{
	struct conf_library *library = item;
	library->line = place->node->line;
	library->column = place->node->column;
	mr_str include = library->include;
	if (place->node->count != 1 || !include.len)
		return option_fail(place, err, "%s: expected {glob: {include: PATTERN}} or {file: PATH}",
				   place->path.ptr);
	if (include.ptr[0] == '/' || memmem(include.ptr, include.len, "..", 2))
		return option_fail(place, err, "%s: '%.*s' leads out of the project folder", place->path.ptr,
				   MR_FMT(include));
	return 0;
}

static const struct option glob_options[] = {
    {.key = "include",
     .type = OPTION_STR,
     AT(struct conf_library, include),
     .required = true,
     .shown_type = "pattern",
     .help = "`**` stands for any folders and files, `*` and `?` within one name."},
};
static const struct option_table glob_table = OPTION_TABLE(struct conf_library, glob_options);
static const struct option library_options[] = {
    {.key = "glob", .type = OPTION_SECTION, .table = &glob_table, .help = "SQL files by pattern."},
    {.key = "file",
     .type = OPTION_STR,
     AT(struct conf_library, include),
     .shown_type = "path",
     .help = "One SQL file."},
};
static const struct option_table library_table =
    OPTION_TABLE(struct conf_library, library_options, .check = check_library);

/* ---- the file ---- */

static const struct option http_options[] = {
    {.key = "listen",
     .type = OPTION_CUSTOM,
     AT(struct project, http_listen),
     .preset = "127.0.0.1:8080",
     .read = conf_read_loopback_or_off,
     .shown_type = "address, `off`",
     .help = "HTTP: health, metrics, API. Port 0 picks one."},
};
static const struct option_table http_table = OPTION_TABLE(struct project, http_options);

static const struct option streams_options[] = {
    {.key = "trigger",
     .type = OPTION_DURATION,
     AT(struct project, stream_every_ms),
     .preset = "1s",
     .min = 1,
     .max = 86400000,
     .help = "Least time between micro-batches of a streaming table."},
};
static const struct option_table streams_table = OPTION_TABLE(struct project, streams_options);

static const struct option materialize_options[] = {
    {.key = "every",
     .type = OPTION_DURATION,
     AT(struct project, materialize_every_ms),
     .preset = "1s",
     .min = 1,
     .max = 86400000,
     .help = "Least time between refreshes of a materialized view."},
};
static const struct option_table materialize_table = OPTION_TABLE(struct project, materialize_options);

static const struct option project_options[] = {
    {.key = "name",
     .type = OPTION_STR,
     AT(struct project, name),
     .shown_default = "the folder's name",
     .help = "Name of the project."},
    {.key = "data",
     .type = OPTION_CUSTOM,
     AT(struct project, data),
     .preset = ".millrace",
     .read = conf_read_path,
     .shown_type = "path",
     .help = "Where log, tables and state are kept."},
    {.key = "kafka", .type = OPTION_SECTION, .table = &conf_kafka_table, .help = "The Kafka endpoint."},
    {.key = "users",
     .type = OPTION_MAP,
     COUNTED(struct project, users, user_count),
     .table = &conf_user_table,
     .help = "Who may use the Kafka endpoint. From the first user on ACLs are enforced."},
    {.key = "http", .type = OPTION_SECTION, .table = &http_table, .help = "The HTTP endpoint."},
    {.key = "topics",
     .type = OPTION_MAP,
     COUNTED(struct project, topics, topic_count),
     .table = &topic_table,
     .help = "Topics, made or altered at start."},
    {.key = "gateway",
     .type = OPTION_SECTION,
     AT(struct project, gateway),
     .table = &gateway_table,
     .help = "Syslog in, events out."},
    {.key = "ingest",
     .type = OPTION_LIST,
     COUNTED(struct project, ingests, ingest_count),
     .table = &ingest_table,
     .help = "Topics that land in tables."},
    {.key = "maintenance",
     .type = OPTION_MAP,
     COUNTED(struct project, maintenance, maintenance_count),
     .table = &conf_maintenance_table,
     .help = "Upkeep of tables, by name; `\"*\"` is those that are not named."},
    {.key = "libraries",
     .type = OPTION_LIST,
     COUNTED(struct project, libraries, library_count),
     .table = &library_table,
     .shown_default = "`transformations/**`",
     .help = "The project's SQL files."},
    {.key = "dags",
     .type = OPTION_SECTION,
     AT(struct project, dags),
     .table = &conf_dags_table,
     .help = "Scheduled tasks."},
    {.key = "streams", .type = OPTION_SECTION, .table = &streams_table, .help = "Streaming tables."},
    {.key = "materialize",
     .type = OPTION_SECTION,
     .table = &materialize_table,
     .help = "Materialized views."},
    {.key = "schema",
     .type = OPTION_STR,
     AT(struct project, default_schema),
     .help = "Schema of tables that are named without one."},
    {.key = "database",
     .type = OPTION_STR,
     AT(struct project, default_schema),
     .help = "The same, in Spark's older word."},
    {.key = "catalog",
     .type = OPTION_STR,
     AT(struct project, catalog),
     .help = "Spark's; accepted, not used."},
    {.key = "storage",
     .type = OPTION_STR,
     AT(struct project, storage),
     .help = "Spark's checkpoint root; accepted, not used: state is kept under `data`."},
    {.key = "configuration",
     .type = OPTION_MAP,
     COUNTED(struct project, settings, setting_count),
     .table = &setting_table,
     .shown_type = "mapping of texts",
     .help = "Spark's settings; accepted, not used."},
};
const struct option_table conf_project_table = OPTION_TABLE(struct project, project_options);
