/* api/call.h - one request to /api/v2 and its answer, and the table of routes.
 *
 * A request comes over HTTP (http.h) or from a command in the same process. A handler reads the path's
 * variables, the query and the body, and writes JSON into call->out or fails; failures are answered in
 * FastAPI's shape, as Airflow's:
 *
 *   404, 409, 400, …   {"detail": "The Dag with ID: `x` was not found"}
 *   422                {"detail": [{"type": "missing", "loc": ["body", "conf"], "msg": …, "input": …}]}
 *
 * Threading: api_handle from any thread; a call belongs to its thread.
 */
#pragma once

#include "api/dags.h"
#include "api/json.h"
#include "base/vec.h"
#include "http/server.h"

struct api_param {
	mr_str name, value; /* decoded */
};

struct api_request {
	mr_str method; /* "GET" */
	mr_str path;   /* decoded, after /api/v2: "/dags/x/dagRuns" */
	mr_str body;
	const struct api_param *params; /* of the query, in order; a name may come more than once */
	size_t param_count;
};

struct api_reply {
	int status;
	const char *content_type;
	struct mr_buf body; /* the caller's */
	/* Instead of body: as in struct http_reply. NULL for callers without HTTP. */
	void (*stream)(void *arg, struct http_stream *stream);
	void *stream_arg;
};

void api_handle(struct dags *dags, const struct api_request *request, struct api_reply *reply);
/* The same from "/dags?limit=2" with its parts percent-encoded. */
void api_handle_target(struct dags *dags, const char *method, const char *target, mr_str body,
		       struct api_reply *reply);

/* ---- for handlers ---- */

#define API_PATH_VARIABLES_MAX 6

struct api_call {
	struct dags *dags;
	const struct api_request *request;
	struct api_reply *reply;
	mr_str path[API_PATH_VARIABLES_MAX]; /* the pattern's variables, in order */
	struct json_value body;              /* absent when there is none */
	struct json_writer w;                /* into reply->body */
	struct arena arena;
	struct json_parser *parser; /* holds body */
	struct mr_buf faults;       /* 422: items of detail, with commas */
};

/* 0, or a failure whose message becomes the detail. */
typedef int api_fn(struct api_call *call, struct mr_error *err);

struct api_route {
	const char *method;
	const char *pattern; /* "/dags/{dag_id}/dagRuns/{dag_run_id}" */
	api_fn *handle;
};
extern const struct api_route api_routes[]; /* routes.c */
extern const size_t api_route_count;

/* A query parameter; MR_STR_NULL when it is not given. */
mr_str api_param(const struct api_call *call, const char *name);
bool api_flag(const struct api_call *call, const char *name, bool otherwise);

/* What is wrong with the request: 422. loc: "body" or "query", and the name. */
void api_fault(struct api_call *call, const char *type, const char *place, const char *name, const char *msg,
	       struct json_value input);
bool api_faulty(const struct api_call *call);
/* A member of the body; a fault when it has another type. Absent and null give `otherwise`. */
mr_str api_body_str(struct api_call *call, const char *name, bool required);
int64_t api_body_int(struct api_call *call, const char *name, int64_t least, int64_t most, int64_t otherwise);
bool api_body_bool(struct api_call *call, const char *name, bool otherwise);
int64_t api_body_time(struct api_call *call, const char *name, bool required); /* NO_TIME: none */
/* An object as JSON text of the arena; empty when absent. */
mr_str api_body_object(struct api_call *call, const char *name);

/* Rows of a SELECT over the store. The lines are the arena's; fn: non-zero ends. */
typedef int api_row_fn(void *arg, struct json_value row, struct mr_error *err);
MR_NODISCARD int api_query(struct api_call *call, const char *sql, const mr_str *params, size_t param_count,
			   api_row_fn *fn, void *arg, struct mr_error *err);

/* A number that a client sent, as the parameter of a CAST: what is none is a number that nothing has. */
mr_str api_number(mr_str text);
/* `expression` API_CONTAINS("?1"): holds what api_pattern made of a client's text, in any case; % and _ as
 * in LIKE. */
#define API_CONTAINS(param) "LIKE '%%' || " param " || '%%' ESCAPE '\\'"
mr_str api_pattern(struct api_call *call, mr_str text);

/* Who asks: for the audit log. */
#define API_USER MR_STR("rest_api")

/* "The Dag with ID: `x` was not found" */
int api_no_dag(mr_str dag_id, struct mr_error *err);
/* The path's DAG: a reference, the file's or the newest stored version. */
MR_NODISCARD int api_dag(struct api_call *call, mr_str dag_id, struct dag **out, struct mr_error *err);
/* {"<key>": [ … before the items … */
void api_begin_list(struct api_call *call, const char *key);
void api_end_list(struct api_call *call, int64_t total_entries);
