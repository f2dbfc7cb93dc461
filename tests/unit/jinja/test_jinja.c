/* Templates: what Jinja itself made of some hundred (golden/jinja.jsonl, written by
 * tests/interop/jinja_compare.py), where errors point, the limits, and damaged templates. */
#include "jinja/jinja.h"
#include "test.h"

#include "env/disk_linux.h"
#include "env/rng.h"

#include <stdlib.h>

static int from_dict(void *arg, struct jinja_state *state, mr_str name, struct jinja_value *out,
		     struct mr_error *err)
{
	(void)state;
	(void)err;
	const struct jinja_value *dict = arg, *found = jinja_dict_get(dict->dict, jinja_str(name));
	const struct jinja_value *us = found && found->type == JINJA_DICT
					   ? jinja_dict_get(found->dict, jinja_str(MR_STR("$time")))
					   : NULL;
	if (found)
		*out = us ? jinja_time(us->integer) : *found;
	return found ? 0 : 1;
}

static int render(mr_str text, struct jinja_value *variables, struct mr_buf *out, struct mr_error *err)
{
	struct jinja_context context = {from_dict, NULL, variables};
	struct jinja_template *template;
	struct arena arena = {0};
	int rc = jinja_parse(text, NULL, 0, &template, err);
	if (rc != 0)
		return rc;
	rc = jinja_render(template, &context, &arena, out, err);
	jinja_free(template);
	arena_release(&arena);
	return rc;
}

struct golden {
	struct mr_buf file;
	struct arena arena;
	struct jinja_value context;
	mr_str rest;
};

static void golden_open(struct golden *golden)
{
	struct mr_error err;
	struct jinja_value head;
	*golden = (struct golden){0};
	CHECK_OK(disk_read_file(disk_linux(), TEST_GOLDEN "/jinja.jsonl", 8 << 20, &golden->file, &err), err);
	golden->rest = mr_buf_view(&golden->file);
	size_t len = (size_t)((char *)memchr(golden->rest.ptr, '\n', golden->rest.len) - golden->rest.ptr);
	CHECK_OK(jinja_parse_json(&golden->arena, mr_str_n(golden->rest.ptr, len), &head, &err), err);
	golden->context = *jinja_dict_get(head.dict, jinja_str(MR_STR("context")));
	golden->rest = mr_str_tail(golden->rest, len + 1);
}

static bool golden_next(struct golden *golden, struct jinja_value *out)
{
	struct mr_error err;
	if (!golden->rest.len)
		return false;
	size_t len = (size_t)((char *)memchr(golden->rest.ptr, '\n', golden->rest.len) - golden->rest.ptr);
	CHECK_OK(jinja_parse_json(&golden->arena, mr_str_n(golden->rest.ptr, len), out, &err), err);
	golden->rest = mr_str_tail(golden->rest, len + 1);
	return true;
}

static void golden_close(struct golden *golden)
{
	arena_release(&golden->arena);
	mr_buf_release(&golden->file);
}

TEST(jinja_renders_as_jinja_does)
{
	struct golden golden;
	struct jinja_value one;
	int count = 0;
	golden_open(&golden);
	while (golden_next(&golden, &one)) {
		mr_str template = jinja_dict_get(one.dict, jinja_str(MR_STR("template")))->text;
		const struct jinja_value *want = jinja_dict_get(one.dict, jinja_str(MR_STR("text")));
		struct mr_buf got = {0};
		struct mr_error err = {0};
		int rc = render(template, &golden.context, &got, &err);
		if (want ? rc != 0 || !mr_str_eq(mr_buf_view(&got), want->text) : rc == 0)
			test_fail(__FILE__, __LINE__, "%.*s\n  made %s%s\n  expected %.*s", MR_FMT(template),
				  rc ? "error: " : "", rc ? err.message : mr_buf_view(&got).ptr,
				  want ? (int)want->text.len : 8, want ? want->text.ptr : "an error");
		mr_buf_release(&got);
		count++;
	}
	CHECK(count > 300);
	golden_close(&golden);
}

TEST(jinja_says_where_and_what_was_meant)
{
	static const char *const macros[] = {"ds_add", "ds_format", NULL};
	static const struct jinja_name names[] = {{"ds", NULL}, {"logical_date", NULL}, {"macros", macros}};
	static const struct {
		const char *text, *message, *hint;
	} cases[] = {
	    {"a\n  {{ dss }}", "line 2, column 6: 'dss' is not defined", "did you mean 'ds'?"},
	    {"{{ logical_dat }}", "line 1, column 4: 'logical_dat' is not defined",
	     "did you mean 'logical_date'?"},
	    {"{{ macros.ds_ad(ds, 1) }}", "line 1, column 11: 'ds_ad' is not defined in macros",
	     "did you mean 'ds_add'?"},
	    {"{{ ds | uper }}", "line 1, column 9: unknown filter 'uper'", "did you mean 'upper'?"},
	    {"{{ ds is strin }}", "line 1, column 10: unknown test 'strin'", "did you mean 'string'?"},
	    {"{% fro x in ds %}", "line 1, column 4: unknown tag 'fro'", "did you mean 'for'?"},
	    {"{% macro x() %}", "line 1, column 4: 'macro' is not part of these templates",
	     "there are if, for, set, with, do and raw"},
	    {"{% if ds %}", "line 1, column 12: missing {% endif %}", ""},
	    {"{% endfor %}", "line 1, column 4: 'endfor' without its beginning", ""},
	    {"x {{ ds", "line 1, column 3: '{{' is not closed with '}}'", ""},
	    {"{{ ds ds }}", "line 1, column 7: expected '}}', found 'ds'", ""},
	    {"{{ ds ? 1 }}", "line 1, column 7: unexpected character '?'", ""},
	    {"{{ 99999999999999999999 }}",
	     "line 1, column 4: a number that does not fit 64 bits, or no number", ""},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		struct jinja_template *template;
		struct mr_error err = {0};
		CHECK(jinja_parse(mr_str_from(cases[i].text), names, MR_COUNT(names), &template, &err) < 0);
		CHECK_STR(mr_str_from(err.message), cases[i].message);
		CHECK_STR(mr_str_from(err.hint), cases[i].hint);
	}
}

