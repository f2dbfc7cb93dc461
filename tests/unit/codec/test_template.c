#include "test.h"

#include "codec/template.h"

static const char *const names[] = {"msg", "bytes", "time", "user", "absent", "bad"};

static int resolve(void *arg, mr_str name)
{
	(void)arg;
	for (size_t i = 0; i < MR_COUNT(names); i++) {
		if (mr_str_is(name, names[i]))
			return (int)i;
	}
	return -1;
}

static struct json_value event(void *arg)
{
	return *(struct json_value *)arg;
}

struct fixture {
	struct arena arena;
	struct json_parser *parser;
	struct json_value event;
	struct mr_rng rng;
	mr_str slots[MR_COUNT(names)];
	struct template_context context;
	struct mr_buf out;
};

static void start(struct fixture *f)
{
	struct mr_error err;
	*f = (struct fixture){.parser = json_parser_new()};
	rng_seed(&f->rng, 1);
	CHECK_OK(json_parse(f->parser,
			    MR_STR("{\"a\":{\"b\":[1,\"x\\\"y\",null]},\"$topic\":\"t1\",\"n\":1.5,\"big\":"
				   "12345678901234567}"),
			    &f->event, &err),
		 err);
	mr_str slots[] = {MR_STR("say \"hi\"\n"), MR_STR("-"), MR_STR("17/May/2015:10:05:03 +0200"),
			  MR_STR("Frank"),        MR_STR_NULL, MR_STR("\xff")};
	memcpy(f->slots, slots, sizeof slots);
	f->context = (struct template_context){.slots = f->slots,
					       .event = event,
					       .event_arg = &f->event,
					       .rng = &f->rng,
					       .now_ms = 1767225600000}; /* 2026-01-01 */
}

static void end(struct fixture *f)
{
	json_parser_free(f->parser);
	arena_release(&f->arena);
	template_context_release(&f->context);
	mr_buf_release(&f->out);
}

static mr_str render(struct fixture *f, const struct template *t, size_t *absent)
{
	mr_buf_clear(&f->out);
	size_t n = template_render(t, &f->context, &f->out);
	if (absent)
		*absent = n;
	return mr_buf_view(&f->out);
}

static const struct {
	const char *template, *text;
	size_t absent;
} text_cases[] = {
    {"", "", 0},
    {"plain } { text", "plain } { text", 0},
    {"<{{user}}>", "<Frank>", 0},
    {"{{ user | lower }}-{{user|upper}}", "frank-FRANK", 0},
    {"{{$topic}}", "t1", 0},
    {"{{a.b.0}}{{a.b.1}}", "1x\"y", 0},
    {"{{a.b}}", "[1,\"x\\\"y\",null]", 0},
    {"{{a.b.2}}{{a.b.9}}{{a.b.x}}{{no.such}}", "", 4},
    {"{{absent}}!", "!", 1},
    {"{{msg|json}}", "\"say \\\"hi\\\"\\n\"", 0},
    {"{{bad|json}}", "\"\xef\xbf\xbd\"", 0},
    {"{{n|json}} {{big|int}} {{big|json}}", "1.5 12345678901234567 12345678901234567", 0},
    {"{{bytes|int}} {{absent|int}} {{user|int}}", "null null null", 3},
    {"{{bytes|dash|json}}", "null", 1},
    {"{{time|clf}}", "2015-05-17T08:05:03.000Z", 0},
    {"{{user|clf}}", "", 1},
    {"{{n|float}} {{n|epoch}}", "1.5 1970-01-01T00:00:01.500Z", 0},
};

TEST(template_renders_text)
{
	struct fixture f;
	struct mr_error err;
	start(&f);
	for (size_t i = 0; i < MR_COUNT(text_cases); i++) {
		const struct template *t;
		size_t absent;
		CHECK_OK(
		    template_compile(&f.arena, mr_str_from(text_cases[i].template), resolve, NULL, &t, &err),
		    err);
		CHECK_STR(render(&f, t, &absent), text_cases[i].text);
		CHECK_INT(absent, text_cases[i].absent);
	}
	end(&f);
}

