/* cli/dag_client.h - commands that ask /api/v2: the server that runs the project, or this process. */
#pragma once

#include "cli/target.h"
#include "codec/json.h"

struct dag_client {
	struct target *target;
	struct json_parser *parser;
	struct mr_buf answer;
	struct mr_buf path; /* of the next call */
};

MR_NODISCARD int dag_client_open(const char *folder, struct dag_client *out, struct mr_error *err);
void dag_client_close(struct dag_client *client); /* zeroed is fine */

/* The path from its parts, each second one percent-encoded: ("/dags/", id, "/dagRuns/", run, NULL).
 * Parts behind a "?" are for the query. Borrowed until the next one. */
const char *dag_client_path(struct dag_client *client, const char *part, ...) __attribute__((sentinel));
/* The answer, until the next call. body: JSON, or empty. */
MR_NODISCARD int dag_client_call(struct dag_client *client, const char *method, const char *path, mr_str body,
				 struct json_value *out, struct mr_error *err);

/* The run that is named, or the latest of the DAG: copied, free(). MR_ERR_NOT_FOUND. */
MR_NODISCARD int dag_client_run(struct dag_client *client, const char *dag_id, const char *run_id, char **out,
				struct mr_error *err);
/* Rows of SQL over system.*, as the commands print tables: format NULL: box on a terminal, else tsv. */
MR_NODISCARD int dag_client_table(struct dag_client *client, const char *sql, const char *format,
				  struct mr_error *err);

/* A SQL expression of seconds as "3.6s", "2m05s", "1h02m". */
#define SQL_DURATION(seconds) \
	"CASE WHEN (" seconds ") < 60 THEN printf('%.1fs', (" seconds ")) WHEN (" seconds \
	") < 3600 THEN printf('%dm%02ds', CAST(floor((" seconds ") / 60) AS INT), CAST(floor((" seconds \
	")) AS INT) % 60) ELSE printf('%dh%02dm', CAST(floor((" seconds \
	") / 3600) AS INT), CAST(floor((" seconds ") / 60) AS INT) % 60) END"
/* The same of a number, into out. */
#define DURATION_BYTES 32
const char *duration_text(char out[DURATION_BYTES], double seconds);
