#include "query/script.h"

int script_run(struct session_pool *pool, mr_str text, const char *format, int width, render_put_fn put,
	       void *arg, struct mr_error *err)
{
	struct render_options options = {.width = width};
	int rc = render_format_parse(mr_str_from(format), &options.format, err);
	if (rc < 0)
		return rc;
	struct session *session;
	rc = session_take(pool, &session, err);
	if (rc < 0)
		return rc;
	struct sql_result *result;
	while ((rc = session_run(session, &text, &result, err)) > 0) {
		rc = sql_result_is_query(result) ? render(result, &options, put, arg, err) : 0;
		sql_result_free(result);
		if (rc < 0)
			break;
	}
	session_give(pool, session);
	return rc;
}
