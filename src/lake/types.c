/* lake/types.c - types and columns as SQL writes them. Both spellings of nesting are read:
 * ARRAY<INT>, INT[]; STRUCT<a: INT>, STRUCT(a INT); MAP<K, V>, MAP(K, V). */
#include "lake/define.h"
#include "lake/identity.h"

#include "base/buf.h"

#include <stdlib.h>

#define DEPTH_MAX 64

static const struct {
	const char *sql, *delta;
} names[] = {
    {"boolean", "boolean"},
    {"bool", "boolean"},
    {"tinyint", "byte"},
    {"byte", "byte"},
    {"smallint", "short"},
    {"short", "short"},
    {"utinyint", "short"},
    {"int", "integer"},
    {"integer", "integer"},
    {"usmallint", "integer"},
    {"bigint", "long"},
    {"long", "long"},
    {"uinteger", "long"},
    {"ubigint", "decimal(20,0)"},
    {"hugeint", "decimal(38,0)"},
    {"uhugeint", "decimal(38,0)"},
    {"float", "float"},
    {"real", "float"},
    {"double", "double"},
    {"string", "string"},
    {"varchar", "string"},
    {"text", "string"},
    {"char", "string"},
    {"json", "string"},
    {"uuid", "string"},
    {"enum", "string"},
    {"time", "string"},
    {"interval", "string"},
    {"bit", "string"},
    {"binary", "binary"},
    {"blob", "binary"},
    {"date", "date"},
    {"timestamp_ntz", "timestamp_ntz"},
    {"timestamp_ltz", "timestamp"},
    {"timestamptz", "timestamp"},
    {"timestamp_s", "timestamp_ntz"},
    {"timestamp_ms", "timestamp_ntz"},
    {"timestamp_ns", "timestamp_ntz"},
    {"void", "void"},
    {"\"null\"", "string"},
    {"null", "string"},
};

struct typing {
	struct parser *p;
	bool duckdb; /* TIMESTAMP has no zone there */
	int depth;
};

static int put_type(struct typing *t, struct mr_buf *out);

static bool take_open(struct parser *p)
{
	return parser_take(p, "<") || parser_take(p, "(");
}

static int expect_close(struct parser *p)
{
	/* A<B<C>>: the lexer knows no ">>". */
	return parser_take(p, ">") || parser_take(p, ")") ? 0 : parser_fail(p, "'>' or ')'");
}

static int put_struct(struct typing *t, struct mr_buf *out)
{
	struct parser *p = t->p;
	mr_str name, comment;
	mr_buf_cstr(out, "{\"type\":\"struct\",\"fields\":[");
	int rc = take_open(p) ? 0 : parser_fail(p, "'<'");
	for (const char *comma = ""; rc == 0; comma = ",") {
		rc = parser_word(p, "a field's name", &name);
		if (rc < 0)
			return rc;
		parser_take(p, ":");
		mr_buf_printf(out, "%s{\"name\":", comma);
		json_quote(out, name);
		mr_buf_cstr(out, ",\"type\":");
		rc = put_type(t, out);
		if (rc < 0)
			return rc;
		bool not_null = parser_take(p, "not null");
		mr_buf_printf(out, ",\"nullable\":%s,\"metadata\":{", not_null ? "false" : "true");
		if (parser_take(p, "comment")) {
			rc = parser_string(p, "the comment in quotes", &comment);
			mr_buf_cstr(out, "\"comment\":");
			json_quote(out, rc == 0 ? comment : MR_STR(""));
		}
		mr_buf_cstr(out, "}}");
		if (!parser_take(p, ","))
			break;
	}
	mr_buf_cstr(out, "]}");
	return rc == 0 ? expect_close(p) : rc;
}

