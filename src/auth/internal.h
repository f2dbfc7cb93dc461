/* auth/internal.h - between auth.c, which owns the state, and store.c, which keeps it. */
#pragma once

#include "auth/auth.h"

#include <pthread.h>
#include <stdatomic.h>

struct user {
	char *name;
	bool super;
	bool configured;
	struct scram_credential credentials[3]; /* by scram_hash; iterations 0: none */
	bool remembered;
	uint8_t password_mark[32]; /* HMAC of a password that was right, under the process's secret */
};

enum enforcement { OPEN, WHERE_ACLS_ARE, EVERYWHERE };

struct auth {
	const struct env *env;
	char *path; /* NULL: in memory only */
	uint8_t secret[32];
	pthread_rwlock_t lock;
	atomic_int enforcement; /* what users and acls amount to */
	/* under lock */
	struct mr_map users; /* name -> struct user */
	struct acl_set acls;
	struct quota_set quotas;
	pthread_mutex_t quota_lock; /* of the quotas alone: taking bytes changes them */
};

/* Fills the empty auth from its file; absent is fine. */
int auth_load(struct auth *auth, struct mr_error *err);
/* Replaces the file. With the lock held for writing. */
int auth_save(struct auth *auth, struct mr_error *err);

struct user *auth_user_new(struct auth *auth, mr_str name);
