/* JSON and what is written in it: documents, rows, schemas, paths, Delta's actions; and YAML. */
#include "fuzz.h"

#include "base/mem.h"
#include "codec/columns.h"
#include "codec/jmespath.h"
#include "codec/json.h"
#include "codec/jsonschema.h"
#include "codec/template.h"
#include "conf/yaml.h"
#include "delta/action.h"
#include "delta/internal.h"

#include <stdlib.h>

static void *start_parser(void)
{
	return json_parser_new();
}

static void stop_parser(void *state)
{
	json_parser_free(state);
}

/* ---- documents ---- */

static const char *const json_texts[] = {
    "{\"a\":1,\"b\":[true,null,-1.5e10,\"\\u00e9\\ud83d\\ude00\\n\"],\"c\":{\"d\":{}}}",
    "[18446744073709551615,9223372036854775808,-9223372036854775808,1e308,0.1]",
    "\"plain\"",
    "[[[[[[[[[[]]]]]]]]]]",
    NULL,
};

/* What was read is written, and read as the same. */
static void feed_json(void *state, mr_str input)
{
	struct json_value v;
	struct mr_buf once = {0}, twice = {0};
	struct mr_error err;
	if (json_parse(state, input, &v, NULL) != 0)
		return;
	json_write_value(&once, v);
	CHECK_OK(json_parse(state, mr_buf_view(&once), &v, &err), err);
	json_write_value(&twice, v);
	CHECK(mr_str_eq(mr_buf_view(&once), mr_buf_view(&twice)));
	mr_buf_release(&once);
	mr_buf_release(&twice);
}

const struct fuzz_target fuzz_json = {.name = "json",
				      .rounds = 15000,
				      .texts = json_texts,
				      .start = start_parser,
				      .feed = feed_json,
				      .stop = stop_parser};

/* ---- documents as rows ---- */

struct rows {
	struct column_def defs[10];
	struct columns columns;
	struct json_columns *decoder;
};

static const char *const row_texts[] = {
    "{\"l\":1,\"i\":-5,\"d\":1.5e3,\"s\":\"a\\u00e9\",\"b\":true,\"t\":\"2026-01-01T00:00:00.5+02:00\","
    "\"day\":"
    "\"2026-02-29\",\"n\":\"12345678.901\",\"j\":{\"x\":[1,2]},\"bin\":\"QUJD\",\"more\":[{\"deep\":null}]}",
    "{\"t\":1767227400250,\"n\":99.5,\"l\":9223372036854775807,\"i\":2147483648}",
    "{\"s\":\"\\ud83d\\ude00 \\\"quoted\\\"\",\"j\":\"text\",\"d\":1e400,\"s\":\"twice\"}",
    NULL,
};

static void *start_rows(void)
{
	static const char *const types[][2] = {
	    {"l", "long"},      {"i", "integer"}, {"d", "double"},        {"s", "string"},   {"b", "boolean"},
	    {"t", "timestamp"}, {"day", "date"},  {"n", "decimal(20,4)"}, {"bin", "binary"}, {"sh", "short"}};
	struct rows *rows = mr_calloc(1, sizeof *rows);
	struct mr_error err;
	for (size_t i = 0; i < MR_COUNT(types); i++) {
		CHECK_OK(column_type_parse(mr_str_from(types[i][1]), &rows->defs[i], &err), err);
		rows->defs[i].name = mr_str_from(types[i][0]);
	}
	rows->decoder = json_columns_new(rows->defs, MR_COUNT(rows->defs));
	columns_init(&rows->columns, rows->defs, MR_COUNT(rows->defs));
	return rows;
}

static void feed_rows(void *state, mr_str input)
{
	struct rows *rows = state;
	columns_clear(&rows->columns);
	(void)!json_columns_decode(rows->decoder, input, &rows->columns, 0, NULL);
}

static void stop_rows(void *state)
{
	struct rows *rows = state;
	json_columns_free(rows->decoder);
	columns_release(&rows->columns);
	free(rows);
}

