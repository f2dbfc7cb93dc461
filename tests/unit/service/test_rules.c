#include "test.h"

#include "base/mem.h"
#include "service/merge.h"
#include "service/gateway.h"
#include "service/rules.h"

#define NOW_MS 1767225600000 /* 2026-01-01T00:00:00Z */

static struct conf_action action(enum conf_action_kind kind, const char *text)
{
	return (struct conf_action){.kind = kind, .text = mr_str_from(text)};
}

struct fixture {
	struct conf_action actions[8][4];
	struct conf_rule rules[8];
	size_t count;
	struct mr_rng rng;
	struct rules *compiled;
	struct mr_error err;
};

static void add_rule(struct fixture *f, enum conf_match match, const char *pattern, const char *field,
		     struct conf_action first, struct conf_action second)
{
	struct conf_rule *rule = &f->rules[f->count];
	f->actions[f->count][0] = first;
	f->actions[f->count][1] = second;
	*rule = (struct conf_rule){.match = match,
				   .pattern = mr_str_from(pattern),
				   .field = mr_str_from(field),
				   .actions = f->actions[f->count],
				   .action_count = second.text.ptr ? 2 : 1};
	f->count++;
}

static struct rules_result apply(struct fixture *f, const char *line)
{
	if (!f->compiled) {
		rng_seed(&f->rng, 3);
		CHECK_OK(rules_compile(f->rules, f->count, &f->rng, &f->compiled, &f->err), f->err);
	}
	struct rules_line input = {.line = mr_str_from(line), .peer = MR_STR("1.2.3.4:5"), .now_ms = NOW_MS};
	struct rules_result result;
	rules_apply(f->compiled, &input, &result);
	return result;
}

static void check_event(struct fixture *f, const char *line, const char *topic, const char *event)
{
	struct rules_result r = apply(f, line);
	CHECK_INT(r.outcome, RULES_FORWARD);
	CHECK_STR(r.topic, topic);
	CHECK_STR(r.event, event);
}

static const struct conf_action none = {0};

static const char access_regex[] =
    "^(?<client>\\S+) \\S+ (?<user>\\S+) \\[(?<time>[^\\]]+)\\] \"(?<method>[A-Z]+) (?<path>\\S+)(?: "
    "(?<protocol>[^\"]*))?\" (?<status>\\d{3}) (?<bytes>\\d+|-)(?: \"(?<referer>[^\"]*)\" "
    "\"(?<agent>[^\"]*)\")?";
static const char access_event[] =
    "{\"id\":\"{{msgid|dash|json}}\",\"timestamp\":\"{{time|clf}}\",\"host\":\"{{hostname|dash|json}}\","
    "\"client\":\"{{client}}\",\"user\":\"{{user|dash|json}}\",\"path\":\"{{path}}\",\"status\":\"{{status|"
    "int}}\","
    "\"bytes\":\"{{bytes|int}}\",\"referer\":\"{{referer|dash|json}}\",\"agent\":\"{{agent|dash|json}}\"}";

TEST(rules_make_typed_json_of_an_access_log)
{
	struct fixture f = {0};
	add_rule(&f, CONF_MATCH_REGEX, access_regex, "", action(CONF_REPLACE, access_event),
		 action(CONF_FORWARD, "logs-access"));
	check_event(&f,
		    "<134>1 2026-01-02T03:04:05Z web1 httpd - n17 - 83.149.9.216 - frank "
		    "[17/May/2015:10:05:03 +0000] "
		    "\"GET /a\\\"b HTTP/1.1\" 200 203023 \"http://x/\" \"Mozilla \\x22\"",
		    "logs-access",
		    "{\"id\":\"n17\",\"timestamp\":\"2015-05-17T10:05:03.000Z\",\"host\":\"web1\",\"client\":"
		    "\"83.149.9.216\","
		    "\"user\":\"frank\",\"path\":\"/"
		    "a\\\\\\\"b\",\"status\":200,\"bytes\":203023,\"referer\":\"http://x/\","
		    "\"agent\":\"Mozilla \\\\x22\"}");
	check_event(
	    &f, "1.2.3.4 - - [17/May/2015:10:05:03 +0000] \"GET /\" 304 -", "logs-access",
	    "{\"id\":null,\"timestamp\":\"2015-05-17T10:05:03.000Z\",\"host\":null,\"client\":\"1.2.3.4\","
	    "\"user\":null,\"path\":\"/\",\"status\":304,\"bytes\":null,\"referer\":null,\"agent\":null}");
	struct rules_result r = apply(&f, "something else");
	CHECK_INT(r.outcome, RULES_UNMATCHED);
	CHECK_STR(r.reason, "no rule matches");
	rules_free(f.compiled);
}

