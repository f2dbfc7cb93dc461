/* task/connection.h - Airflow's connections: a host, who to be there, and extras.
 *
 * Two forms, as in AIRFLOW_CONN_*: a URI (type://login:password@host:port/schema?extra=…, parts
 * percent-encoded, `__extra__` holding JSON) and a JSON object (conn_type, host, login, password,
 * schema, port, extra). Pure; everything lives in the arena.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"

struct connection {
	mr_str id, type, host, login, password, schema;
	int32_t port;      /* 0: none */
	mr_str extra_json; /* an object; {} */
};

MR_NODISCARD int connection_parse(struct arena *arena, mr_str id, mr_str text, struct connection *out,
				  struct mr_error *err);
/* Both append. */
struct mr_buf;
void connection_put_uri(const struct connection *connection, struct mr_buf *out);
void connection_put_json(const struct connection *connection, struct mr_buf *out);
