#include "test.h"

#include "codec/jmespath.h"
#include "env/rng.h"

static const char document[] =
    "{\"$topic\":\"views\",\"a\":{\"b\":{\"c\":7}},\"n\":1.5,\"zero\":0,\"t\":true,\"f\":false,\"nil\":null,"
    "\"s\":\"hello\",\"empty\":\"\",\"list\":[1,2,3,4,5],\"none\":[],\"o\":{},"
    "\"people\":[{\"name\":\"Ann\",\"age\":30,\"tags\":[\"x\",\"y\"]},{\"name\":\"Bob\",\"age\":20,\"tags\":["
    "\"z\"]},"
    "{\"name\":\"Cy\"}],\"ops\":{\"one\":{\"v\":1},\"two\":{\"v\":2}},\"big\":9007199254740993,\"u\":"
    "\"h\xc3\xa9\"}";

static const struct {
	const char *expression, *result;
} cases[] = {
    /* fields */
    {"s", "hello"},
    {"\"$topic\"", "views"},
    {"a.b.c", "7"},
    {"a.\"b\".c", "7"},
    {"a.x.c", "null"},
    {"missing", "null"},
    {"s.x", "null"},
    {"big", "9007199254740993"},
    {"@.s", "hello"},
    {"a . b", "{\"c\":7}"},
    /* indexes and slices */
    {"list[0]", "1"},
    {"list[-1]", "5"},
    {"list[9]", "null"},
    {"s[0]", "null"},
    {"list[1:3]", "[2,3]"},
    {"list[::2]", "[1,3,5]"},
    {"list[::-1]", "[5,4,3,2,1]"},
    {"list[-2:]", "[4,5]"},
    {"list[:-2]", "[1,2,3]"},
    {"list[3:0:-2]", "[4,2]"},
    {"list[10:20]", "[]"},
    {"list[-100:2]", "[1,2]"},
    /* projections */
    {"people[*].name", "[\"Ann\",\"Bob\",\"Cy\"]"},
    {"people[*].age", "[30,20]"},
    {"people[].tags[]", "[\"x\",\"y\",\"z\"]"},
    {"people[*].tags[0]", "[\"x\",\"z\"]"},
    {"people[*].tags | [0]", "[\"x\",\"y\"]"},
    {"people[:2].name", "[\"Ann\",\"Bob\"]"},
    {"ops.*.v", "[1,2]"},
    {"*.v", "[]"},
    {"s[*]", "null"},
    {"people[?age > `25`].name", "[\"Ann\"]"},
    {"people[?age > `25`].name | [0]", "Ann"},
    {"people[?name == 'Bob'] | [0].age", "20"},
    {"people[?!age].name", "[\"Cy\"]"},
    {"people[?tags[?@ == 'z']].name", "[\"Bob\"]"},
    /* logic */
    {"t && s", "hello"},
    {"f || s", "hello"},
    {"empty || none || o || nil || 'last'", "last"},
    {"zero || 'x'", "0"},
    {"!f", "true"},
    {"!s", "false"},
    {"!s == `false`", "true"},
    {"t && f || s", "hello"},
    {"(t || f) && f", "false"},
    {"n == `1.5`", "true"},
    {"n >= `2`", "false"},
    {"s < 'x'", "null"},
    {"s != 'hello'", "false"},
    {"a == `{\"b\":{\"c\":7}}`", "true"},
    {"list == `[1,2,3,4,5]`", "true"},
    {"list == `[1,2,3,4]`", "false"},
    {"nil == missing", "true"},
    /* literals, multi-select */
    {"'it\\'s'", "it's"},
    {"`\"q\\`q\"`", "q`q"},
    {"`12`", "12"},
    {"[s, n]", "[\"hello\",1.5]"},
    {"{x: s, \"y z\": a.b.c}", "{\"x\":\"hello\",\"y z\":7}"},
    {"people[*].{n: name, first: tags[0]} | [0]", "{\"n\":\"Ann\",\"first\":\"x\"}"},
    {"people[0].[name, age]", "[\"Ann\",30]"},
    /* functions */
    {"contains(s, 'ell')", "true"},
    {"contains(list, `3`)", "true"},
    {"contains(list, `9`)", "false"},
    {"starts_with(s, 'he')", "true"},
    {"ends_with(s, 'he')", "false"},
    {"length(u)", "2"},
    {"length(list)", "5"},
    {"length(a)", "1"},
    {"keys(ops)", "[\"one\",\"two\"]"},
    {"values(a.b)", "[7]"},
    {"join('-', people[*].name)", "Ann-Bob-Cy"},
    {"join('', none)", ""},
    {"type(list)", "array"},
    {"type(missing)", "null"},
    {"to_string(a)", "{\"b\":{\"c\":7}}"},
    {"to_number('12.5')", "12.5"},
    {"to_number(s)", "null"},
    {"to_array(s)", "[\"hello\"]"},
    {"not_null(missing, nil, s)", "hello"},
    {"sum(list)", "15"},
    {"avg(list)", "3"},
    {"max(list)", "5"},
    {"min(people[*].name)", "Ann"},
    {"sort(people[*].age)", "[20,30]"},
    {"reverse(list)", "[5,4,3,2,1]"},
    {"ceil(n)", "2"},
    {"floor(n)", "1"},
    {"abs(`-3`)", "3"},
    {"people[?starts_with(name, 'A')].age", "[30]"},
    {"people[?contains(keys(@), 'tags')].name", "[\"Ann\",\"Bob\"]"},
};

static struct json_value parse(struct json_parser *parser)
{
	struct json_value v;
	struct mr_error err;
	CHECK_OK(json_parse(parser, MR_STR(document), &v, &err), err);
	return v;
}

