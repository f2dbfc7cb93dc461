/* broker/group_config.h - configurations of groups, by Kafka's names: what IncrementalAlterConfigs sets
 * on a resource of type GROUP. A group need not exist to have some.
 *
 * Durability: kept in one file, lines "group name=value", replaced atomically before an alteration
 * is told. Threading: safe from any thread.
 */
#pragma once

#include "base/mem.h"
#include "broker/config_key.h"
#include "env/env.h"

struct group_configs;

/* path: the file; NULL: alterations are not kept. */
MR_NODISCARD int group_configs_open(const struct env *env, const char *path, struct group_configs **out,
				    struct mr_error *err);
void group_configs_free(struct group_configs *configs); /* NULL is fine */

/* What was set of it for the group, else `preset`. The name is one of the table's. */
int64_t group_config_int(struct group_configs *configs, mr_str group, const char *name, int64_t preset);
/* The same of a text, cut to size - 1 bytes. */
void group_config_text(struct group_configs *configs, mr_str group, const char *name, const char *preset,
		       char *out, size_t size);
/* "by_duration:PT1H" and its like, in ms; false for another word. */
bool group_config_duration(mr_str value, int64_t *ms);

/* Every key as it holds for the group; the array and its strings come from the arena. */
size_t group_config_entries(struct group_configs *configs, mr_str group, struct arena *arena,
			    struct config_entry **out);
/* The groups that have any; from the arena. */
size_t group_config_groups(struct group_configs *configs, struct arena *arena, mr_str **out);

/* All of it or nothing; durable on return. replace: what is not named goes back to its default.
 * MR_ERR_INVALID for an unknown name or a bad value. */
MR_NODISCARD int group_config_alter(struct group_configs *configs, mr_str group,
				    const struct config_change *changes, size_t count, bool replace,
				    bool validate_only, struct mr_error *err);
