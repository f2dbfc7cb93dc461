#include "auth/internal.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include <stdlib.h>

/* ---- life ---- */

static void user_free(struct user *user)
{
	OPENSSL_cleanse(user->credentials, sizeof user->credentials);
	free(user->name);
	free(user);
}

struct user *auth_user_new(struct auth *auth, mr_str name)
{
	struct user *user = mr_calloc(1, sizeof *user);
	user->name = mr_strndup(name);
	mr_map_put(&auth->users, name, user);
	return user;
}

static int check_name(mr_str name, struct mr_error *err)
{
	if (name.len == 0 || name.len > AUTH_NAME_MAX || memchr(name.ptr, 0, name.len) ||
	    mr_str_eq(name, AUTH_ANONYMOUS) || mr_str_is(name, "*"))
		return mr_fail(err, MR_ERR_INVALID, "'%.*s' cannot be a user's name",
			       (int)mr_min_size(name.len, 64), name.ptr);
	return 0;
}

static int check_password(mr_str password, struct mr_error *err)
{
	if (password.len == 0 || password.len > AUTH_PASSWORD_MAX)
		return mr_fail(err, MR_ERR_INVALID, "a password has 1 to %d bytes", AUTH_PASSWORD_MAX);
	return 0;
}

static void make_credentials(struct auth *auth, mr_str password, struct user *user)
{
	for (enum scram_hash hash = SCRAM_SHA_256; hash <= SCRAM_SHA_512; hash++)
		scram_credential_make(hash, password, SCRAM_ITERATIONS_MIN, auth->env->rng,
				      &user->credentials[hash]);
	user->remembered = false;
}

static void set_enforcement(struct auth *auth)
{
	atomic_store(&auth->enforcement, auth->users.len        ? EVERYWHERE
					 : auth->acls.items.len ? WHERE_ACLS_ARE
								: OPEN);
}

static int add_configured(struct auth *auth, const struct auth_user_option *option, struct mr_error *err)
{
	int rc = check_name(option->name, err);
	rc = rc < 0 ? rc : check_password(option->password, err);
	if (rc < 0)
		return rc;
	struct user *user = mr_map_get(&auth->users, option->name);
	if (!user)
		user = auth_user_new(auth, option->name);
	make_credentials(auth, option->password, user);
	user->super = option->super;
	user->configured = true;
	return 0;
}

int auth_open(const struct auth_options *options, struct auth **out, struct mr_error *err)
{
	struct auth *auth = mr_calloc(1, sizeof *auth);
	auth->env = options->env;
	auth->path = options->dir ? mr_asprintf("%s/auth.json", options->dir) : NULL;
	pthread_rwlock_init(&auth->lock, NULL);
	pthread_mutex_init(&auth->quota_lock, NULL);
	for (size_t i = 0; i < sizeof auth->secret; i += 8) {
		uint64_t word = rng_next(auth->env->rng);
		memcpy(auth->secret + i, &word, 8);
	}
	int rc = auth_load(auth, err);
	for (size_t i = 0; rc == 0 && i < options->user_count; i++)
		rc = add_configured(auth, &options->users[i], err);
	if (rc < 0) {
		auth_free(auth);
		return rc;
	}
	set_enforcement(auth);
	*out = auth;
	return 0;
}

void auth_free(struct auth *auth)
{
	if (!auth)
		return;
	mr_map_each (&auth->users, entry)
		user_free(entry->value);
	mr_map_release(&auth->users);
	acl_set_release(&auth->acls);
	quota_set_release(&auth->quotas);
	pthread_rwlock_destroy(&auth->lock);
	pthread_mutex_destroy(&auth->quota_lock);
	OPENSSL_cleanse(auth->secret, sizeof auth->secret);
	free(auth->path);
	free(auth);
}

static enum enforcement enforcement_of(const struct auth *auth)
{
	return (enum enforcement)atomic_load_explicit(&auth->enforcement, memory_order_acquire);
}

bool auth_enforced(const struct auth *auth)
{
	return enforcement_of(auth) == EVERYWHERE;
}

const uint8_t *auth_secret(const struct auth *auth)
{
	return auth->secret;
}

struct mr_rng *auth_rng(const struct auth *auth)
{
	return auth->env->rng;
}

static void read_lock(struct auth *auth)
{
	pthread_rwlock_rdlock(&auth->lock);
}

static void write_lock(struct auth *auth)
{
	pthread_rwlock_wrlock(&auth->lock);
}

static void unlock(struct auth *auth)
{
	pthread_rwlock_unlock(&auth->lock);
}

/* ---- users ---- */

static int refuse_configured(const struct user *user, struct mr_error *err)
{
	mr_fail(err, MR_ERR_INVALID, "user '%s' is set in the configuration", user->name);
	mr_hint(err, "change or remove him there");
	return MR_ERR_INVALID;
}

