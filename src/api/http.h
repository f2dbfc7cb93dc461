/* api/http.h - /api/v2 over HTTP. */
#pragma once

#include "api/dags.h"
#include "http/server.h"

#define API_PREFIX "/api/v2"

/* request->path begins with API_PREFIX. dags NULL: the project has none, and the answer says so. */
void api_handle_http(struct dags *dags, const struct http_request *request, struct http_reply *reply);
