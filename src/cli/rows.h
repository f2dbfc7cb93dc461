/* cli/rows.h - a JSON array of objects as a table, in the formats of every other result. */
#pragma once

#include "cli/args.h"
#include "cli/target.h"
#include "codec/json.h"

/* The columns are members' names, in this order; a member that is absent is null. format NULL: a box on a
 * terminal, else tab-separated. */
MR_NODISCARD int rows_print(struct target *target, const char *format, struct json_value array,
			    const char *const *columns, size_t column_count, struct mr_error *err);
const char *rows_format(const char *format);

/* A verb (admin/admin.h) and, of its answer, the array `member` as a table; NULL: nothing is printed. */
MR_NODISCARD int rows_admin(struct target *target, const char *verb, mr_str body, const char *format,
			    const char *member, const char *const *columns, size_t column_count,
			    struct mr_error *err);
