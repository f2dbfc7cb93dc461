/* The verbs of users and ACLs. */
#include "admin/verbs.h"

#include <stdio.h>

/* → users: [{name, super, configured, mechanisms}] */
int admin_user_list(struct admin_call *call, struct mr_error *err)
{
	(void)err;
	struct auth_user *users;
	size_t count = auth_users(call->admin->auth, &call->arena, &users);
	json_key(&call->w, "users");
	json_begin_array(&call->w);
	for (size_t i = 0; i < count; i++) {
		json_begin_object(&call->w);
		json_member_str(&call->w, "name", users[i].name);
		json_member_bool(&call->w, "super", users[i].super);
		json_member_bool(&call->w, "configured", users[i].configured);
		json_member_int(&call->w, "scram_sha_256_iterations", users[i].iterations[SCRAM_SHA_256]);
		json_member_int(&call->w, "scram_sha_512_iterations", users[i].iterations[SCRAM_SHA_512]);
		json_end_object(&call->w);
	}
	json_end_array(&call->w);
	return 0;
}

static bool user_exists(struct admin_call *call, mr_str name)
{
	struct auth_user *users;
	size_t count = auth_users(call->admin->auth, &call->arena, &users);
	for (size_t i = 0; i < count; i++) {
		if (mr_str_eq(users[i].name, name))
			return true;
	}
	return false;
}

/* name, password, super, must_exist (a new password), must_be_new */
int admin_user_put(struct admin_call *call, struct mr_error *err)
{
	mr_str name, password;
	int rc = admin_need(call, "name", &name, err);
	if (rc == 0)
		rc = admin_need(call, "password", &password, err);
	if (rc < 0)
		return rc;
	bool there = user_exists(call, name);
	if (there && json_bool(json_get(call->in, "must_be_new"))) {
		mr_fail(err, MR_ERR_EXISTS, "user %.*s exists already", MR_FMT(name));
		return mr_hint(err, "millrace user passwd %.*s", MR_FMT(name));
	}
	if (!there && json_bool(json_get(call->in, "must_exist"))) {
		mr_fail(err, MR_ERR_NOT_FOUND, "there is no user %.*s", MR_FMT(name));
		return mr_hint(err, "millrace user add %.*s", MR_FMT(name));
	}
	return auth_user_put(call->admin->auth, name, password, json_bool(json_get(call->in, "super")), err);
}

/* name */
int admin_user_remove(struct admin_call *call, struct mr_error *err)
{
	mr_str name;
	int rc = admin_need(call, "name", &name, err);
	return rc < 0 ? rc : auth_user_remove(call->admin->auth, name, err);
}

/* ---- ACLs ---- */

struct word {
	const char *name;
	int8_t otherwise, (*of)(mr_str);
};

static int read_word(const struct admin_call *call, const struct word *word, int8_t *out,
		     struct mr_error *err)
{
	mr_str text = admin_text(call, word->name);
	int8_t value = text.len ? word->of(text) : word->otherwise;
	if (!value)
		return mr_fail(err, MR_ERR_INVALID, "\"%.*s\" is no %s of an ACL", MR_FMT(text), word->name);
	*out = value;
	return 0;
}

/* resource, name, pattern, principal, host, operation, permission by Kafka's words; what is absent is any. */
static int read_acl(const struct admin_call *call, bool filter, struct acl *out, struct mr_error *err)
{
	const struct word resource = {"resource", filter ? ACL_RESOURCE_ANY : 0, acl_resource_of},
			  pattern = {"pattern", filter ? ACL_PATTERN_ANY : ACL_LITERAL, acl_pattern_of},
			  operation = {"operation", filter ? ACL_OPERATION_ANY : 0, acl_operation_of},
			  permission = {"permission", filter ? ACL_PERMISSION_ANY : ACL_ALLOW,
					acl_permission_of};
	mr_str name = admin_text(call, "name"), principal = admin_text(call, "principal"),
	       host = admin_text(call, "host");
	*out = (struct acl){.name = name.len ? name : MR_STR_NULL,
			    .principal = principal.len ? principal : MR_STR_NULL,
			    .host = host.len ? host
				    : filter ? MR_STR_NULL
					     : MR_STR("*")};
	int rc = read_word(call, &resource, &out->resource, err);
	if (rc == 0)
		rc = read_word(call, &pattern, &out->pattern, err);
	if (rc == 0)
		rc = read_word(call, &operation, &out->operation, err);
	if (rc == 0)
		rc = read_word(call, &permission, &out->permission, err);
	return rc;
}

static int put_acls(struct admin_call *call, bool remove, struct mr_error *err)
{
	struct acl filter, *found;
	size_t count;
	int rc = read_acl(call, true, &filter, err);
	if (rc == 0)
		rc = auth_acls(call->admin->auth, &filter, remove, &call->arena, &found, &count, err);
	if (rc < 0)
		return rc;
	json_key(&call->w, "acls");
	json_begin_array(&call->w);
	for (size_t i = 0; i < count; i++) {
		json_begin_object(&call->w);
		json_member_str(&call->w, "principal", found[i].principal);
		json_member_cstr(&call->w, "permission", acl_permission_name(found[i].permission));
		json_member_cstr(&call->w, "operation", acl_operation_name(found[i].operation));
		json_member_cstr(&call->w, "resource", acl_resource_name(found[i].resource));
		json_member_cstr(&call->w, "pattern", acl_pattern_name(found[i].pattern));
		json_member_str(&call->w, "name", found[i].name);
		json_member_str(&call->w, "host", found[i].host);
		json_end_object(&call->w);
	}
	json_end_array(&call->w);
	return 0;
}

/* A filter → acls */
int admin_acl_list(struct admin_call *call, struct mr_error *err)
{
	return put_acls(call, false, err);
}

/* A filter → acls: those that are gone */
int admin_acl_remove(struct admin_call *call, struct mr_error *err)
{
	return put_acls(call, true, err);
}

/* A binding; pattern LITERAL, permission ALLOW, host * unless said. */
int admin_acl_add(struct admin_call *call, struct mr_error *err)
{
	struct acl acl;
	int rc = read_acl(call, false, &acl, err);
	return rc < 0 ? rc : auth_acl_add(call->admin->auth, &acl, err);
}