/* With the write lock: the state is saved, or put back as it was. `was` NULL: the user is new. */
static int save_user(struct auth *auth, struct user *user, const struct user *was, struct mr_error *err)
{
	int rc = auth_save(auth, err);
	if (rc == 0) {
		set_enforcement(auth);
	} else if (was) {
		*user = *was;
	} else {
		mr_map_remove(&auth->users, mr_str_from(user->name));
		user_free(user);
	}
	return rc;
}

/* Find or make a user for a change. Who comes first, and not by configuration, is the super user. */
static int change_begin(struct auth *auth, mr_str name, struct user **user_out, bool *made,
			struct mr_error *err)
{
	struct user *user = mr_map_get(&auth->users, name);
	if (user && user->configured)
		return refuse_configured(user, err);
	if (!user && auth->users.len >= AUTH_USERS_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "there are %d users: no more are taken", AUTH_USERS_MAX);
	*made = !user;
	if (!user) {
		bool first = auth->users.len == 0;
		user = auth_user_new(auth, name);
		user->super = first;
	}
	*user_out = user;
	return 0;
}

int auth_user_put(struct auth *auth, mr_str name, mr_str password, bool super, struct mr_error *err)
{
	int rc = check_name(name, err);
	rc = rc < 0 ? rc : check_password(password, err);
	if (rc < 0)
		return rc;
	/* The work is done before anybody has to wait for it. */
	struct user fresh = {0};
	make_credentials(auth, password, &fresh);
	write_lock(auth);
	struct user *user;
	bool made;
	rc = change_begin(auth, name, &user, &made, err);
	if (rc == 0) {
		struct user was = *user;
		memcpy(user->credentials, fresh.credentials, sizeof fresh.credentials);
		user->remembered = false;
		user->super |= super;
		rc = save_user(auth, user, made ? NULL : &was, err);
	}
	unlock(auth);
	return rc;
}

int auth_user_put_credential(struct auth *auth, mr_str name, enum scram_hash hash,
			     const struct scram_credential *credential, struct mr_error *err)
{
	int rc = check_name(name, err);
	if (rc < 0)
		return rc;
	write_lock(auth);
	struct user *user;
	bool made;
	rc = change_begin(auth, name, &user, &made, err);
	if (rc == 0) {
		struct user was = *user;
		user->credentials[hash] = *credential;
		user->remembered = false;
		rc = save_user(auth, user, made ? NULL : &was, err);
	}
	unlock(auth);
	return rc;
}

static int no_such_user(mr_str name, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOT_FOUND, "there is no user '%.*s' with that credential", MR_FMT(name));
}

/* With the write lock. On a failure to save, the user stays. */
static int remove_user(struct auth *auth, struct user *user, struct mr_error *err)
{
	mr_map_remove(&auth->users, mr_str_from(user->name));
	int rc = auth_save(auth, err);
	if (rc < 0) {
		mr_map_put(&auth->users, mr_str_from(user->name), user);
		return rc;
	}
	set_enforcement(auth);
	user_free(user);
	return 0;
}

int auth_user_drop_credential(struct auth *auth, mr_str name, enum scram_hash hash, struct mr_error *err)
{
	write_lock(auth);
	struct user *user = mr_map_get(&auth->users, name);
	int rc;
	if (!user || user->credentials[hash].iterations == 0) {
		rc = no_such_user(name, err);
	} else if (user->configured) {
		rc = refuse_configured(user, err);
	} else if (user->credentials[SCRAM_SHA_256 + SCRAM_SHA_512 - hash].iterations == 0) {
		rc = remove_user(auth, user, err);
	} else {
		struct user was = *user;
		user->credentials[hash] = (struct scram_credential){0};
		user->remembered = false;
		rc = save_user(auth, user, &was, err);
	}
	unlock(auth);
	return rc;
}

int auth_user_remove(struct auth *auth, mr_str name, struct mr_error *err)
{
	write_lock(auth);
	struct user *user = mr_map_get(&auth->users, name);
	int rc = !user              ? no_such_user(name, err)
		 : user->configured ? refuse_configured(user, err)
				    : remove_user(auth, user, err);
	unlock(auth);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct auth_user *)a)->name.ptr, ((const struct auth_user *)b)->name.ptr);
}

size_t auth_users(struct auth *auth, struct arena *arena, struct auth_user **out)
{
	read_lock(auth);
	size_t count = 0;
	struct auth_user *users = arena_calloc(arena, mr_max_size(auth->users.len, 1), sizeof *users);
	mr_map_each (&auth->users, entry) {
		const struct user *user = entry->value;
		struct auth_user *row = &users[count++];
		row->name = arena_copy(arena, mr_str_from(user->name));
		row->super = user->super;
		row->configured = user->configured;
		for (int i = SCRAM_SHA_256; i <= SCRAM_SHA_512; i++)
			row->iterations[i] = user->credentials[i].iterations;
	}
	unlock(auth);
	qsort(users, count, sizeof *users, by_name);
	*out = users;
	return count;
}

