#include "conf/yaml.h"
#include "test.h"

#include <stdlib.h>

/* Read text and give its JSON, or the error as "where: message". free() it. */
static char *json_of(mr_str text)
{
	struct arena arena = {0};
	struct mr_error err = {0};
	struct mr_buf out = {0};
	struct yaml_node *root;
	int rc = yaml_read(&arena, "f", text, NULL, &root, &err);
	if (rc == 0)
		rc = yaml_to_json(root, "f", &out, &err);
	if (rc < 0) {
		mr_buf_clear(&out);
		mr_buf_printf(&out, "%s: %s", err.where, err.message);
	}
	arena_release(&arena);
	return mr_buf_take(&out);
}

TEST(yaml_core_schema)
{
	static const struct {
		const char *yaml, *json;
	} cases[] = {
	    {"", "null"},
	    {"~", "null"},
	    {"[null, Null, ~, '', \"null\"]", "[null,null,null,\"\",\"null\"]"},
	    {"[true, False, yes, no, on, off, 'true']",
	     "[true,false,\"yes\",\"no\",\"on\",\"off\",\"true\"]"},
	    {"[1, -2, +3, 007, 0x1F, 0o17, 12:30, 1_000]", "[1,-2,3,7,31,15,\"12:30\",\"1_000\"]"},
	    {"[9223372036854775807, -9223372036854775808]", "[9223372036854775807,-9223372036854775808]"},
	    {"[1.5, .5, 5., 1e3, -1.25e-2, e3, ., 1e, 1.2.3]",
	     "[1.5,0.5,5.0,1000.0,-0.0125,\"e3\",\".\",\"1e\",\"1.2.3\"]"},
	    {"a: {b: [x, {c: 'd\"e'}]}\nf: |\n  two\n  lines\n",
	     "{\"a\":{\"b\":[\"x\",{\"c\":\"d\\\"e\"}]},\"f\":\"two\\nlines\\n\"}"},
	    {"x: &a {k: 1}\ny: *a\nz: [*a, *a]",
	     "{\"x\":{\"k\":1},\"y\":{\"k\":1},\"z\":[{\"k\":1},{\"k\":1}]}"},
	    {"[!!str 5, !!int 5]", "[\"5\",5]"},
	    {"1: one", "{\"1\":\"one\"}"},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		char *json = json_of(mr_str_from(cases[i].yaml));
		CHECK_STR(mr_str_from(json), cases[i].json);
		free(json);
	}
}

TEST(yaml_refusals)
{
	static const struct {
		const char *yaml, *error;
	} cases[] = {
	    {"a: 1\nb: 2\na: 3", "f:3:1: key 'a' is given twice, first on line 1"},
	    {"[a, b",
	     "f:2:1: not valid YAML: while parsing a flow sequence, did not find expected ',' or ']'"},
	    {"a: b: c", "f:1:5: not valid YAML: mapping values are not allowed in this context"},
	    {"a:\n\tb: 1", "f:2:1: not valid YAML: while scanning for the next token, found character that "
			   "cannot start any token"},
	    {"*a", "f:1:1: alias *a has no anchor before it"},
	    {"&a [*a]", "f:1:5: alias *a has no anchor before it"},
	    {"x: &d {a: 1}\ny:\n  <<: *d", "f:3:3: merge keys (<<) are not supported"},
	    {"[a]: 1", "f:1:1: a key must be a plain word or a string"},
	    {"!python/object x", "f:1:1: custom YAML tags are not supported"},
	    {"a: 1\n---\nb: 2", "f:2:1: a second YAML document in one file"},
	    {"a: .inf", "f:1:4: .inf has no form in JSON"},
	    {"- 1e999", "f:1:3: 1e999 has no form in JSON"},
	    {"a: \xff", "f: not valid YAML: invalid leading UTF-8 octet at byte 3"},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		char *got = json_of(mr_str_from(cases[i].yaml));
		CHECK_STR(mr_str_from(got), cases[i].error);
		free(got);
	}
}

TEST(yaml_limits)
{
	struct mr_buf text = {0};
	/* Ten lists of ten aliases, each of the one before: 10^10 nodes in 400 bytes. */
	mr_buf_cstr(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 10; i++) {
		mr_buf_printf(&text, "a%d: &a%d [", i, i);
		for (int j = 0; j < 10; j++)
			mr_buf_printf(&text, "%s*a%d", j ? "," : "", i - 1);
		mr_buf_cstr(&text, "]\n");
	}
	char *got = json_of(mr_buf_view(&text));
	CHECK(strstr(got, "more than 1000000 nodes, aliases written out"));
	free(got);

	mr_buf_clear(&text);
	for (int i = 0; i < 100; i++)
		mr_buf_char(&text, '[');
	got = json_of(mr_buf_view(&text));
	CHECK_STR(mr_str_from(got), "f:1:65: the document is nested deeper than 64 levels");
	free(got);

	/* Depth through aliases counts too: each line holds the one before. */
	mr_buf_clear(&text);
	mr_buf_cstr(&text, "- &a0 x\n");
	for (int i = 1; i < 100; i++)
		mr_buf_printf(&text, "- &a%d [*a%d]\n", i, i - 1);
	got = json_of(mr_buf_view(&text));
	CHECK(strstr(got, "nested deeper than 64 levels"));
	free(got);
	mr_buf_release(&text);
}

/* Any bytes: an error or a tree, never a crash. Seeds are pieces of YAML's own grammar. */
TEST(yaml_survives_noise)
{
	static const char *const pieces[] = {"a",     ": ",  "- ",    "\n",     "  ", "[",    "]",   "{",
					     "}",     "&x ", "*x",    "!!str ", "'",  "\"",   "|\n", ">-\n",
					     "# c\n", "? ",  "---\n", ",",      "\t", "\xc3", "~"};
	unsigned seed = 12345;
	struct mr_buf text = {0};
	for (int round = 0; round < test_rounds(3000); round++) {
		mr_buf_clear(&text);
		for (int i = 0; i < 24; i++) {
			seed = seed * 1103515245 + 12345;
			mr_buf_cstr(&text, pieces[(seed >> 16) % MR_COUNT(pieces)]);
		}
		free(json_of(mr_buf_view(&text)));
	}
	mr_buf_release(&text);
}
