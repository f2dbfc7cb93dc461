/* lake/assign.h - SET a = 1, b = s.b: which columns get which value. */
#pragma once

#include "lake/change.h"
#include "lake/define.h"

struct assignment {
	mr_str column, value; /* value: DuckDB's SQL */
};

struct assignments {
	MR_VEC(struct assignment) items;
};

/* At the first column; up to one of the stops (NULL: the end). Prefixes of columns ("t.a") are cut.
 * DEFAULT is the column's default. */
MR_NODISCARD int assign_parse(struct lake_session *s, struct parser *p, const struct definition *def,
			      const char *const *stops, struct assignments *out);
void assign_add(struct assignments *a, mr_str column, mr_str value);
const struct assignment *assign_find(const struct assignments *a, mr_str column); /* NULL: not there */
/* The value of DEFAULT, or NULL's. */
MR_NODISCARD int assign_default(struct lake_session *s, const struct field *field, mr_str *out,
				struct mr_error *err);