TEST(template_json_is_always_valid_json)
{
	static const struct {
		const char *template, *json;
	} cases[] = {
	    {"{\"a\":\"{{msg}}\",\"b\":[1,true,\"x {{user}} {{msg}}\"]}",
	     "{\"a\":\"say \\\"hi\\\"\\n\",\"b\":[1,true,\"x Frank say \\\"hi\\\"\\n\"]}"},
	    {"{\"n\":\"{{big|int}}\",\"v\":\"{{a.b|json}}\",\"none\":\"{{bytes|int}}\"}",
	     "{\"n\":12345678901234567,\"v\":[1,\"x\\\"y\",null],\"none\":null}"},
	    {"{\"t\":\"{{time|clf}}\",\"u\":\"{{user|dash|json}}\",\"d\":\"{{bytes|dash|json}}\"}",
	     "{\"t\":\"2015-05-17T08:05:03.000Z\",\"u\":\"Frank\",\"d\":null}"},
	    {"{\"quote\\\"key\":\"\\u0001{{bad}}\"}", "{\"quote\\\"key\":\"\\u0001\xef\xbf\xbd\"}"},
	};
	struct fixture f;
	struct mr_error err;
	start(&f);
	struct json_parser *templates = json_parser_new();
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		const struct template *t;
		struct json_value json;
		CHECK_OK(json_parse(templates, mr_str_from(cases[i].template), &json, &err), err);
		CHECK_OK(template_compile_json(&f.arena, json, resolve, NULL, &t, &err), err);
		CHECK_STR(render(&f, t, NULL), cases[i].json);
		CHECK_OK(json_parse(templates, mr_buf_view(&f.out), &json, &err), err);
	}
	json_parser_free(templates);
	end(&f);
}

TEST(template_filters_hold_at_their_borders)
{
	static const struct {
		const char *value, *template, *text;
	} cases[] = {
	    {"9223372036854775807", "{{user|int}}", "9223372036854775807"},
	    {"-9223372036854775808", "{{user|int}}", "-9223372036854775808"},
	    {"9223372036854775808", "{{user|int}}", "null"},
	    {"+007", "{{user|int}}", "7"},
	    {"-0", "{{user|int}}", "0"},
	    {"-05", "{{user|int}}", "-5"},
	    {"0", "{{user|int}}", "0"},
	    {"", "{{user|int}}", "null"},
	    {"1e3", "{{user|float}}", "1000.0"},
	    {"0x10", "{{user|float}}", "null"},
	    {"nan", "{{user|float}}", "null"},
	    {"1e999", "{{user|float}}", "null"},
	    {"yes", "{{user|bool}}", "true"},
	    {"maybe", "{{user|bool}}", "null"},
	    {"2026-01-02T03:04:05+01:00", "{{user|iso}}", "2026-01-02T02:04:05.000Z"},
	    {"Jan  1 03:04:05", "{{user|iso}}", "2026-01-01T03:04:05.000Z"},
	    {"Dec 31 03:04:05", "{{user|iso}}", "2025-12-31T03:04:05.000Z"},
	    {"Xxx 31 03:04:05", "{{user|iso}}", ""},
	    {"1767225600", "{{user|epoch}}", "2026-01-01T00:00:00.000Z"},
	    {"1767225600123", "{{user|epoch_ms}}", "2026-01-01T00:00:00.123Z"},
	    {"1e300", "{{user|epoch}}", ""},
	    {"99/May/2015:10:05:03 +0000", "{{user|clf}}", ""},
	    {"17/Mai/2015:10:05:03 +0000", "{{user|clf}}", ""},
	    {"  x ", "[{{user|trim}}]", "[x]"},
	};
	struct fixture f;
	struct mr_error err;
	start(&f);
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		const struct template *t;
		f.slots[3] = mr_str_from(cases[i].value);
		CHECK_OK(template_compile(&f.arena, mr_str_from(cases[i].template), resolve, NULL, &t, &err),
			 err);
		CHECK_STR(render(&f, t, NULL), cases[i].text);
	}
	end(&f);
}

TEST(template_refuses_what_it_cannot_mean)
{
	static const char *const bad[] = {"{{",
					  "{{}}",
					  "{{ | int}}",
					  "{{user|nope}}",
					  "{{user|int|lower}}",
					  "{{a..b}}",
					  "{{user|lower|lower|lower|lower|lower}}"};
	struct fixture f;
	struct mr_error err;
	start(&f);
	const struct template *t;
	for (size_t i = 0; i < MR_COUNT(bad); i++)
		CHECK_INT(template_compile(&f.arena, mr_str_from(bad[i]), resolve, NULL, &t, &err),
			  MR_ERR_INVALID);
	struct json_value json;
	CHECK_OK(json_parse(f.parser, MR_STR("{\"a\":\"x{{user|json}}\"}"), &json, &err), err);
	CHECK_INT(template_compile_json(&f.arena, json, resolve, NULL, &t, &err), MR_ERR_INVALID);
	end(&f);
}

TEST(template_uuids_are_fresh)
{
	struct fixture f;
	struct mr_error err;
	start(&f);
	const struct template *t;
	CHECK_OK(template_compile(&f.arena, MR_STR("{{uuid}}{{uuid}}"), resolve, NULL, &t, &err), err);
	CHECK_INT(render(&f, t, NULL).len, 72);
	CHECK(memcmp(f.out.ptr, f.out.ptr + 36, 36) != 0);
	CHECK(f.out.ptr[14] == '4' && f.out.ptr[8] == '-');
	end(&f);
}
