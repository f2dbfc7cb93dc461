/* DescribeAcls (29), versions 1-3: the bindings that a filter matches, by resource. */
#include "kafka/handle_acls.h"
#include "kafka/handler.h"

static bool same_resource(const struct acl *a, const struct acl *b)
{
	return a->resource == b->resource && a->pattern == b->pattern && mr_str_eq(a->name, b->name);
}

static int by_resource(const void *a, const void *b)
{
	const struct acl *x = a, *y = b;
	if (x->resource != y->resource)
		return x->resource - y->resource;
	if (x->pattern != y->pattern)
		return x->pattern - y->pattern;
	int order = memcmp(x->name.ptr, y->name.ptr, mr_min_size(x->name.len, y->name.len));
	return order ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

static void put_resource(struct request *r, const struct acl *acls, size_t count,
			 struct describe_acls_resource *out)
{
	out->resource_type = acls->resource;
	out->resource_name = acls->name;
	out->pattern_type = acls->pattern;
	request_array(r, &out->acls, count);
	for (size_t i = 0; i < count; i++)
		out->acls.items[i] = (struct describe_acls_entry){acls[i].principal, acls[i].host,
								  acls[i].operation, acls[i].permission};
}

enum step describe_acls_step(struct request *r)
{
	struct describe_acls_response *out = r->out;
	struct acl filter, *acls;
	size_t count;
	struct mr_error err;
	out->error_code = acls_refused(r, ACL_DESCRIBE, &out->error_message);
	if (out->error_code != KE_NONE)
		return STEP_DONE;
	acls_filter(r->in, &filter);
	int rc = auth_acls(request_core(r)->auth, &filter, false, &r->arena, &acls, &count, &err);
	if (rc < 0) {
		out->error_code = request_code(r, kafka_error_of(rc, ON_TOPIC));
		return STEP_DONE;
	}
	qsort(acls, count, sizeof *acls, by_resource);
	request_array(r, &out->resources, count); /* as many as there can be */
	out->resources.count = 0;
	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && same_resource(&acls[i], &acls[i + n]); n++)
			;
		put_resource(r, &acls[i], n, &out->resources.items[out->resources.count++]);
	}
	return STEP_DONE;
}