TEST(jmespath_evaluates)
{
	struct json_parser *parser = json_parser_new();
	struct json_value doc = parse(parser);
	struct jmespath_evaluator evaluator = {0};
	struct mr_buf out = {0};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		struct jmespath *e;
		struct jmespath_value v;
		struct mr_error err;
		CHECK_OK(jmespath_compile(mr_str_from(cases[i].expression), &e, &err), err);
		CHECK_OK(jmespath_eval(e, &evaluator, doc, &v, &err), err);
		mr_buf_clear(&out);
		jmespath_text(&v, &out);
		if (!mr_str_is(mr_buf_view(&out), cases[i].result))
			test_fail(__FILE__, __LINE__, "%s is %.*s, expected %s", cases[i].expression,
				  MR_FMT(mr_buf_view(&out)), cases[i].result);
		jmespath_free(e);
	}
	mr_buf_release(&out);
	jmespath_evaluator_release(&evaluator);
	json_parser_free(parser);
}

TEST(jmespath_refuses_bad_expressions)
{
	static const char *const bad[] = {
	    "",          ".",        "a.",           "a..b",
	    "a b",       "a[",       "a[0",          "a[?",
	    "a[?b",      "a[b]",     "'x",           "\"x",
	    "`x",        "`{`",      "a == 1",       "a = b",
	    "nope(a)",   "length()", "length(a, b)", "[::0]",
	    "[1:2:3:4]", "{a}",      "{a:}",         "&a",
	    "(a",        "a)",       "a ||",         "!",
	    "[*",        "a.[",      "\xff",         "12",
	    "@(a)",      "a[1 2]",   "a.*b",         "[99999999999999999999]",
	};
	for (size_t i = 0; i < MR_COUNT(bad); i++) {
		struct jmespath *e = NULL;
		struct mr_error err;
		if (jmespath_compile(mr_str_from(bad[i]), &e, &err) != MR_ERR_INVALID)
			test_fail(__FILE__, __LINE__, "'%s' was compiled", bad[i]);
	}
}

TEST(jmespath_errors_name_the_function)
{
	static const char *const bad[] = {"length(n)",         "keys(s)",      "join(',', list)", "sum(s)",
					  "starts_with(n, s)", "sort(people)", "abs(s)"};
	struct json_parser *parser = json_parser_new();
	struct json_value doc = parse(parser);
	struct jmespath_evaluator evaluator = {0};
	for (size_t i = 0; i < MR_COUNT(bad); i++) {
		struct jmespath *e;
		struct jmespath_value v;
		struct mr_error err;
		CHECK_OK(jmespath_compile(mr_str_from(bad[i]), &e, &err), err);
		CHECK_INT(jmespath_eval(e, &evaluator, doc, &v, &err), MR_ERR_INVALID);
		CHECK(strncmp(err.message, bad[i], (size_t)(strchr(bad[i], '(') - bad[i])) == 0);
		jmespath_free(e);
	}
	jmespath_evaluator_release(&evaluator);
	json_parser_free(parser);
}

/* Neither nesting nor doubling may cost more than its budget. */
TEST(jmespath_stays_within_its_limits)
{
	struct mr_buf text = {0};
	struct jmespath *e;
	struct mr_error err;
	for (int i = 0; i < 1000; i++)
		mr_buf_char(&text, '(');
	CHECK(jmespath_compile(mr_buf_view(&text), &e, &err) < 0);
	mr_buf_clear(&text);
	for (int i = 0; i < 5000; i++)
		mr_buf_char(&text, 'a');
	CHECK_INT(jmespath_compile(mr_buf_view(&text), &e, &err), MR_ERR_LIMIT);
	mr_buf_clear(&text);
	mr_buf_cstr(&text, "[@,@][]");
	for (int i = 0; i < 30; i++)
		mr_buf_cstr(&text, "|[@,@][]");
	CHECK_OK(jmespath_compile(mr_buf_view(&text), &e, &err), err);
	struct json_parser *parser = json_parser_new();
	struct json_value doc = parse(parser);
	struct jmespath_evaluator evaluator = {0};
	struct jmespath_value v;
	CHECK_INT(jmespath_eval(e, &evaluator, doc, &v, &err), MR_ERR_LIMIT);
	jmespath_free(e);
	jmespath_evaluator_release(&evaluator);
	json_parser_free(parser);
	mr_buf_release(&text);
}

TEST(jmespath_survives_random_text)
{
	static const char *const words[] = {
	    "a", "s",   "list", "people", "[",  "]",       "[*]",   "[]", "[?", ".",    "*",
	    "|", "||",  "&&",   "!",      "==", "<",       "(",     ")",  ",",  "{",    "}",
	    ":", "'x'", "`1`",  "\"q\"",  "@",  "length(", "join(", "0",  "-1", "keys("};
	struct json_parser *parser = json_parser_new();
	struct json_value doc = parse(parser);
	struct jmespath_evaluator evaluator = {0};
	struct mr_buf text = {0};
	struct mr_rng rng;
	rng_seed(&rng, 5);
	for (int round = 0; round < test_rounds(30000); round++) {
		mr_buf_clear(&text);
		for (uint64_t n = 1 + rng_below(&rng, 12); n; n--)
			mr_buf_cstr(&text, words[rng_below(&rng, MR_COUNT(words))]);
		struct jmespath *e;
		struct jmespath_value v;
		struct mr_error err;
		if (jmespath_compile(mr_buf_view(&text), &e, &err) < 0)
			continue;
		if (jmespath_eval(e, &evaluator, doc, &v, &err) == 0) {
			mr_buf_clear(&text);
			jmespath_text(&v, &text);
		}
		jmespath_free(e);
	}
	mr_buf_release(&text);
	jmespath_evaluator_release(&evaluator);
	json_parser_free(parser);
}