TEST(rules_run_in_order_on_the_event_as_it_is_then)
{
	struct fixture f = {0};
	add_rule(&f, CONF_MATCH_REGEX, "^debug$", "severity", action(CONF_STOP, ""), none);
	add_rule(&f, CONF_MATCH_REGEX, "^(?<k>\\w+)=(?<v>.*)$", "msg",
		 action(CONF_REPLACE, "{\"$topic\":\"{{k}}\",\"v\":\"{{v}}\",\"from\":\"{{hostname}}\"}"),
		 none);
	add_rule(&f, CONF_MATCH_JMESPATH, "\"$topic\"", "msg",
		 action(CONF_MERGE, "{\"meta\":{\"at\":\"{{iso8601}}\",\"raw\":\"{{line}}\"}}"),
		 action(CONF_FORWARD, "logs-{{value}}"));
	check_event(&f, "<14>1 - web1 app - - - views=a\"b", "logs-views",
		    "{\"$topic\":\"views\",\"v\":\"a\\\"b\",\"from\":\"web1\",\"meta\":{\"at\":\"2026-01-"
		    "01T00:00:00.000Z\","
		    "\"raw\":\"<14>1 - web1 app - - - views=a\\\"b\"}}");
	check_event(
	    &f, "{\"$topic\":\"t\", \"meta\": {\"at\": 1, \"x\": 1.50}}", "logs-t",
	    "{\"$topic\":\"t\",\"meta\":{\"at\":\"2026-01-01T00:00:00.000Z\",\"x\":1.50,"
	    "\"raw\":\"{\\\"$topic\\\":\\\"t\\\", \\\"meta\\\": {\\\"at\\\": 1, \\\"x\\\": 1.50}}\"}}");
	CHECK_INT(apply(&f, "<15>1 - web1 app - - - views=1").outcome, RULES_STOPPED);
	CHECK_INT(apply(&f, "{\"other\":1}").outcome, RULES_UNMATCHED);
	CHECK_INT(apply(&f, "{broken").outcome, RULES_UNMATCHED);
	rules_free(f.compiled);
}

/* Groups view the event they matched; two replacements later they must still be whole. */
TEST(rules_groups_outlive_several_replacements)
{
	struct fixture f = {0};
	add_rule(&f, CONF_MATCH_REGEX, ".", "msg", action(CONF_REPLACE, "key=value"), none);
	add_rule(&f, CONF_MATCH_REGEX, "(\\w+)=(\\w+)", "msg",
		 action(CONF_REPLACE, "{\"first\":\"xxxxxxxxxx\"}"), none);
	f.actions[1][1] = action(CONF_MERGE, "{\"a\":\"{{1}}\"}");
	f.actions[1][2] = action(CONF_REPLACE, "{{1}}:{{2}}:{{msg}}");
	f.actions[1][3] = action(CONF_FORWARD, "{{2}}");
	f.rules[1].action_count = 4;
	check_event(&f, "line", "value", "key:value:{\"first\":\"xxxxxxxxxx\",\"a\":\"key\"}");
	rules_free(f.compiled);
}

