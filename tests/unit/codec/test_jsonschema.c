#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "codec/jsonschema.h"

#include <stdlib.h>

static struct json_schema *compile(const char *text)
{
	struct json_schema *schema;
	struct mr_error err;
	CHECK_OK(json_schema_compile(mr_str_from(text), "test.yml", &schema, &err), err);
	return schema;
}

static bool valid(struct json_schema *schema, const char *document, struct json_fault *fault)
{
	struct json_parser *parser = json_parser_new();
	struct json_value v;
	struct mr_error err;
	CHECK_OK(json_parse(parser, mr_str_from(document), &v, &err), err);
	bool ok = json_schema_valid(schema, v, fault);
	CHECK_INT(json_schema_valid(schema, v, NULL), ok);
	json_parser_free(parser);
	return ok;
}

/* Documents are separated by '|': in `yes` all fit, in `no` none does. Quotes are written '. */
static const struct {
	const char *schema, *yes, *no;
} cases[] = {
    {"true", "1|{}|null", ""},
    {"false", "", "1|{}|null"},
    {"{}", "1|{}|null", ""},
    {"{'unknown keyword':1}", "1", ""},
    {"{'type':'integer'}", "1|-7|1.0|18446744073709551615", "1.5|'1'|null|true"},
    {"{'type':'number'}", "1|1.5", "'1'|null"},
    {"{'type':'string'}", "''|'x'", "1|null|[]"},
    {"{'type':'boolean'}", "true|false", "0|'true'|null"},
    {"{'type':'null'}", "null", "0|false|''"},
    {"{'type':['string','null']}", "'x'|null", "1|[]"},
    {"{'type':'object'}", "{}", "[]"},
    {"{'type':'array'}", "[]", "{}"},
    {"{'enum':[1,'a',null,[2],{'x':1,'y':2}]}", "1|1.0|'a'|null|[2]|{'y':2,'x':1}", "2|'b'|[3]|{'x':1}"},
    {"{'const':{'a':[1,false]}}", "{'a':[1.0,false]}", "{'a':[1,0]}|{'a':[1]}|1"},
    {"{'const':9007199254740993}", "9007199254740993", "9007199254740992"},
    {"{'minimum':2,'maximum':4}", "2|4|3.5|'x'", "1|5|1.99"},
    {"{'exclusiveMinimum':2,'exclusiveMaximum':4}", "3|2.1", "2|4"},
    {"{'maximum':9007199254740992}", "9007199254740992", "9007199254740993|18446744073709551615"},
    {"{'multipleOf':3}", "0|3|-9|6.0", "4|1.5"},
    {"{'multipleOf':0.01}", "0.07|19.99|4.35", "0.075"},
    {"{'minLength':2,'maxLength':3}", "'ab'|'éèê'|1", "'a'|'abcd'"},
    {"{'pattern':'^[a-z]+$'}", "'abc'|1", "'Abc'|''|'abc\\n'"},
    {"{'pattern':'b+'}", "'abba'", "'aa'"},
    {"{'pattern':'^\\\\u00e9$'}", "'é'", "'e'"},
    {"{'items':{'type':'integer'}}", "[]|[1,2]|{}", "[1,'a']"},
    {"{'items':[{'type':'integer'},{'type':'string'}]}", "[]|[1]|[1,'a',null]", "['a']|[1,2]"},
    {"{'items':[{}],'additionalItems':false}", "[]|[1]", "[1,2]"},
    {"{'items':[{}],'additionalItems':{'type':'null'}}", "[1,null]", "[1,2]"},
    {"{'items':{},'additionalItems':false}", "[1,2,3]", ""},
    {"{'contains':{'minimum':5}}", "[1,6]|5", "[]|[1,2]"},
    {"{'minItems':1,'maxItems':2}", "[1]|[1,2]", "[]|[1,2,3]"},
    {"{'uniqueItems':true}", "[1,2]|[[1],[2]]|[1,true]|[0,false]|['1',1]",
     "[1,1.0]|[{'a':1,'b':2},{'b':2,'a':1}]|[null,null]"},
    {"{'uniqueItems':false}", "[1,1]", ""},
    {"{'properties':{'a':{'type':'integer'},'b':{'type':'string'}}}", "{}|{'a':1}|{'b':'','a':1}|1",
     "{'a':''}|{'z':0,'a':1,'b':2}"},
    {"{'required':['a','b']}", "{'a':null,'b':1}|{'b':1,'a':1}|1", "{}|{'a':1}|{'a':1,'a':2}"},
    {"{'properties':{'a':{}},'additionalProperties':false}", "{}|{'a':1}", "{'b':1}|{'a':1,'b':1}"},
    {"{'properties':{'a':{}},'required':['b'],'additionalProperties':false}", "", "{'b':1}|{'a':1}"},
    {"{'properties':{'a':{}},'additionalProperties':{'type':'null'}}", "{'a':1,'b':null}", "{'b':1}"},
    {"{'patternProperties':{'^x':{'type':'integer'}},'additionalProperties':false}", "{'x1':1}|{}",
     "{'x1':'a'}|{'y':1}"},
    {"{'properties':{'x1':{'maximum':3}},'patternProperties':{'^x':{'minimum':1}}}", "{'x1':2}",
     "{'x1':0}|{'x1':4}"},
    {"{'propertyNames':{'maxLength':2,'pattern':'^a'}}", "{'ab':1}|{}", "{'abc':1}|{'b':1}"},
    {"{'propertyNames':{'enum':['k']}}", "{'k':1}", "{'l':1}"},
    {"{'minProperties':1,'maxProperties':2}", "{'a':1}", "{}|{'a':1,'b':2,'c':3}"},
    {"{'dependencies':{'a':['b'],'c':{'required':['d']}}}", "{}|{'a':1,'b':2}|{'c':1,'d':1}",
     "{'a':1}|{'c':1}"},
    {"{'allOf':[{'minimum':2},{'maximum':4}]}", "3", "1|5"},
    {"{'anyOf':[{'type':'string'},{'minimum':3}]}", "'x'|3", "1"},
    {"{'oneOf':[{'minimum':2},{'maximum':4}]}", "1|5", "3"},
    {"{'not':{'type':'string'}}", "1", "'x'"},
    {"{'if':{'minimum':10},'then':{'multipleOf':10},'else':{'maximum':5}}", "20|5", "11|6"},
    {"{'if':{'minimum':10},'then':{'multipleOf':10}}", "20|6", "11"},
    {"{'then':false,'else':false}", "1", ""},
    {"{'definitions':{'n':{'type':'integer'}},'properties':{'a':{'$ref':'#/definitions/n'}}}", "{'a':1}",
     "{'a':'x'}"},
    {"{'properties':{'next':{'$ref':'#'},'v':{'type':'integer'}},'required':['v']}",
     "{'v':1,'next':{'v':2,'next':{'v':3}}}", "{'v':1,'next':{}}"},
    {"{'$id':'http://e.x/r.json','definitions':{'a':{'$id':'#in','type':'integer'},'b':{'$id':'b.json',"
     "'type':'null'}},'properties':{'p':{'$ref':'#in'},'q':{'$ref':'http://e.x/"
     "b.json'},'r':{'$ref':'b.json'}}}",
     "{'p':1,'q':null,'r':null}", "{'p':'x'}|{'q':1}|{'r':1}"},
    {"{'definitions':{'a/b':{'x~y':{'type':'null'}}},'$ref':'#/definitions/a~1b/x~0y'}", "null", "1"},
    {"{'$ref':'#/definitions/n','minimum':100,'definitions':{'n':{'type':'integer'}}}", "1", "'x'"},
    {"{'format':'date-time'}",
     "'2026-01-02T03:04:05Z'|'2026-01-02t03:04:05.123+05:30'|1|'1998-12-31T23:59:60Z'",
     "'2026-01-02 03:04:05Z'|'2026-02-30T00:00:00Z'|'2026-01-02T24:00:00Z'|'2026-01-02T03:04:05'|''"},
    {"{'format':'date'}", "'2024-02-29'", "'2023-02-29'|'2026-1-2'|'2026-13-01'"},
    {"{'format':'time'}", "'03:04:05Z'|'03:04:05.5-01:00'", "'03:04:05'|'3:04:05Z'|'22:59:60Z'"},
    {"{'format':'uuid'}", "'1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed'", "'1b9d6bcdbbfd4b2d9b5dab8dfbbd4bed'|'x'"},
    {"{'format':'ipv4'}", "'127.0.0.1'", "'256.0.0.1'|'1.2.3'|'01.2.3.4'"},
    {"{'format':'ipv6'}", "'::1'|'fe80::1:2'|'::ffff:1.2.3.4'", "'1::2::3'|'12345::'|'::1%eth0'"},
    {"{'format':'uri'}", "'http://a.b/c?d=%20#e'|'urn:x:y'|'http://[::1]:80/'",
     "'/a/b'|'http://a b'|'a:%zz'|''"},
    {"{'format':'email'}", "'a.b+c@d.org'|'a@localhost'", "'a'|'@b.c'|'a..b@c'|'a@-b'"},
    {"{'format':'hostname'}", "'a-b.example.org'|'localhost'", "'-a'|'a_b'|'a..b'|''"},
};

