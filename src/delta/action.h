/* delta/action.h - the actions of Delta's transaction log, JSON to structs.
 *
 * A commit is one JSON object a line, each with one member that names the action. Actions
 * and fields that are not known here are passed over, as the protocol asks; what a reader must
 * understand is announced by the protocol action's features (gate.c).
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "codec/json.h"
#include "delta/dv.h"

struct delta_pair {
	mr_str key, value; /* value.ptr NULL: null */
};

enum action_kind {
	ACTION_PROTOCOL,
	ACTION_METADATA,
	ACTION_ADD,
	ACTION_REMOVE,
	ACTION_TXN,
	ACTION_DOMAIN,
	ACTION_COMMIT_INFO,
	ACTION_CDC,
	ACTION_SIDECAR,    /* of V2 checkpoints */
	ACTION_CHECKPOINT, /* checkpointMetadata */
	ACTION_OTHER,      /* what is not known */
};

struct action_protocol {
	int reader, writer;
	struct json_value reader_features, writer_features; /* arrays, or absent */
};

struct action_metadata {
	struct json_value body;
};

struct action_file { /* add, remove and cdc */
	mr_str path; /* as in the log */
	struct json_value partition_values;
	int64_t size, time_ms; /* modificationTime or deletionTimestamp */
	bool data_change;
	bool has_dv;
	struct delta_dv dv;
	mr_str stats;
	struct json_value stats_parsed;                  /* checkpoints may have only this */
	int64_t base_row_id, default_row_commit_version; /* -1: none */
	struct json_value tags;
	mr_str clustering_provider;
};

struct action_sidecar {
	mr_str path; /* a file below _delta_log/_sidecars */
	int64_t size;
};

struct action_txn {
	mr_str app_id;
	int64_t version, last_updated;
};

struct action_domain {
	mr_str domain;
	bool removed;
	struct json_value body;
};

/* Strings and values live as long as the parser's document. */
struct action {
	enum action_kind kind;
	union {
		struct action_protocol protocol;
		struct action_metadata metadata;
		struct action_file file;
		struct action_txn txn;
		struct action_domain domain;
		struct action_sidecar sidecar;
		struct json_value commit_info;
	};
};

/* One line. MR_ERR_CORRUPT when it is no action. */
MR_NODISCARD int delta_action_parse(struct json_parser *parser, mr_str line, struct action *out,
				    struct mr_error *err);

/* Calls fn for every action of a commit file; a non-zero return ends it and is returned.
 * Errors name the line. `name` is the file's, for messages. */
typedef int (*action_fn)(void *arg, const struct action *action, struct mr_error *err);
MR_NODISCARD int delta_actions_parse(struct json_parser *parser, mr_str bytes, const char *name, action_fn fn,
				     void *arg, struct mr_error *err);
