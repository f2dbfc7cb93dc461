/* stream/options.h - how a STREAM is read: FROM STREAM t WITH (startingVersion = 3, ...).
 *
 * Names and meaning are those of Spark's Delta source; names do not mind case. What is not known is
 * refused by its name, with the nearest one that is.
 */
#pragma once

#include "stream/lex.h"

#define STREAM_FILES_PER_TRIGGER 1000 /* Spark's default */

enum stream_start {
	STREAM_START_SNAPSHOT,  /* what the table holds, then what comes */
	STREAM_START_VERSION,   /* startingVersion: that version's changes first */
	STREAM_START_LATEST,    /* startingVersion = latest: what comes from now on */
	STREAM_START_TIMESTAMP, /* startingTimestamp: the first version at that time or later */
};

struct stream_options {
	enum stream_start start;
	int64_t start_at;             /* a version, or milliseconds since 1970 */
	int64_t max_files, max_bytes; /* a batch's, above 0; INT64_MAX: no limit */
	bool ignore_deletes, ignore_changes, skip_change_commits, read_change_feed;
};

#define STREAM_OPTIONS_DEFAULT \
	((struct stream_options){.max_files = STREAM_FILES_PER_TRIGGER, .max_bytes = INT64_MAX})

/* The tokens between the parentheses: key [=] value, ... On failure *error_token is the one at fault. */
MR_NODISCARD int stream_options_parse(const struct token *tokens, size_t count, struct arena *arena,
				      struct stream_options *out, size_t *error_token, struct mr_error *err);
