/* task/vault.h - variables and connections, and what of them is secret.
 *
 * Looked up in the environment first (MILLRACE_VAR_NAME, AIRFLOW_VAR_NAME, MILLRACE_CONN_ID,
 * AIRFLOW_CONN_ID; names in capitals), then in FOLDER/vault: JSON, sealed with AES-256-GCM under the
 * key of FOLDER/vault.key (32 random bytes, made with mode 0600 when absent; keep a copy elsewhere).
 *
 *   vault file: "MRVAULT1" | 12 bytes nonce, fresh at every write | ciphertext | 16 bytes tag
 *
 * Secret are: connections' passwords and the strings in their extras and the variables whose names
 * say so (password, token, secret, …: Airflow's list). Whoever writes a log masks them.
 *
 * Durability: a change is on disk when its call returns; the file is replaced as a whole.
 * Threading: safe from any thread.
 */
#pragma once

#include "env/env.h"
#include "task/connection.h"

struct vault;

#define VAULT_BYTES_MAX ((size_t)16 << 20)

MR_NODISCARD int vault_open(const struct env *env, const char *folder, struct vault **out,
			    struct mr_error *err);
void vault_free(struct vault *vault); /* NULL is fine */

/* Appends to out. 1: there is none of that name. */
MR_NODISCARD int vault_variable(struct vault *vault, mr_str name, struct mr_buf *out, struct mr_error *err);
MR_NODISCARD int vault_connection(struct vault *vault, mr_str id, struct arena *arena, struct connection *out,
				  struct mr_error *err);

/* text NULL: remove. A connection's text is checked. */
MR_NODISCARD int vault_set_variable(struct vault *vault, mr_str name, const mr_str *text,
				    struct mr_error *err);
MR_NODISCARD int vault_set_connection(struct vault *vault, mr_str id, const mr_str *text,
				      struct mr_error *err);

/* Names in the vault (not of the environment), in order. fn returns non-zero to end. */
void vault_list(struct vault *vault, bool connections, int (*fn)(void *arg, mr_str name), void *arg);

bool vault_name_is_secret(mr_str name);
/* Every secret value that the vault and the environment hold, copied into the arena. */
size_t vault_secrets(struct vault *vault, struct arena *arena, mr_str **out);
