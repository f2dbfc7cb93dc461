/* delta/feature.h - the registry of table features: the one table that says what is understood.
 *
 * Gating (may this table be read, written?), upgrades (which protocol does this metadata need?),
 * what errors say and the list in docs/delta.md all come from it.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"

struct table_meta;
struct table_protocol;

enum delta_support {
	DELTA_NO,      /* refused by name */
	DELTA_UNUSED,  /* fine as long as the table does not use it (`used` decides) */
	DELTA_CHECKED, /* fine when whoever writes has checked the rows (delta_commit.enforced) */
	DELTA_YES,
};

struct delta_feature {
	const char *name;
	bool is_reader;                   /* readers must understand it too */
	enum delta_support read, write;   /* read is DELTA_YES for what concerns writers only */
	int legacy_reader, legacy_writer; /* the versions before (3, 7) that imply it; 0: none */
	const char *depends[2];
	bool (*used)(const struct table_meta *meta); /* the metadata calls for it; NULL: it never does */
};

/* All of them; what is not among them is refused as DELTA_NO is. */
const struct delta_feature *delta_features(size_t *count);
const struct delta_feature *delta_feature_find(mr_str name); /* NULL when there is none */

/* May a table of this protocol and metadata be read here? MR_ERR_UNSUPPORTED names the feature. */
MR_NODISCARD int delta_gate_read(const struct table_protocol *protocol, const struct table_meta *meta,
				 struct mr_error *err);
/* And written? enforced: the rows were held against constraints and generated columns. */
MR_NODISCARD int delta_gate_write(const struct table_protocol *protocol, const struct table_meta *meta,
				  bool enforced, struct mr_error *err);
/* Whether the protocol has the feature, listed or implied. */
bool delta_protocol_has(const struct table_protocol *protocol, const char *feature);

/* The least protocol, at or above `current` (NULL: a new table), that has what the metadata uses
 * and the features of `more`. *out is the caller's to release with delta_protocol_release.
 * Returns 1 when it differs from current, 0 when current will do; MR_ERR_UNSUPPORTED for a
 * feature that is not known here. */
MR_NODISCARD int delta_protocol_for(const struct table_protocol *current, const struct table_meta *meta,
				    const char *const *more, size_t more_count, struct table_protocol *out,
				    struct mr_error *err);
/* The protocol of a table (NULL: of none yet) and features that come to it. *changed says whether
 * it differs; *out is to be released either way. */
MR_NODISCARD int delta_protocol_extend(const struct table_protocol *from, const char *const *names,
				       size_t count, struct table_protocol *out, bool *changed,
				       struct mr_error *err);
/* A protocol without a feature that only writers know of and the metadata does not use.
 * MR_ERR_NOT_FOUND when it is not there, MR_ERR_INVALID while something needs it. */
MR_NODISCARD int delta_protocol_drop(const struct table_protocol *from, const struct table_meta *meta,
				     const char *name, struct table_protocol *out, struct mr_error *err);
void delta_protocol_release(struct table_protocol *protocol);
/* MR_ERR_CORRUPT when lists and versions do not go together (protocol, "Table Features"). */
MR_NODISCARD int delta_protocol_check(const struct table_protocol *protocol, struct mr_error *err);
