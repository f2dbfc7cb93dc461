/* query/render_box.h - a result drawn as a table with borders, column types and a row count. */
#pragma once

#include "base/buf.h"
#include "sql/engine.h"

/* width: columns of the terminal, 0 for no limit; cells are cut (…) to fit it. */
MR_NODISCARD int render_box(struct sql_result *result, int width, struct mr_buf *out, struct mr_error *err);
