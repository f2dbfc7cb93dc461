#include "api/http.h"

#include "api/call.h"

#define PARAMS_MAX 128

struct params {
	struct api_param items[PARAMS_MAX];
	size_t count;
};

static void take_param(void *arg, const char *name, const char *value)
{
	struct params *params = arg;
	if (params->count < PARAMS_MAX)
		params->items[params->count++] =
		    (struct api_param){mr_str_from(name), mr_str_from(value ? value : "")};
}

void api_handle_http(struct dags *dags, const struct http_request *request, struct http_reply *reply)
{
	struct params params = {.count = 0};
	if (!dags) {
		reply->status = 404;
		mr_buf_cstr(&reply->body,
			    "{\"detail\":\"This project has no DAGs\",\"hint\":\"make its folder "
			    "dags/ and start it again\"}");
		return;
	}
	http_each_param(request, take_param, &params);
	struct api_request call = {.method = request->method,
				   .path = mr_str_tail(request->path, strlen(API_PREFIX)),
				   .body = request->body,
				   .params = params.items,
				   .param_count = params.count};
	struct api_reply answer = {.status = 200};
	api_handle(dags, &call, &answer);
	reply->status = answer.status;
	reply->content_type = answer.content_type;
	reply->body = answer.body;
	reply->stream = answer.stream;
	reply->stream_arg = answer.stream_arg;
}