static int put_map(struct typing *t, struct mr_buf *out)
{
	int rc = take_open(t->p) ? 0 : parser_fail(t->p, "'<'");
	mr_buf_cstr(out, "{\"type\":\"map\",\"keyType\":");
	if (rc == 0)
		rc = put_type(t, out);
	if (rc == 0)
		rc = parser_expect(t->p, ",");
	mr_buf_cstr(out, ",\"valueType\":");
	if (rc == 0)
		rc = put_type(t, out);
	mr_buf_cstr(out, ",\"valueContainsNull\":true}");
	return rc == 0 ? expect_close(t->p) : rc;
}

static int put_decimal(struct parser *p, struct mr_buf *out)
{
	int64_t precision = 10, scale = 0;
	int rc = 0;
	if (parser_take(p, "(")) {
		rc = parser_integer(p, "the precision", &precision);
		if (rc == 0 && parser_take(p, ","))
			rc = parser_integer(p, "the scale", &scale);
		if (rc == 0)
			rc = parser_expect(p, ")");
	}
	if (rc == 0 && (precision < 1 || precision > 38 || scale < 0 || scale > precision))
		rc = mr_fail(p->err, MR_ERR_INVALID, "decimal(%lld,%lld): 1 to 38 digits, scale within them",
			     (long long)precision, (long long)scale);
	mr_buf_printf(out, "\"decimal(%lld,%lld)\"", (long long)precision, (long long)scale);
	return rc;
}

static int put_primitive(struct typing *t, struct mr_buf *out)
{
	struct parser *p = t->p;
	mr_str ignored;
	if (parser_take(p, "decimal") || parser_take(p, "dec") || parser_take(p, "numeric"))
		return put_decimal(p, out);
	if (parser_take(p, "timestamp with time zone") || (!t->duckdb && parser_take(p, "timestamp"))) {
		mr_buf_cstr(out, "\"timestamp\"");
		return 0;
	}
	if (parser_take(p, "timestamp")) {
		mr_buf_cstr(out, "\"timestamp_ntz\"");
		return 0;
	}
	for (size_t i = 0; i < MR_COUNT(names); i++) {
		if (!parser_take(p, names[i].sql))
			continue;
		mr_buf_printf(out, "\"%s\"", names[i].delta);
		/* varchar(20), enum('a', 'b'): what lies inside does not change the type. */
		return parser_is(p, "(") ? parser_parentheses(p, &ignored) : 0;
	}
	return parser_fail(p, "a type");
}

static int put_base(struct typing *t, struct mr_buf *out)
{
	struct parser *p = t->p;
	if (parser_take(p, "struct"))
		return put_struct(t, out);
	if (parser_take(p, "map"))
		return put_map(t, out);
	if (!parser_take(p, "array"))
		return put_primitive(t, out);
	int rc = take_open(p) ? 0 : parser_fail(p, "'<'");
	mr_buf_cstr(out, "{\"type\":\"array\",\"elementType\":");
	if (rc == 0)
		rc = put_type(t, out);
	mr_buf_cstr(out, ",\"containsNull\":true}");
	return rc == 0 ? expect_close(p) : rc;
}

static int put_type(struct typing *t, struct mr_buf *out)
{
	struct mr_buf base = {0};
	int64_t ignored;
	if (++t->depth > DEPTH_MAX)
		return mr_fail(t->p->err, MR_ERR_LIMIT, "types nest deeper than %d", DEPTH_MAX);
	int rc = put_base(t, &base);
	while (rc == 0 && parser_take(t->p, "[")) {
		struct mr_buf array = {0};
		if (parser_peek(t->p)->kind == TOKEN_NUMBER)
			rc = parser_integer(t->p, "a size", &ignored);
		if (rc == 0)
			rc = parser_expect(t->p, "]");
		mr_buf_printf(&array, "{\"type\":\"array\",\"elementType\":%s,\"containsNull\":true}",
			      base.ptr);
		mr_buf_release(&base);
		base = array;
	}
	mr_buf_str(out, mr_buf_view(&base));
	mr_buf_release(&base);
	t->depth--;
	return rc;
}

static int type_json(struct typing *t, mr_str *json)
{
	struct mr_buf out = {0};
	int rc = put_type(t, &out);
	if (rc == 0)
		*json = arena_copy(t->p->arena, mr_buf_view(&out));
	mr_buf_release(&out);
	return rc;
}

