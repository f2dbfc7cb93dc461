/* codec/columns.c - the batch of typed columns, and the names and texts of its types. */
#include "codec/columns.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *name;
	uint8_t width;
	enum column_type type;
} types[] = {
    {"boolean", 1, COL_BOOLEAN},
    {"byte", 1, COL_BYTE},
    {"short", 2, COL_SHORT},
    {"integer", 4, COL_INTEGER},
    {"long", 8, COL_LONG},
    {"float", 4, COL_FLOAT},
    {"double", 8, COL_DOUBLE},
    {"decimal", 16, COL_DECIMAL},
    {"string", sizeof(mr_str), COL_STRING},
    {"binary", sizeof(mr_str), COL_BINARY},
    {"date", 4, COL_DATE},
    {"timestamp", 8, COL_TIMESTAMP},
    {"timestamp_ntz", 8, COL_TIMESTAMP_NTZ},
    {"json", sizeof(mr_str), COL_JSON},
};

#define DECIMAL_DIGITS_MAX 38

static bool take_number(mr_str *text, unsigned max, unsigned *out)
{
	unsigned value = 0;
	size_t digits = 0;
	while (digits < text->len && digits < 3 && text->ptr[digits] >= '0' && text->ptr[digits] <= '9')
		value = value * 10 + (unsigned)(text->ptr[digits++] - '0');
	*text = mr_str_tail(*text, digits);
	*out = value;
	return digits > 0 && value <= max;
}

static bool take_text(mr_str *text, mr_str expected)
{
	if (!mr_str_starts(*text, expected))
		return false;
	*text = mr_str_tail(*text, expected.len);
	while (text->len && text->ptr[0] == ' ')
		*text = mr_str_tail(*text, 1);
	return true;
}

static int parse_decimal_type(mr_str text, struct column_def *out, struct mr_error *err)
{
	unsigned precision = 10, scale = 0; /* what a bare "decimal" means to Spark */
	mr_str rest = mr_str_tail(text, strlen("decimal"));
	bool ok = true;
	if (rest.len) {
		ok = take_text(&rest, MR_STR("(")) && take_number(&rest, DECIMAL_DIGITS_MAX, &precision) &&
		     take_text(&rest, MR_STR("")) && precision > 0;
		if (ok && take_text(&rest, MR_STR(",")))
			ok = take_number(&rest, precision, &scale) && take_text(&rest, MR_STR(""));
		ok = ok && take_text(&rest, MR_STR(")")) && rest.len == 0;
	}
	if (!ok) {
		mr_fail(err, MR_ERR_INVALID, "\"%.*s\" is not a decimal type", MR_FMT(text));
		return mr_hint(err, "decimal(PRECISION,SCALE): precision 1 to 38, scale at most precision");
	}
	out->type = COL_DECIMAL;
	out->precision = (uint8_t)precision;
	out->scale = (uint8_t)scale;
	return 0;
}

int column_type_parse(mr_str text, struct column_def *out, struct mr_error *err)
{
	if (text.len <= 32 && mr_str_starts(text, MR_STR("decimal")))
		return parse_decimal_type(text, out, err);
	for (size_t i = 0; i < MR_COUNT(types); i++) {
		if (!mr_str_is(text, types[i].name))
			continue;
		out->type = types[i].type;
		out->precision = out->scale = 0;
		return 0;
	}
	mr_fail(err, MR_ERR_INVALID, "there is no column type \"%.*s\"", (int)mr_min_size(text.len, 64),
		text.ptr ? text.ptr : "");
	return mr_hint(err, "boolean byte short integer long float double decimal(p,s) string binary "
			    "date timestamp timestamp_ntz json");
}

mr_str column_type_name(const struct column_def *def, struct arena *arena)
{
	if (def->type == COL_DECIMAL)
		return arena_printf(arena, "decimal(%u,%u)", def->precision, def->scale);
	if (def->type == COL_JSON)
		return MR_STR("string");
	return mr_str_from(types[def->type].name);
}

size_t column_width(enum column_type type)
{
	return types[type].width;
}

void columns_init(struct columns *c, const struct column_def *defs, size_t count)
{
	*c = (struct columns){.columns = mr_calloc(count ? count : 1, sizeof *c->columns),
			      .column_count = count};
	arena_init(&c->arena, 256u << 10);
	for (size_t i = 0; i < count; i++) {
		struct column *column = &c->columns[i];
		column->def = defs[i];
		column->def.name = (mr_str){mr_strndup(defs[i].name), defs[i].name.len};
		column->valid = mr_calloc(COLUMNS_ROWS_MAX, 1);
		column->values = mr_alloc(COLUMNS_ROWS_MAX * column_width(defs[i].type));
	}
}

void columns_release(struct columns *c)
{
	for (size_t i = 0; i < c->column_count; i++) {
		free((char *)c->columns[i].def.name.ptr);
		free(c->columns[i].valid);
		free(c->columns[i].values);
	}
	free(c->columns);
	arena_release(&c->arena);
	*c = (struct columns){0};
}

void columns_clear(struct columns *c)
{
	c->rows = 0;
	arena_reset(&c->arena);
}