static char *with_quotes(const char *text)
{
	char *copy = mr_strdup(text);
	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	return copy;
}

static void check_documents(const char *schema_text, const char *documents, bool want)
{
	char *text = with_quotes(schema_text), *list = with_quotes(documents);
	struct json_schema *schema = compile(text);
	for (char *document = list, *next; document && *document; document = next) {
		next = strchr(document, '|');
		if (next)
			*next++ = 0;
		struct json_fault fault = {0};
		if (valid(schema, document, &fault) != want)
			test_fail(__FILE__, __LINE__, "%s under %s is %s (%s %s)", document, text,
				  want ? "refused" : "let through", fault.pointer, fault.reason);
		CHECK(want || fault.reason[0]);
	}
	json_schema_free(schema);
	free(text);
	free(list);
}

TEST(jsonschema_every_keyword)
{
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		check_documents(cases[i].schema, cases[i].yes, true);
		check_documents(cases[i].schema, cases[i].no, false);
	}
}

TEST(jsonschema_fault_names_the_place_and_the_reason)
{
	static const struct {
		const char *schema, *document, *pointer, *reason;
	} told[] = {
	    {"{'type':'object'}", "12", "", "is 12, expected object"},
	    {"{'properties':{'meta':{'properties':{'ts':{'type':'string'}}}}}", "{'meta':{'ts':12}}",
	     "/meta/ts", "is 12, expected string"},
	    {"{'type':['string','null']}", "1.5", "", "is 1.5, expected null or string"},
	    {"{'items':{'type':'number'}}", "[1,2,'x']", "/2", "is \"x\", expected number"},
	    {"{'properties':{'a/b~c':{'type':'null'}}}", "{'a/b~c':{}}", "/a~1b~0c",
	     "is an object of 0, expected null"},
	    {"{'properties':{'m':{'required':['id']}}}", "{'m':{}}", "/m",
	     "lacks the required member \"id\""},
	    {"{'additionalProperties':false}", "{'odd':1}", "/odd", "is not a member that the schema allows"},
	    {"{'enum':['GET','PUT']}", "'got'", "", "is \"got\", expected one of [\"GET\",\"PUT\"]"},
	    {"{'const':1}", "2", "", "is 2, expected 1"},
	    {"{'minimum':400}", "7", "", "is 7, expected at least 400"},
	    {"{'exclusiveMaximum':2.5}", "2.5", "", "is 2.5, expected below 2.5"},
	    {"{'pattern':'^a'}", "'b'", "", "is \"b\", expected to match ^a"},
	    {"{'format':'date'}", "'b'", "", "is \"b\", expected format date"},
	    {"{'maxItems':1}", "[1,2]", "", "is an array of 2, expected at most 1 elements"},
	    {"{'properties':{'a':false}}", "{'a':1}", "/a", "is 1, expected to be absent"},
	    {"{'allOf':[{'properties':{'a':{'maxLength':1}}}]}", "{'a':'éé'}", "/a",
	     "is \"éé\", expected at most 1 characters"},
	    {"{'anyOf':[{'type':'null'},{'type':'string'}]}", "1", "",
	     "is 1, expected to fit one of the 2 schemas of anyOf"},
	};
	for (size_t i = 0; i < MR_COUNT(told); i++) {
		char *text = with_quotes(told[i].schema), *document = with_quotes(told[i].document);
		struct json_schema *schema = compile(text);
		struct json_fault fault;
		CHECK(!valid(schema, document, &fault));
		CHECK_STR(mr_str_from(fault.pointer), told[i].pointer);
		CHECK_STR(mr_str_from(fault.reason), told[i].reason);
		json_schema_free(schema);
		free(text);
		free(document);
	}
}

