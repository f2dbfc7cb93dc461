/* lake/clone.h - the source of a SHALLOW CLONE. */
#pragma once

#include "lake/define.h"
#include "lake/internal.h"

struct clone {
	bool given;
	struct table_name name;
	struct table_time time;
	struct delta_table *table;
	struct delta_snapshot *snapshot;
	struct delta_file *files; /* by absolute paths, in the session's arena */
	size_t file_count;
	bool has_vectors;
	mr_str parameters; /* of the operation: JSON */
};

/* Behind SHALLOW CLONE. */
MR_NODISCARD int clone_parse(struct lake_session *s, struct parser *p, struct clone *out);
/* What the source holds: its columns and properties into def, its files into the clone. Release it whatever
 * comes of it. */
MR_NODISCARD int clone_read(struct lake_session *s, struct clone *clone, struct definition *def,
			    struct mr_error *err);
void clone_release(struct clone *clone);
