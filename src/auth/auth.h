/* auth/auth.h - users, what they may do, and how fast: one object that owns all three.
 *
 * Until there is a user everybody is User:ANONYMOUS and may do what no ACL is about (Kafka's
 * allow.everyone.if.no.acl.found); what has an ACL follows it, but for the cluster. From the first
 * user on what no ACL allows is denied. The first user becomes a super user, whom nothing is
 * denied, unless the configuration names users: so nobody locks himself out.
 *
 * Users, ACLs and quotas that are set while the program runs are kept in DIR/auth.json, which is
 * replaced as a whole and synced before a change is acknowledged. Users of the configuration are
 * not kept there and cannot be changed while it names them.
 *
 * Passwords are never kept: a user is his SCRAM credentials, and PLAIN is checked against those.
 *
 * Threading: safe from any thread.
 */
#pragma once

#include "auth/acl.h"
#include "auth/quota.h"
#include "auth/scram.h"
#include "base/error.h"
#include "base/mem.h"
#include "env/env.h"

struct auth;

struct auth_user_option { /* of the configuration */
	mr_str name, password;
	bool super;
};

struct auth_options {
	const struct env *env;
	const char *dir; /* NULL: kept in memory only */
	const struct auth_user_option *users;
	size_t user_count;
};

#define AUTH_USERS_MAX 10000
#define AUTH_ACLS_MAX 100000
#define AUTH_QUOTAS_MAX 10000
#define AUTH_NAME_MAX 255
#define AUTH_PASSWORD_MAX 1024
#define AUTH_ANONYMOUS MR_STR("ANONYMOUS")

MR_NODISCARD int auth_open(const struct auth_options *options, struct auth **out, struct mr_error *err);
void auth_free(struct auth *auth); /* NULL is fine */

/* Is there any user? One atomic read. */
bool auth_enforced(const struct auth *auth);

/* ---- users ---- */

/* Credentials for both hashes. A name that is there gets the new password. */
MR_NODISCARD int auth_user_put(struct auth *auth, mr_str name, mr_str password, bool super,
			       struct mr_error *err);
/* One credential, as AlterUserScramCredentials sets it. */
MR_NODISCARD int auth_user_put_credential(struct auth *auth, mr_str name, enum scram_hash hash,
					  const struct scram_credential *credential, struct mr_error *err);
/* Removes one credential; the user goes with his last. MR_ERR_NOT_FOUND when there is none. */
MR_NODISCARD int auth_user_drop_credential(struct auth *auth, mr_str name, enum scram_hash hash,
					   struct mr_error *err);
MR_NODISCARD int auth_user_remove(struct auth *auth, mr_str name, struct mr_error *err);

struct auth_user {
	mr_str name;
	bool super;
	bool configured;
	int32_t iterations[3]; /* by scram_hash; 0: no such credential */
};
/* By name; the texts live in arena. */
size_t auth_users(struct auth *auth, struct arena *arena, struct auth_user **out);

/* 0 when the password is his. MR_ERR_INVALID, and the same message, for a wrong password and for no
 * such user. The first time some milliseconds of work. */
MR_NODISCARD int auth_check_password(struct auth *auth, mr_str name, mr_str password, struct mr_error *err);
/* Copies the credential; false when there is none. */
bool auth_credential(struct auth *auth, mr_str name, enum scram_hash hash, struct scram_credential *out);
/* The process's own secret, for salts of users who do not exist. */
const uint8_t *auth_secret(const struct auth *auth);
struct mr_rng *auth_rng(const struct auth *auth);

/* ---- what they may do ---- */

/* user: a name as auth_user has it, or AUTH_ANONYMOUS; host: an address. See above for when there is no user.
 */
bool auth_may(struct auth *auth, mr_str user, mr_str host, enum acl_operation operation,
	      enum acl_resource resource, mr_str name);
bool auth_may_some(struct auth *auth, mr_str user, mr_str host, enum acl_operation operation,
		   enum acl_resource resource);
/* The operations on a resource that he may do: bits 1 << operation. */
uint32_t auth_operations(struct auth *auth, mr_str user, mr_str host, enum acl_resource resource,
			 mr_str name);

MR_NODISCARD int auth_acl_add(struct auth *auth, const struct acl *acl, struct mr_error *err);
/* What the filter matches: copied into arena. With `remove` they are gone as well, durably. */
MR_NODISCARD int auth_acls(struct auth *auth, const struct acl *filter, bool remove, struct arena *arena,
			   struct acl **out, size_t *count, struct mr_error *err);

/* ---- how fast ---- */

MR_NODISCARD int auth_quota_put(struct auth *auth, const struct quota_entity *entity, enum quota_key key,
				double rate, struct mr_error *err);
size_t auth_quotas(struct auth *auth, struct arena *arena, struct quota **out);
int32_t auth_throttle_ms(struct auth *auth, enum quota_key key, mr_str user, mr_str client, size_t bytes);