TEST(jinja_knows_names_that_the_template_sets)
{
	static const struct jinja_name names[] = {{"ds", NULL}};
	static const char *const good[] = {
	    "{% set x = ds %}{{ x }}",
	    "{% for x, y in ds %}{{ x }}{{ loop.index }}{% endfor %}",
	    "{{ nothing|default('x') }}",
	    "{% if nothing is defined %}{{ ds }}{% endif %}",
	    "{% with z = ds %}{{ z }}{% endwith %}",
	    "{{ range(3) }}",
	};
	for (size_t i = 0; i < MR_COUNT(good); i++) {
		struct jinja_template *template;
		struct mr_error err;
		CHECK_OK(jinja_parse(mr_str_from(good[i]), names, 1, &template, &err), err);
		jinja_free(template);
	}
}

TEST(jinja_has_limits)
{
	static const char *const greedy[] = {
	    "{{ 'x' * 999999999999 }}",
	    "{{ range(99999999)|list }}",
	    "{% for i in range(999) %}{% for j in range(999) %}{% for k in range(999) %}{% endfor %}{% "
	    "endfor %}{% endfor %}",
	    "{% for i in range(9999) %}{{ 'x' * 9999 }}{% endfor %}",
	    "{{ 10 ** 30 }}",
	    "{{ '%9999999d' % 1 }}",
	    "{% set l = [] %}{% do l.append(l) %}",
	    "{{ -9223372036854775807 - 2 }}",
	};
	struct arena arena = {0};
	struct jinja_value none = jinja_dict_new(&arena, 0);
	struct mr_error err;
	for (size_t i = 0; i < MR_COUNT(greedy); i++) {
		struct mr_buf out = {0};
		CHECK(render(mr_str_from(greedy[i]), &none, &out, &err) < 0);
		mr_buf_release(&out);
	}
	struct mr_buf deep = {0}, out = {0};
	for (int i = 0; i < 100000; i++)
		mr_buf_cstr(&deep, i == 0 ? "{{ " : "(");
	CHECK_INT(render(mr_buf_view(&deep), &none, &out, &err), MR_ERR_INVALID);
	mr_buf_clear(&deep);
	for (int i = 0; i < 50000; i++)
		mr_buf_cstr(&deep, "{% if 1 %}");
	CHECK_INT(render(mr_buf_view(&deep), &none, &out, &err), MR_ERR_INVALID);
	mr_buf_clear(&deep);
	mr_buf_cstr(&deep, "{{ 1");
	for (int i = 0; i < 20000; i++)
		mr_buf_cstr(&deep, " + 1");
	mr_buf_cstr(&deep, " }}");
	CHECK(render(mr_buf_view(&deep), &none, &out, &err) < 0);
	mr_buf_release(&deep);
	mr_buf_release(&out);
	arena_release(&arena);
}

/* Every good template with bytes dropped, doubled or changed: an answer or an error, never a crash. */
TEST(jinja_survives_damaged_templates)
{
	struct golden golden;
	struct jinja_value one;
	struct mr_rng rng;
	rng_seed(&rng, 7);
	golden_open(&golden);
	int rounds = test_rounds(4);
	while (golden_next(&golden, &one)) {
		mr_str template = jinja_dict_get(one.dict, jinja_str(MR_STR("template")))->text;
		for (int round = 0; round < rounds; round++) {
			struct mr_buf hurt = {0}, out = {0};
			struct mr_error err;
			for (size_t i = 0; i < template.len; i++) {
				uint64_t what = rng_below(&rng, 40);
				char c = what == 0 ? "{}%#'\"()|.-\\"[rng_below(&rng, 12)] : template.ptr[i];
				if (what != 1)
					mr_buf_char(&hurt, c);
				if (what == 2)
					mr_buf_char(&hurt, c);
			}
			if (render(mr_buf_view(&hurt), &golden.context, &out, &err) < 0)
				CHECK(err.message[0] != 0);
			mr_buf_release(&hurt);
			mr_buf_release(&out);
		}
	}
	golden_close(&golden);
}