TEST(jsonschema_fault_is_cut_between_characters)
{
	struct json_schema *schema = compile("{\"additionalProperties\":{\"type\":\"null\"}}");
	struct mr_buf document = {0};
	mr_buf_cstr(&document, "{\"");
	for (int i = 0; i < 500; i++)
		mr_buf_cstr(&document, "é");
	mr_buf_cstr(&document, "\":\"");
	for (int i = 0; i < 500; i++)
		mr_buf_cstr(&document, "€");
	mr_buf_cstr(&document, "\"}");
	struct json_fault fault;
	CHECK(!valid(schema, document.ptr, &fault));
	CHECK_INT(strlen(fault.pointer), 255); /* "/" and 127 times two bytes */
	CHECK(mr_str_ends(mr_str_from(fault.reason), MR_STR("€\" (cut), expected null")));
	mr_buf_release(&document);
	json_schema_free(schema);
}

TEST(jsonschema_refuses_bad_schemas_by_name_and_place)
{
	static const struct {
		const char *schema;
		int code;
		const char *message;
	} bad[] = {
	    {"{", MR_ERR_INVALID, NULL},
	    {"[]", MR_ERR_INVALID, "schema bad.yml at its root: must be a schema: an object, true or false"},
	    {"{'properties':{'a':{'type':'strng'}}}", MR_ERR_INVALID,
	     "schema bad.yml at /properties/a/type: there is no type \"strng\""},
	    {"{'format':'dates'}", MR_ERR_INVALID,
	     "schema bad.yml at /format: the format \"dates\" is unknown"},
	    {"{'pattern':'a('}", MR_ERR_INVALID, NULL},
	    {"{'minLength':-1}", MR_ERR_INVALID, "schema bad.yml at /minLength: must not be negative"},
	    {"{'minLength':'1'}", MR_ERR_INVALID, "schema bad.yml at /minLength: must be a whole number"},
	    {"{'multipleOf':0}", MR_ERR_INVALID, "schema bad.yml at /multipleOf: must be above 0"},
	    {"{'required':'a'}", MR_ERR_INVALID, "schema bad.yml at /required: must be a list of names"},
	    {"{'anyOf':[]}", MR_ERR_INVALID, "schema bad.yml at /anyOf: must be a list of schemas"},
	    {"{'items':{'$ref':'#/nope'}}", MR_ERR_INVALID,
	     "schema bad.yml at /items/$ref: \"#/nope\" is not in this document"},
	    {"{'$ref':'http://elsewhere/x'}", MR_ERR_INVALID, NULL},
	    {"{'$ref':'#'}", MR_ERR_INVALID,
	     "schema bad.yml at its root: a $ref leads back to itself without end"},
	    {"{'definitions':{'a':{'allOf':[{'$ref':'#/definitions/b'}]},'b':{'not':{'$ref':'#/definitions/"
	     "a'}}},"
	     "'items':{'$ref':'#/definitions/a'}}",
	     MR_ERR_INVALID, NULL},
	    {"{'$schema':'https://json-schema.org/draft/2020-12/schema'}", MR_ERR_UNSUPPORTED, NULL},
	    {"{'properties':{'a':{'x-type':'int128'}}}", MR_ERR_INVALID, NULL},
	};
	for (size_t i = 0; i < MR_COUNT(bad); i++) {
		char *text = with_quotes(bad[i].schema);
		struct json_schema *schema = NULL;
		struct mr_error err = {0};
		CHECK_INT(json_schema_compile(mr_str_from(text), "bad.yml", &schema, &err), bad[i].code);
		CHECK(!schema && strstr(err.message, "bad.yml"));
		if (bad[i].message)
			CHECK_STR(mr_str_from(err.message), bad[i].message);
		free(text);
	}
}

