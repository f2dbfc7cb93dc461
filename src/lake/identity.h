/* lake/identity.h - columns whose values the table gives: GENERATED ... AS IDENTITY.
 *
 * A field's metadata holds where values start, the step, and the last one that was given
 * (protocol, "Identity Columns"). An INSERT gives the next ones and commits the new mark with its rows;
 * so two at a time cannot both win, and no value is given twice. Values may be left out.
 */
#pragma once

#include "lake/change.h"
#include "lake/define.h"

/* Behind GENERATED ...: {ALWAYS | BY DEFAULT} AS IDENTITY [(START WITH n INCREMENT BY n)]. 1: it is none. */
MR_NODISCARD int identity_parse(struct parser *p, struct field *out);
bool identity_is(const struct field *field);
/* "at + row number * step" when the column is left out. */
void identity_values_sql(const struct field *field, mr_str order, struct mr_buf *out);
/* May these columns (names) be given by an INSERT? */
MR_NODISCARD int identity_check(const struct change *c, const mr_str *names, size_t count,
				struct mr_error *err);
/* So many rows got values: the marks of columns that are not among names move on, in c->metadata. */
MR_NODISCARD int identity_advance(struct change *c, const mr_str *names, size_t count, int64_t rows,
				  struct mr_error *err);
