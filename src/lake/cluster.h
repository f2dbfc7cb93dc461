/* lake/cluster.h - CLUSTER BY: which columns OPTIMIZE sorts a table along (liquid clustering).
 *
 * The table feature `clustering` and the domain "delta.clustering", whose configuration names the columns
 * by their physical names: {"clusteringColumns":[["a"],["b"]]}. Files that OPTIMIZE has sorted bear
 * clusteringProvider = "liquid".
 */
#pragma once

#include "lake/define.h"
#include "lake/internal.h"

#define CLUSTER_DOMAIN "delta.clustering"
#define CLUSTER_FEATURE "clustering"
#define CLUSTER_COLUMNS_MAX 4 /* as in Delta */

struct clustering {
	bool given;    /* CLUSTER BY was said */
	mr_str *names; /* of the table's columns */
	size_t count;  /* 0: NONE */
};

/* Behind CLUSTER BY: (a, b), or NONE. */
MR_NODISCARD int cluster_parse(struct parser *p, struct clustering *out);
/* What the domain is to hold; columns have their physical names by now. */
MR_NODISCARD int cluster_domain(const struct clustering *clustering, const struct definition *def,
				struct delta_domain *out, struct mr_error *err);
/* The table's columns; given is false when it never had any. */
MR_NODISCARD int cluster_read(struct delta_table *table, const struct delta_snapshot *snapshot,
			      struct arena *arena, struct clustering *out, struct mr_error *err);
/* MR_ERR_UNSUPPORTED when the table is clustered by that column. */
MR_NODISCARD int cluster_check_drop(struct delta_table *table, const struct delta_snapshot *snapshot,
				    mr_str column, struct arena *arena, struct mr_error *err);