bool auth_credential(struct auth *auth, mr_str name, enum scram_hash hash, struct scram_credential *out)
{
	read_lock(auth);
	const struct user *user = mr_map_get(&auth->users, name);
	bool found = user && user->credentials[hash].iterations > 0;
	if (found)
		*out = user->credentials[hash];
	unlock(auth);
	return found;
}

/* ---- PLAIN ---- */

static void mark_of(const struct auth *auth, mr_str password, uint8_t mark[32])
{
	unsigned len;
	MR_ASSERT(HMAC(EVP_sha256(), auth->secret, sizeof auth->secret, (const unsigned char *)password.ptr,
		       password.len, mark, &len));
}

/* Remember that this password was right: the next connection need not do the work again. */
static void remember(struct auth *auth, mr_str name, const struct scram_credential *checked,
		     const uint8_t mark[32])
{
	write_lock(auth);
	struct user *user = mr_map_get(&auth->users, name);
	if (user && (memcmp(&user->credentials[SCRAM_SHA_256], checked, sizeof *checked) == 0 ||
		     memcmp(&user->credentials[SCRAM_SHA_512], checked, sizeof *checked) == 0)) {
		memcpy(user->password_mark, mark, 32);
		user->remembered = true;
	}
	unlock(auth);
}

int auth_check_password(struct auth *auth, mr_str name, mr_str password, struct mr_error *err)
{
	uint8_t mark[32];
	struct scram_credential credential = {.iterations = SCRAM_ITERATIONS_MIN, .salt_len = 32};
	enum scram_hash hash = SCRAM_SHA_256;
	bool known = false, right = false;
	if (password.len <= AUTH_PASSWORD_MAX) {
		mark_of(auth, password, mark);
		read_lock(auth);
		const struct user *user = mr_map_get(&auth->users, name);
		right = user && user->remembered && CRYPTO_memcmp(user->password_mark, mark, 32) == 0;
		if (user) {
			known = true;
			hash = user->credentials[SCRAM_SHA_256].iterations ? SCRAM_SHA_256 : SCRAM_SHA_512;
			credential = user->credentials[hash];
		}
		unlock(auth);
		/* The work is done for nobody too: the time tells nothing. */
		if (!right && scram_password_matches(hash, &credential, password) && known) {
			right = true;
			remember(auth, name, &credential, mark);
		}
	}
	OPENSSL_cleanse(&credential, sizeof credential);
	return right ? 0 : mr_fail(err, MR_ERR_INVALID, "user or password is wrong");
}

/* ---- what they may do ---- */

#define PRINCIPAL_MAX (AUTH_NAME_MAX + 8)

static mr_str principal_of(mr_str user, char text[PRINCIPAL_MAX])
{
	size_t len = mr_min_size(user.len, AUTH_NAME_MAX);
	memcpy(text, "User:", 5);
	memcpy(text + 5, user.ptr, len);
	return mr_str_n(text, len + 5);
}

static bool is_super(struct auth *auth, mr_str name)
{
	const struct user *user = mr_map_get(&auth->users, name);
	return user && user->super;
}

bool auth_may(struct auth *auth, mr_str user, mr_str host, enum acl_operation operation,
	      enum acl_resource resource, mr_str name)
{
	enum enforcement enforcement = enforcement_of(auth);
	/* While nobody can be super, the cluster stays open: else no ACL could be taken back. */
	if (enforcement == OPEN || (enforcement == WHERE_ACLS_ARE && resource == ACL_CLUSTER))
		return true;
	char text[PRINCIPAL_MAX];
	mr_str principal = principal_of(user, text);
	read_lock(auth);
	bool may = is_super(auth, user) ||
		   (enforcement == WHERE_ACLS_ARE && !acl_found(&auth->acls, resource, name)) ||
		   acl_allows(&auth->acls, principal, host, operation, resource, name);
	unlock(auth);
	return may;
}

bool auth_may_some(struct auth *auth, mr_str user, mr_str host, enum acl_operation operation,
		   enum acl_resource resource)
{
	if (!auth_enforced(auth))
		return true;
	char text[PRINCIPAL_MAX];
	mr_str principal = principal_of(user, text);
	read_lock(auth);
	bool may = is_super(auth, user) || acl_allows_some(&auth->acls, principal, host, operation, resource);
	unlock(auth);
	return may;
}