const struct fuzz_target fuzz_json_columns = {.name = "json_columns",
					      .rounds = 15000,
					      .texts = row_texts,
					      .start = start_rows,
					      .feed = feed_rows,
					      .stop = stop_rows};

/* ---- JSON Schema: compiled, then held against a document and against itself ---- */

static void feed_schema(void *state, mr_str input)
{
	struct json_schema *schema;
	struct json_value v;
	struct json_fault fault;
	if (json_schema_compile(input, "fuzz", &schema, NULL) != 0)
		return;
	if (json_parse(state, input, &v, NULL) == 0)
		(void)json_schema_valid(schema, v, &fault);
	static const char document[] = "{\"host\":\"1.2.3.4\",\"status\":7,\"kids\":[{\"v\":1.5},{}],\"v\":2,"
				       "\"tags\":[\"a\",1,1.0],\"x-a\":null}";
	if (json_parse(state, MR_STR(document), &v, NULL) == 0)
		(void)json_schema_valid(schema, v, &fault);
	json_schema_free(schema);
}

const struct fuzz_target fuzz_schema = {
    .name = "schema", .rounds = 5000, .start = start_parser, .feed = feed_schema, .stop = stop_parser};

/* ---- JMESPath ---- */

static const char *const path_texts[] = {
    "a.b[0].c || `{\"x\":1}`",
    "length(keys(@)) > `2` && !contains(s, 'x')",
    "list[?v > `1`].{n: v, m: join(',', names)} | [-1]",
    "list[1:10:2][]",
    "*.v",
    "\"quoted\\n\".'raw'",
    NULL,
};

static void feed_jmespath(void *state, mr_str input)
{
	static const char document[] =
	    "{\"a\":{\"b\":[{\"c\":5}]},\"s\":\"text\",\"list\":[{\"v\":1,\"names\":[\"p\","
	    "\"q\"]},{\"v\":2.5,\"names\":[]},3,null]}";
	struct jmespath *path;
	struct jmespath_evaluator evaluator = {0};
	struct jmespath_value result;
	struct json_value v;
	struct mr_error err;
	struct mr_buf text = {0};
	if (jmespath_compile(input, &path, NULL) != 0)
		return;
	CHECK_OK(json_parse(state, MR_STR(document), &v, &err), err);
	if (jmespath_eval(path, &evaluator, v, &result, NULL) == 0)
		jmespath_text(&result, &text);
	mr_buf_release(&text);
	jmespath_evaluator_release(&evaluator);
	jmespath_free(path);
}

const struct fuzz_target fuzz_jmespath = {.name = "jmespath",
					  .rounds = 10000,
					  .texts = path_texts,
					  .start = start_parser,
					  .feed = feed_jmespath,
					  .stop = stop_parser};

/* ---- Delta's log ---- */