int parse_type(struct parser *p, mr_str *json)
{
	return type_json(&(struct typing){.p = p}, json);
}

int parse_type_text(mr_str text, struct arena *arena, mr_str *json, struct mr_error *err)
{
	struct parser p;
	int rc = parser_init(&p, text, arena, err);
	struct typing t = {.p = &p, .duckdb = true};
	return rc == 0 ? type_json(&t, json) : rc;
}

/* ---- columns ---- */

static mr_str quoted(mr_str text, struct arena *arena)
{
	struct mr_buf out = {0};
	json_quote(&out, text);
	mr_str copy = arena_copy(arena, mr_buf_view(&out));
	mr_buf_release(&out);
	return copy;
}

static int parse_field_clause(struct parser *p, struct field *out)
{
	static const char *const stops[] = {",", "not", "comment", "generated", NULL};
	mr_str text;
	int rc;
	if (parser_take(p, "not null")) {
		out->not_null = true;
		return 0;
	}
	if (parser_take(p, "comment")) {
		rc = parser_string(p, "the comment in quotes", &text);
		if (rc == 0)
			field_set(out, "comment", quoted(text, p->arena), p->arena);
		return rc;
	}
	if (parser_take(p, "default")) {
		rc = parser_stretch(p, stops, "the default's expression", &text);
		if (rc == 0) {
			field_set(out, "CURRENT_DEFAULT", quoted(text, p->arena), p->arena);
			field_set(out, "EXISTS_DEFAULT", quoted(text, p->arena), p->arena);
		}
		return rc;
	}
	if (parser_is(p, "generated")) {
		rc = identity_parse(p, out);
		if (rc <= 0)
			return rc;
		rc = parser_expect(p, "generated always as");
		if (rc == 0)
			rc = parser_parentheses(p, &text);
		if (rc == 0)
			field_set(out, "delta.generationExpression", quoted(text, p->arena), p->arena);
		return rc;
	}
	return parser_fail(p, "',' or ')'");
}

int parse_field(struct parser *p, struct field *out)
{
	*out = (struct field){.metadata = MR_STR("{}")};
	int rc = parser_word(p, "a column's name", &out->name);
	if (rc == 0)
		rc = parse_type(p, &out->type);
	while (rc == 0 && !parser_at_end(p) && !parser_is(p, ",") && !parser_is(p, ")") &&
	       !parser_is(p, "first") && !parser_is(p, "after"))
		rc = parse_field_clause(p, out);
	return rc;
}

/* 'delta.appendOnly' = 'true', or delta.appendOnly = true */
static int parse_property(struct parser *p, mr_str *key, mr_str *value)
{
	mr_str part;
	int rc = 0;
	if (parser_peek(p)->kind == TOKEN_STRING)
		rc = parser_string(p, "a property's name", key);
	else
		rc = parser_word(p, "a property's name", key);
	while (rc == 0 && parser_take(p, ".")) {
		rc = parser_word(p, "the rest of a property's name", &part);
		if (rc == 0)
			*key = arena_printf(p->arena, "%.*s.%.*s", MR_FMT(*key), MR_FMT(part));
	}
	if (rc == 0 && !parser_take(p, "="))
		parser_take(p, "==");
	if (rc < 0)
		return rc;
	if (parser_peek(p)->kind == TOKEN_STRING)
		return parser_string(p, "the property's value", value);
	if (parser_at_end(p))
		return parser_fail(p, "the property's value");
	*value = p->tokens[p->at++].text;
	return 0;
}

int parse_properties(struct parser *p, struct definition *def)
{
	int rc = parser_expect(p, "(");
	while (rc == 0) {
		mr_str key, value;
		rc = parse_property(p, &key, &value);
		if (rc == 0)
			definition_set(def, key, value);
		if (rc == 0 && !parser_take(p, ","))
			return parser_expect(p, ")");
	}
	return rc;
}