TEST(rules_read_structured_data_and_fields)
{
	struct fixture f = {0};
	add_rule(&f, CONF_MATCH_REGEX, "^web", "hostname",
		 action(CONF_REPLACE,
			"{{sd.meta.sequenceId}} {{appname}} {{procid}} {{facility}}.{{severity}} {{peer}} "
			"{{timestamp|iso}} {{value}}"),
		 action(CONF_FORWARD, "t"));
	check_event(&f, "<165>1 2026-01-02T03:04:05+01:00 web1 app 7 - [meta sequenceId=\"9\\\"\"] x", "t",
		    "9\" app 7 local4.notice 1.2.3.4:5 2026-01-02T02:04:05.000Z web");
	rules_free(f.compiled);
}

TEST(rules_errors_say_which_rule)
{
	struct fixture f = {0};
	add_rule(&f, CONF_MATCH_REGEX, "^merge", "msg", action(CONF_MERGE, "{\"a\":1}"), none);
	add_rule(&f, CONF_MATCH_REGEX, "^empty", "msg", action(CONF_FORWARD, "{{procid}}"), none);
	add_rule(&f, CONF_MATCH_JMESPATH, "length(n)", "msg", action(CONF_FORWARD, "t"), none);
	add_rule(&f, CONF_MATCH_REGEX, "^(a+)+$", "msg", action(CONF_FORWARD, "t"), none);
	struct rules_result r = apply(&f, "merge me");
	CHECK_INT(r.outcome, RULES_ERROR);
	CHECK_STR(r.reason, "rule 1: merge into an event that is not a JSON object");
	r = apply(&f, "empty");
	CHECK_STR(r.reason, "rule 2: forward: the line has no procid");
	r = apply(&f, "{\"n\":1}");
	CHECK_STR(r.reason, "rule 3: jmespath: length() cannot take a value of type number");
	r = apply(
	    &f, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
	CHECK_INT(r.outcome, RULES_ERROR);
	CHECK(strstr(r.reason.ptr, "rule 4: regex gave up"));
	CHECK_INT(apply(&f, "aaa").outcome, RULES_FORWARD); /* and goes on */
	rules_free(f.compiled);
}

TEST(rules_refuse_what_cannot_work)
{
	static const struct {
		enum conf_match match;
		const char *pattern, *field;
		enum conf_action_kind kind;
		const char *text, *message;
	} bad[] = {
	    {CONF_MATCH_REGEX, "(", "msg", CONF_FORWARD, "t", "gateway rule 1: regex '(': missing"},
	    {CONF_MATCH_JMESPATH, "a.", "msg", CONF_FORWARD, "t", "gateway rule 1: JMESPath: "},
	    {CONF_MATCH_REGEX, "x", "colour", CONF_FORWARD, "t", "gateway rule 1: no field 'colour'"},
	    {CONF_MATCH_REGEX, "x", "msg", CONF_FORWARD, "{{a|b}}", "gateway rule 1: {{a|b}}: no filter 'b'"},
	    {CONF_MATCH_REGEX, "x", "msg", CONF_MERGE, "[1]", "gateway rule 1: merge: not a JSON object"},
	    {CONF_MATCH_REGEX, "x", "msg", CONF_MERGE, "{", "gateway rule 1: merge: not a JSON object: "},
	};
	for (size_t i = 0; i < MR_COUNT(bad); i++) {
		struct fixture f = {0};
		add_rule(&f, bad[i].match, bad[i].pattern, bad[i].field, action(bad[i].kind, bad[i].text),
			 none);
		CHECK(rules_compile(f.rules, 1, &f.rng, &f.compiled, &f.err) < 0);
		if (!strstr(f.err.message, bad[i].message))
			test_fail(__FILE__, __LINE__, "'%s' does not say '%s'", f.err.message,
				  bad[i].message);
	}
}

TEST(rules_bytes_need_not_be_utf8)
{
	struct fixture f = {0};
	add_rule(&f, CONF_MATCH_REGEX, "^h(?<rest>.*)$", "msg", action(CONF_REPLACE, "{\"r\":\"{{rest}}\"}"),
		 action(CONF_FORWARD, "t"));
	check_event(&f, "h\xc3\xa9llo", "t", "{\"r\":\"\xc3\xa9llo\"}");
	struct rules_result r = apply(&f, "h\xff(\xc3!");
	CHECK_STR(r.event, "{\"r\":\"\xef\xbf\xbd(\xef\xbf\xbd!\"}");
	CHECK(r.mended);
	rules_free(f.compiled);
}

/* Against json_parse: what merge makes is JSON, with every member that was there or was merged. */
TEST(merge_of_random_objects_is_json)
{
	static const char *const values[] = {"1",
					     "-2.50",
					     "\"s\"",
					     "\"\\\"}{,\"",
					     "null",
					     "[1,{\"a\":[]}]",
					     "{}",
					     "{\"b\": {\"c\":1}}",
					     "[ ]",
					     "true",
					     "{\"a\":1,\"b\":2}"};
	static const char *const keys[] = {"a", "b", "c", "meta", "k\\\"ey"};
	struct mr_rng rng;
	rng_seed(&rng, 23);
	struct json_parser *parser = json_parser_new();
	struct mr_buf text[2] = {0}, out = {0};
	for (int round = 0; round < test_rounds(3000); round++) {
		struct arena arena = {0};
		struct mr_error err;
		bool wanted[MR_COUNT(keys)] = {0};
		for (int side = 0; side < 2; side++) {
			mr_buf_clear(&text[side]);
			mr_buf_cstr(&text[side], " { ");
			bool first = true;
			for (size_t k = 0; k < MR_COUNT(keys); k++) {
				if (rng_below(&rng, 2))
					continue;
				wanted[k] = true;
				mr_buf_printf(&text[side], "%s\"%s\" : %s ", first ? "" : ", ", keys[k],
					      values[rng_below(&rng, MR_COUNT(values))]);
				first = false;
			}
			mr_buf_cstr(&text[side], "} ");
		}
		struct json_value v;
		const struct merge *m;
		struct template_context context = {0};
		CHECK_OK(json_parse(parser, mr_buf_view(&text[1]), &v, &err), err);
		CHECK_OK(merge_compile(&arena, v, NULL, NULL, &m, &err), err);
		mr_buf_clear(&out);
		merge_apply(m, mr_buf_view(&text[0]), &context, &out);
		CHECK_OK(json_parse(parser, mr_buf_view(&out), &v, &err), err);
		size_t count = 0;
		for (size_t k = 0; k < MR_COUNT(keys); k++) {
			const char *name = k == 4 ? "k\"ey" : keys[k];
			CHECK_INT(json_present(json_get(v, name)), wanted[k]);
			count += wanted[k];
		}
		CHECK_INT(json_count(v), count); /* nothing twice */
		template_context_release(&context);
		arena_release(&arena);
	}
	mr_buf_release(&text[0]);
	mr_buf_release(&text[1]);
	mr_buf_release(&out);
	json_parser_free(parser);
}

TEST(gateway_dry_run_tells_the_story)
{
	struct fixture f = {0};
	add_rule(&f, CONF_MATCH_REGEX, "^(?<k>\\w+)=(?<v>.*)$", "msg", action(CONF_REPLACE, "{\"{{k}}\":1}"),
		 action(CONF_FORWARD, "t-{{k}}"));
	struct conf_gateway conf = {.rules = f.rules, .rule_count = f.count};
	struct mr_buf out = {0};
	CHECK_OK(gateway_test_line(&conf, MR_STR("<14>1 - web1 app - - - a=b"), NOW_MS, &out, &f.err), f.err);
	CHECK_OK(gateway_test_line(&conf, MR_STR("nothing"), NOW_MS, &out, &f.err), f.err);
	CHECK_STR(mr_buf_view(&out), "<14>1 - web1 app - - - a=b\n"
				     "  RFC 5424, user.info, host web1, app app\n"
				     "  rule 1 matches (regex '^(?<k>\\w+)=(?<v>.*)$' on msg)\n"
				     "    k = a\n"
				     "    v = b\n"
				     "    replace: {\"{{k}}\":1}\n"
				     "  -> topic t-a: {\"{{k}}\":1}\n"
				     "nothing\n"
				     "  plain text, user.notice\n"
				     "  -> gateway.dlq: no rule matches\n");
	mr_buf_release(&out);
}