static const char *const action_texts[] = {
    "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"deletionVectors\"],"
    "\"writerFeatures\":[\"deletionVectors\",\"appendOnly\"]}}\n"
    "{\"metaData\":{\"id\":\"7\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"{"
    "\\\"type\\\":"
    "\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,"
    "\\\"metadata\\\":{}},"
    "{\\\"name\\\":\\\"m\\\",\\\"type\\\":{\\\"type\\\":\\\"map\\\",\\\"keyType\\\":\\\"string\\\","
    "\\\"valueType\\\":"
    "{\\\"type\\\":\\\"array\\\",\\\"elementType\\\":\\\"decimal(10,2)\\\",\\\"containsNull\\\":true},"
    "\\\"valueContainsNull\\\":false},\\\"nullable\\\":true,\\\"metadata\\\":{}}]}\",\"partitionColumns\":["
    "\"a\"],"
    "\"configuration\":{\"delta.appendOnly\":\"true\",\"delta.columnMapping.mode\":\"name\"},\"createdTime\":"
    "1}}\n",
    "{\"add\":{\"path\":\"a=1/"
    "part-0.parquet\",\"partitionValues\":{\"a\":\"1\"},\"size\":5,\"modificationTime\":9,"
    "\"dataChange\":true,\"stats\":\"{\\\"numRecords\\\":3}\",\"deletionVector\":{\"storageType\":\"u\","
    "\"pathOrInlineDv\":\"ab^-aqEH.-t@S}K{vb[*k^\",\"offset\":4,\"sizeInBytes\":40,\"cardinality\":6},"
    "\"baseRowId\":0,\"defaultRowCommitVersion\":1,\"tags\":{}}}\n"
    "{\"remove\":{\"path\":\"x%20y\",\"deletionTimestamp\":1,\"dataChange\":true,\"extendedFileMetadata\":"
    "true}}\n",
    "{\"txn\":{\"appId\":\"app\",\"version\":7,\"lastUpdated\":8}}\n"
    "{\"domainMetadata\":{\"domain\":\"d\",\"configuration\":\"{}\",\"removed\":false}}\n"
    "{\"commitInfo\":{\"operation\":\"WRITE\",\"inCommitTimestamp\":5}}\n{\"cdc\":{\"path\":\"c\","
    "\"partitionValues\":"
    "{},\"size\":1,\"dataChange\":false}}\n{\"checkpointMetadata\":{\"version\":3}}\n"
    "{\"sidecar\":{\"path\":\"s.parquet\",\"sizeInBytes\":8,\"modificationTime\":1}}\n{\"later\":{}}\n",
    NULL,
};

struct action_state {
	struct json_parser *parser, *inner;
};

static int take_action(void *arg, const struct action *action, struct mr_error *err)
{
	struct action_state *s = arg;
	struct table_meta *meta;
	struct table_protocol protocol = {0};
	if (action->kind == ACTION_METADATA &&
	    delta_meta_parse(s->inner, &action->metadata, &meta, NULL) == 0) {
		(void)delta_interval_ms(delta_meta_property(meta, "delta.logRetentionDuration"), 0);
		delta_meta_unref(meta);
	} else if (action->kind == ACTION_PROTOCOL) {
		delta_protocol_copy(&protocol, &action->protocol);
		arena_release(&protocol.arena);
	}
	return 0;
}

static void *start_actions(void)
{
	struct action_state *s = mr_alloc(sizeof *s);
	s->parser = json_parser_new();
	s->inner = json_parser_new();
	return s;
}

static void feed_actions(void *state, mr_str input)
{
	struct action_state *s = state;
	(void)!delta_actions_parse(s->parser, input, "00000000000000000000.json", take_action, s, NULL);
}

static void stop_actions(void *state)
{
	struct action_state *s = state;
	json_parser_free(s->parser);
	json_parser_free(s->inner);
	free(s);
}

const struct fuzz_target fuzz_delta_actions = {.name = "delta_actions",
					       .rounds = 10000,
					       .texts = action_texts,
					       .start = start_actions,
					       .feed = feed_actions,
					       .stop = stop_actions};

/* ---- deletion vectors: a bitmap's bytes, and the same as Z85 text in an action ---- */

static bool seed_vector(void *state, size_t n, struct mr_buf *out)
{
	struct delta_bitmap *bitmap = delta_bitmap_new();
	for (uint64_t i = 0; i < (n == 0 ? 6 : 9000); i++)
		delta_bitmap_add(bitmap, n == 2 ? i : n == 3 ? i * i * 1000003 : i * 7);
	delta_bitmap_write(bitmap, out);
	delta_bitmap_free(bitmap);
	return n < 4;
}

static void feed_vector(void *state, mr_str input)
{
	struct delta_bitmap *bitmap, *again;
	struct mr_buf bytes = {0};
	struct mr_error err;
	struct arena arena = {0};
	mr_str path;
	struct delta_dv dv = {'i', input, -1, (int64_t)input.len, 6};
	if (delta_bitmap_parse(input, &bitmap, NULL) == 0) {
		delta_bitmap_write(bitmap, &bytes);
		CHECK_OK(delta_bitmap_parse(mr_buf_view(&bytes), &again, &err), err);
		CHECK_INT(delta_bitmap_count(again), delta_bitmap_count(bitmap));
		delta_bitmap_free(again);
		delta_bitmap_free(bitmap);
	}
	mr_buf_clear(&bytes);
	(void)delta_z85_decode(input, &bytes);
	if (delta_dv_read(env_linux(), "/nowhere", &dv, &bitmap, NULL) == 0)
		delta_bitmap_free(bitmap);
	dv.storage = 'u';
	(void)!delta_dv_path(&dv, &arena, &path, NULL);
	arena_release(&arena);
	mr_buf_release(&bytes);
}

const struct fuzz_target fuzz_delta_vector = {
    .name = "delta_vector", .rounds = 5000, .seed = seed_vector, .feed = feed_vector};

/* ---- YAML ---- */

static const char *const yaml_texts[] = {
    "a: {b: [1, two, 'three', \"fo\\nur\"], c: !!str 5}\nd: &x\n  - e\n  - f: |\n      block\n      text\ng: "
    "*x\n",
    "- 0x1f\n- 1e3\n- .inf\n- ~\n- 2026-01-01\n- ? complex\n  : key\n- >-\n  folded\n  text\n",
    "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n",
    NULL,
};

static void feed_yaml(void *state, mr_str input)
{
	struct arena arena = {0};
	struct yaml_node *node;
	struct mr_buf json = {0};
	if (yaml_read(&arena, "fuzz.yml", input, NULL, &node, NULL) == 0)
		(void)!yaml_to_json(node, "fuzz.yml", &json, NULL);
	mr_buf_release(&json);
	arena_release(&arena);
}

const struct fuzz_target fuzz_yaml = {
    .name = "yaml", .rounds = 8000, .files = "../examples/weblog", .texts = yaml_texts, .feed = feed_yaml};

/* ---- the gateway's templates ---- */

static const char *const template_texts[] = {
    "{\"a\": \"{{status|int}}\", \"b\": \"x {{host|json}} {{uuid}}\", \"t\": \"{{time|clf}}\"}",
    "t-{{a.b.c|lower}}-{{missing|default}}",
    "{{a|dash|json}}{{{b}}",
    NULL,
};

static int no_variables(void *arg, mr_str name)
{
	return -1;
}

static struct json_value document_of(void *arg)
{
	return *(struct json_value *)arg;
}

static void render(const struct template *template, struct json_value *document)
{
	struct mr_rng rng;
	struct mr_buf out = {0};
	rng_seed(&rng, 1);
	struct template_context context = {
	    .event = document_of, .event_arg = document, .rng = &rng, .now_ms = 1700000000000};
	(void)template_render(template, &context, &out);
	template_context_release(&context);
	mr_buf_release(&out);
}

static void feed_template(void *state, mr_str input)
{
	static const char event[] =
	    "{\"status\":\"200\",\"host\":\"h\\\"\",\"time\":\"10/Oct/2000:13:55:36 -0700\",\"a\":"
	    "{\"b\":{\"c\":\"X\"}}}";
	struct json_parser *other = json_parser_new();
	struct arena arena = {0};
	struct json_value document, v;
	const struct template *template;
	struct mr_error err;
	CHECK_OK(json_parse(other, MR_STR(event), &document, &err), err);
	if (template_compile(&arena, input, no_variables, NULL, &template, NULL) == 0)
		render(template, &document);
	if (json_parse(state, input, &v, NULL) == 0 &&
	    template_compile_json(&arena, v, no_variables, NULL, &template, NULL) == 0)
		render(template, &document);
	arena_release(&arena);
	json_parser_free(other);
}

const struct fuzz_target fuzz_template = {.name = "template",
					  .rounds = 4000,
					  .texts = template_texts,
					  .start = start_parser,
					  .feed = feed_template,
					  .stop = stop_parser};
