/* delta/conflict.h - may a commit follow one that won in between? A pure function.
 *
 * The rules are Spark's (ConflictChecker), per winning commit:
 *
 *   the winner has    it contradicts me when
 *   protocol          I change the protocol too, or I make the table
 *   metaData          always
 *   domainMetadata    I write the same domain (delta.rowTracking is rebased instead)
 *   txn               its appId is one whose version I rely on
 *   add               it could have held rows that I looked for. Serializable: any that changes
 *                     data; WriteSerializable: not when the winner is a blind append, unless I
 *                     change metadata; SnapshotIsolation: never. A blind append never looks.
 *   remove            I read that file, or the whole table
 *   remove            I remove that file too
 *
 * I am held to SnapshotIsolation, too, when none of my actions changes data.
 */
#pragma once

#include "delta/delta.h"

enum delta_conflict {
	CONFLICT_NONE,
	CONFLICT_PROTOCOL,
	CONFLICT_METADATA,
	CONFLICT_DOMAIN,
	CONFLICT_TRANSACTION,
	CONFLICT_APPEND,
	CONFLICT_DELETE_READ,
	CONFLICT_DELETE_DELETE,
};

struct conflict_file {
	mr_str path;
	const mr_str *partition_values;
	bool data_change;
};

struct conflict_winner {
	bool has_protocol, has_metadata, is_blind_append;
	const struct conflict_file *adds, *removes;
	size_t add_count, remove_count;
	const mr_str *domains, *apps;
	size_t domain_count, app_count;
};

struct conflict_mine {
	bool changes_protocol, changes_metadata, changes_data;
	bool reads_table;
	enum delta_isolation isolation;
	bool looks; /* at rows or files: not a blind append */
	bool (*may_match)(void *arg, const mr_str *partition_values); /* NULL: any file */
	void *may_match_arg;
	const mr_str *reads, *removes; /* paths */
	size_t read_count, remove_count;
	const mr_str *domains, *apps;
	size_t domain_count, app_count;
};

/* *which (may be NULL) is the path, domain or application at fault, when there is one. */
enum delta_conflict delta_conflict_find(const struct conflict_mine *mine,
					const struct conflict_winner *winner, mr_str *which);
/* What a person is told; names Spark's exception. */
const char *delta_conflict_text(enum delta_conflict conflict);