TEST(jsonschema_columns_follow_the_properties)
{
	char *text = with_quotes(
	    "{'type':'object','required':['id','maybe','ghost'],'definitions':{'n':{'type':'number'}},'"
	    "properties':{"
	    "'id':{'type':'string','format':'uuid'},'at':{'type':'string','format':'date-time'},"
	    "'day':{'type':'string','format':'date'},'n':{'type':'integer'},'x':{'$ref':'#/definitions/n'},"
	    "'ok':{'type':'boolean'},'tags':{'type':'array'},'meta':{'type':'object'},'any':{},"
	    "'maybe':{'type':['integer','null']},'opt':{'anyOf':[{'type':'string'},{'type':'null'}]},"
	    "'verb':{'enum':['GET','PUT']},'mixed':{'type':['string','integer']},"
	    "'small':{'type':'integer','x-type':'short'},'money':{'type':'number','x-type':'decimal(10,2)'}}"
	    "}");
	static const struct {
		const char *name, *type;
		bool required;
	} want[] = {
	    {"id", "string", true},   {"at", "timestamp", false}, {"day", "date", false},
	    {"n", "long", false},     {"x", "double", false},     {"ok", "boolean", false},
	    {"tags", "json", false},  {"meta", "json", false},    {"any", "json", false},
	    {"maybe", "long", false}, {"opt", "string", false},   {"verb", "string", false},
	    {"mixed", "json", false}, {"small", "short", false},  {"money", "decimal(10,2)", false},
	};
	struct json_schema *schema = compile(text);
	const struct json_schema_column *columns;
	CHECK_INT(json_schema_columns(schema, &columns), MR_COUNT(want));
	for (size_t i = 0; i < MR_COUNT(want); i++) {
		CHECK_STR(columns[i].name, want[i].name);
		CHECK_STR(mr_str_from(columns[i].type), want[i].type);
		CHECK_INT(columns[i].required, want[i].required);
	}
	json_schema_free(schema);
	schema = compile("true");
	CHECK_INT(json_schema_columns(schema, &columns), 0);
	json_schema_free(schema);
	free(text);
}

