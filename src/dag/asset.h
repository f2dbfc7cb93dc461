/* dag/asset.h - which assets a DAG waits for: a tree of "all of" and "any of" over URIs, and its
 * text form: `delta://lake/reads & (delta://lake/users | s3://drop/x)`. Immutable. */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"

enum asset_kind { ASSET_URI, ASSET_ALL, ASSET_ANY };

struct asset_condition {
	enum asset_kind kind;
	mr_str uri; /* as compared: the engine of events writes the same */
	struct asset_condition **items;
	size_t count;
};

struct asset_condition *asset_uri(struct arena *arena, mr_str uri);
struct asset_condition *asset_group(struct arena *arena, enum asset_kind kind,
				    struct asset_condition *const *items, size_t count);
/* URIs joined by & and |, parentheses; & binds tighter. */
MR_NODISCARD int asset_parse(struct arena *arena, mr_str text, struct asset_condition **out,
			     struct mr_error *err);

/* has(arg, uri): did it have an event since the last run? */
bool asset_condition_met(const struct asset_condition *condition, bool (*has)(void *arg, mr_str uri),
			 void *arg);
/* Every URI of the tree, left to right. */
void asset_each(const struct asset_condition *condition, void (*visit)(void *arg, mr_str uri), void *arg);
