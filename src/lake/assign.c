#include "lake/assign.h"
#include "lake/identity.h"

#include <strings.h>

int assign_default(struct lake_session *s, const struct field *field, mr_str *out, struct mr_error *err)
{
	mr_str value = field_get(field, "CURRENT_DEFAULT", &s->arena);
	*out = MR_STR("NULL");
	return value.len ? lake_expression(s, value, out, err) : 0;
}

void assign_add(struct assignments *a, mr_str column, mr_str value)
{
	mr_vec_push(&a->items, (struct assignment){column, value});
}

const struct assignment *assign_find(const struct assignments *a, mr_str column)
{
	for (size_t i = 0; i < a->items.len; i++)
		if (a->items.items[i].column.len == column.len &&
		    strncasecmp(a->items.items[i].column.ptr, column.ptr, column.len) == 0)
			return &a->items.items[i];
	return NULL;
}

static int parse_one(struct lake_session *s, struct parser *p, const struct definition *def,
		     const char *const *stops, struct assignments *out)
{
	const char *all[16] = {","};
	for (size_t i = 1; stops && *stops && i + 1 < MR_COUNT(all); i++)
		all[i] = *stops++;
	mr_str column, text, value;
	int rc = parser_word(p, "a column", &column);
	while (rc == 0 && parser_take(p, "."))
		rc = parser_word(p, "a column", &column);
	const struct field *field = rc == 0 ? definition_find(def, column) : NULL;
	if (rc == 0 && !field)
		return mr_fail(p->err, MR_ERR_INVALID, "the table has no column %.*s", MR_FMT(column));
	if (rc == 0 && identity_is(field))
		return mr_fail(p->err, MR_ERR_INVALID, "the identity column %.*s cannot be set",
			       MR_FMT(column));
	if (rc == 0 && assign_find(out, column))
		return mr_fail(p->err, MR_ERR_INVALID, "column %.*s is set twice", MR_FMT(column));
	if (rc == 0)
		rc = parser_expect(p, "=");
	if (rc == 0 && parser_take(p, "default")) {
		rc = assign_default(s, field, &value, p->err);
	} else if (rc == 0) {
		rc = parser_stretch(p, all, "a value", &text);
		if (rc == 0)
			rc = lake_expression(s, text, &value, p->err);
	}
	if (rc == 0)
		assign_add(out, field->name, value);
	return rc;
}

int assign_parse(struct lake_session *s, struct parser *p, const struct definition *def,
		 const char *const *stops, struct assignments *out)
{
	int rc;
	do
		rc = parse_one(s, p, def, stops, out);
	while (rc == 0 && parser_take(p, ","));
	return rc;
}