uint32_t auth_operations(struct auth *auth, mr_str user, mr_str host, enum acl_resource resource, mr_str name)
{
	uint32_t possible = acl_operations_of(resource), may = 0;
	for (int op = ACL_READ; op < ACL_OPERATIONS; op++) {
		if (possible & (1u << op) && auth_may(auth, user, host, op, resource, name))
			may |= 1u << op;
	}
	return may;
}

int auth_acl_add(struct auth *auth, const struct acl *acl, struct mr_error *err)
{
	int rc = acl_check(acl, err);
	if (rc < 0)
		return rc;
	write_lock(auth);
	if (auth->acls.items.len >= AUTH_ACLS_MAX) {
		rc = mr_fail(err, MR_ERR_LIMIT, "there are %d ACLs: no more are taken", AUTH_ACLS_MAX);
	} else if (acl_add(&auth->acls, acl)) {
		rc = auth_save(auth, err);
		if (rc < 0)
			acl_remove(&auth->acls, acl); /* a binding is the filter that matches itself */
		set_enforcement(auth);
	}
	unlock(auth);
	return rc;
}

int auth_acls(struct auth *auth, const struct acl *filter, bool remove, struct arena *arena, struct acl **out,
	      size_t *count, struct mr_error *err)
{
	MR_VEC(struct acl) found = {0};
	int rc = 0;
	remove ? write_lock(auth) : read_lock(auth);
	for (size_t i = 0; i < auth->acls.items.len; i++) {
		struct acl acl = auth->acls.items.items[i];
		if (!acl_matches(&acl, filter))
			continue;
		acl.name = arena_copy(arena, acl.name);
		acl.principal = arena_copy(arena, acl.principal);
		acl.host = arena_copy(arena, acl.host);
		mr_vec_push(&found, acl);
	}
	if (remove && acl_remove(&auth->acls, filter) > 0) {
		rc = auth_save(auth, err);
		for (size_t i = 0; rc < 0 && i < found.len; i++)
			acl_add(&auth->acls, &found.items[i]);
		set_enforcement(auth);
	}
	unlock(auth);
	if (rc == 0) {
		*count = found.len;
		*out = arena_alloc(arena, mr_max_size(found.len, 1) * sizeof **out);
		if (found.len)
			memcpy(*out, found.items, found.len * sizeof **out);
	}
	mr_vec_release(&found);
	return rc;
}

/* ---- how fast ---- */

/* The rate an entity has now; 0 when none is set. With the lock. */
static double rate_of(const struct auth *auth, const struct quota_entity *entity, enum quota_key key)
{
	for (size_t i = 0; i < auth->quotas.items.len; i++) {
		if (quota_entity_same(&auth->quotas.items.items[i].entity, entity))
			return auth->quotas.items.items[i].rate[key];
	}
	return 0;
}

int auth_quota_put(struct auth *auth, const struct quota_entity *entity, enum quota_key key, double rate,
		   struct mr_error *err)
{
	write_lock(auth);
	pthread_mutex_lock(&auth->quota_lock);
	double was = rate_of(auth, entity, key);
	int rc = auth->quotas.items.len >= AUTH_QUOTAS_MAX && rate > 0 && was == 0
		     ? mr_fail(err, MR_ERR_LIMIT, "there are %d quotas: no more are taken", AUTH_QUOTAS_MAX)
		     : quota_put(&auth->quotas, entity, key, rate, err);
	if (rc == 0) {
		rc = auth_save(auth, err);
		if (rc < 0)
			(void)!quota_put(&auth->quotas, entity, key, was, NULL);
	}
	pthread_mutex_unlock(&auth->quota_lock);
	unlock(auth);
	return rc;
}

size_t auth_quotas(struct auth *auth, struct arena *arena, struct quota **out)
{
	read_lock(auth);
	size_t count = auth->quotas.items.len;
	*out = arena_alloc(arena, mr_max_size(count, 1) * sizeof **out);
	for (size_t i = 0; i < count; i++) {
		struct quota *row = &(*out)[i];
		*row = auth->quotas.items.items[i];
		if (row->entity.user.ptr)
			row->entity.user = arena_copy(arena, row->entity.user);
		if (row->entity.client.ptr)
			row->entity.client = arena_copy(arena, row->entity.client);
	}
	unlock(auth);
	return count;
}

int32_t auth_throttle_ms(struct auth *auth, enum quota_key key, mr_str user, mr_str client, size_t bytes)
{
	read_lock(auth);
	int32_t ms = 0;
	if (auth->quotas.items.len) {
		pthread_mutex_lock(&auth->quota_lock);
		ms = quota_take(&auth->quotas, key, user, client, bytes, clock_mono_us(auth->env->clock));
		pthread_mutex_unlock(&auth->quota_lock);
	}
	unlock(auth);
	return ms;
}
