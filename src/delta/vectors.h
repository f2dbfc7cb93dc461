/* delta/vectors.h - deletion vectors in scans. */
#pragma once

#include "base/buf.h"
#include "delta/dv.h"
#include "sql/engine.h"

/* Makes delta_row_is_live known to the engine, once; 1 when it was already. */
MR_NODISCARD int delta_vectors_install(const struct env *env, struct sql_engine *engine,
				       struct mr_error *err);

/* The function's first argument: begun with the table's folder, then the files that have one. */
void delta_vectors_begin(struct mr_buf *spec, const char *table_path);
void delta_vectors_add(struct mr_buf *spec, size_t file, const struct delta_dv *dv);