/* Hundreds of members, in any order, some missing: the table must find what a scan finds. */
TEST(jsonschema_finds_properties_in_any_order)
{
	struct mr_buf text = {0}, document = {0};
	mr_buf_cstr(&text, "{\"additionalProperties\":false,\"properties\":{");
	for (int i = 0; i < 700; i++)
		mr_buf_printf(&text, "%s\"member %d\":{\"const\":%d}", i ? "," : "", i, i);
	mr_buf_cstr(&text, "},\"required\":[\"member 699\",\"member 64\"]}");
	struct json_schema *schema = compile(text.ptr);
	for (int step = 1; step < 700; step += 37) {
		mr_buf_clear(&document);
		mr_buf_cstr(&document, "{\"member 699\":699");
		for (int i = 0, n = 0; n < 600; n++, i = (i + step) % 701)
			if (i < 699)
				mr_buf_printf(&document, ",\"member %d\":%d", i, i);
		bool has_64 = strstr(document.ptr, "\"member 64\"") != NULL;
		mr_buf_char(&document, '}');
		struct json_fault fault;
		CHECK_INT(valid(schema, document.ptr, &fault), has_64);
		CHECK(has_64 || strcmp(fault.reason, "lacks the required member \"member 64\"") == 0);
	}
	CHECK(!valid(schema, "{\"member 699\":699,\"member 64\":64,\"member 5\":6}", NULL));
	mr_buf_release(&text);
	mr_buf_release(&document);
	json_schema_free(schema);
}

TEST(jsonschema_survives_deep_and_large_documents)
{
	struct json_schema *schema =
	    compile("{\"allOf\":[{\"items\":{\"$ref\":\"#\"}},{\"uniqueItems\":true}]}");
	struct mr_buf deep = {0}, wide = {0};
	for (int i = 0; i < 500; i++)
		mr_buf_char(&deep, '[');
	for (int i = 0; i < 500; i++)
		mr_buf_char(&deep, ']');
	CHECK(valid(schema, deep.ptr, NULL));
	for (int i = 0; i < 20000; i++)
		mr_buf_printf(&wide, "%c%d", i ? ',' : '[', i);
	mr_buf_char(&wide, ']');
	CHECK(valid(schema, wide.ptr, NULL));
	wide.len--;
	mr_buf_cstr(&wide, ",19.0]");
	CHECK(!valid(schema, wide.ptr, NULL));
	mr_buf_release(&deep);
	mr_buf_release(&wide);
	json_schema_free(schema);
}

TEST(jsonschema_pattern_that_explodes_is_given_up)
{
	struct json_schema *schema = compile("{\"pattern\":\"^(a+)+$\"}");
	CHECK(!valid(schema, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", NULL));
	CHECK(valid(schema, "\"aaaa\"", NULL));
	json_schema_free(schema);
}
