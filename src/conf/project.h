/* conf/project.h - a project folder, loaded and checked: millrace.yml (or spark-pipeline.yml),
 * the schemas and the SQL files it names. Plain data; everything lives in the project's arena.
 *
 * Unknown key, wrong type, bad value: an error with file:line:column and, for a key, the
 * nearest valid one. ${ENV}, ${ENV:-default} and ${file:PATH} are expanded in values; an
 * unset variable is an error. Missing optional keys take the defaults named here.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"

struct conf_setting { /* a name and a value that the project file only hands on */
	mr_str name;
	mr_str value;
	int line, column;
};

struct conf_topic {
	mr_str name;
	int32_t partitions;      /* 1 */
	mr_str schema_path;      /* relative to the folder; empty: none */
	mr_str schema_json;      /* the file's content as JSON */
	mr_str on_invalid;       /* "off" "reject" "dlq"; with a schema the default is dlq */
	mr_str durability;       /* "durable" (default) "relaxed" */
	int64_t retention_ms;    /* "7d"; -1 for "forever" */
	int64_t retention_bytes; /* -1 */
	int64_t segment_bytes;
	int32_t max_message_bytes;
	struct conf_setting *config; /* Kafka's configurations by name, as given */
	size_t config_count;
	int line;
};

enum conf_match { CONF_MATCH_REGEX, CONF_MATCH_JMESPATH };
enum conf_action_kind { CONF_FORWARD, CONF_MERGE, CONF_REPLACE, CONF_STOP };

struct conf_action {
	enum conf_action_kind kind;
	mr_str text; /* forward: topic template; replace: template; merge: JSON object text */
	int line;
};

struct conf_rule {
	enum conf_match match;
	mr_str pattern;
	mr_str field; /* msg (default) hostname appname facility severity */
	struct conf_action *actions;
	size_t action_count;
	int line;
};

struct conf_listen {
	mr_str protocol; /* "tcp" or "udp" */
	mr_str address;  /* "127.0.0.1:1514" */
};

struct conf_gateway {
	struct conf_listen *listen;
	size_t listen_count;
	struct conf_rule *rules;
	size_t rule_count;
	int64_t max_line_bytes; /* 1 MiB */
};

struct conf_ingest {
	mr_str topic;
	mr_str table;         /* "bronze.access_log" */
	mr_str *partition_by; /* columns of the schema, or "date": the UTC date of the event time */
	size_t partition_count;
	mr_str date_from;        /* column whose date is `date`; default the first timestamp column */
	int64_t commit_every_ms; /* 5 s */
	int64_t commit_bytes;    /* 128 MiB of log bytes */
	int64_t commit_rows;     /* 1,000,000 */
	int line;
};

struct conf_sql_file {
	const char *path; /* relative to the folder */
	mr_str text;
};

struct conf_library { /* a path or a pattern (**, *, ?) below the folder */
	mr_str include;
	int line, column;
};

struct conf_tls {
	mr_str listen; /* empty: off */
	mr_str advertised;
	const char *certificate, *key, *client_ca; /* paths; NULL when not given */
	mr_str client_auth;                        /* "none", "requested", "required" */
};

struct conf_user {
	mr_str name, password;
	bool super;
};

struct conf_dags {
	const char *folder;  /* of DAG files; default "<folder>/dags" */
	int32_t parallelism; /* tasks at a time over all DAGs: 32 */
	mr_str metadata;     /* postgresql://…; empty: SQLite in the data folder */
	int64_t lease_ms;    /* of the scheduler that leads: 10 s */
	mr_str executor;     /* of tasks that say none; "local" */
};

struct conf_maintenance { /* of one table, or of "*": the others */
	mr_str table;
	int64_t target_file_bytes;           /* 128 MiB */
	int32_t optimize_at;                 /* small files: 50; 0: never */
	int64_t vacuum_every_ms;             /* a day; -1: never */
	int64_t retain_ms, log_retention_ms; /* 0: the table's own */
	int32_t checkpoint_every;            /* commits; 0: the table's own */
};

struct project {
	struct arena arena;
	const char *folder;      /* as given */
	const char *file;        /* "…/millrace.yml" */
	mr_str name;             /* default: the folder's own name */
	const char *data;        /* data folder, default "<folder>/.millrace" */
	mr_str kafka_listen;     /* "127.0.0.1:9092"; empty: off */
	mr_str kafka_advertised; /* empty: the address a client connected to */
	struct conf_tls kafka_tls;
	int32_t kafka_max_connections; /* 2000 */
	int64_t kafka_max_idle_ms;     /* 10 minutes */
	struct conf_user *users;
	size_t user_count;
	struct conf_dags dags;
	mr_str http_listen; /* "127.0.0.1:8080" */
	struct conf_topic *topics;
	size_t topic_count;
	struct conf_gateway gateway;
	struct conf_ingest *ingests;
	size_t ingest_count;
	struct conf_maintenance *maintenance;
	size_t maintenance_count;
	struct conf_library *libraries;
	size_t library_count;            /* 0: transformations, all of it */
	struct conf_sql_file *sql_files; /* sorted by path */
	size_t sql_file_count;
	bool auto_create_topics;      /* true */
	int32_t num_partitions;       /* of topics made without a number; 1 */
	int64_t materialize_every_ms; /* least time between refreshes of a materialized view: 1 s */
	int64_t stream_every_ms;      /* least time between micro-batches of a streaming table: 1 s */
	mr_str default_schema;        /* of table names without one; empty: none given */
	mr_str catalog;               /* Spark's, as given */
	mr_str storage;               /* Spark's checkpoint root; not used */
	struct conf_setting *settings;
	size_t setting_count;
};

#define CONF_PROJECT_FILE "millrace.yml"
#define CONF_SPARK_FILE "spark-pipeline.yml"

/* folder: holds millrace.yml or spark-pipeline.yml. On success *out is the caller's. */
MR_NODISCARD int project_load(const char *folder, struct project **out, struct mr_error *err);
/* What an empty file says, for a program that has no project: everything at its default. */
MR_NODISCARD int project_default(const char *data, struct project **out, struct mr_error *err);
void project_free(struct project *project); /* NULL is fine */
/* What the project says of a table's upkeep: of its name, else of "*", else the defaults. */
struct conf_maintenance project_maintenance(const struct project *project, mr_str table);

/* Every key of the project file with type, default and meaning, as Markdown, appended. */
struct mr_buf;
void project_document_keys(struct mr_buf *out);
