#include "broker/group_config.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX ((size_t)4 << 20)
#define GROUP_NAME_MAX 1024 /* of a group that has configurations */
#define TEXT_MAX 64

/* With Kafka's defaults and bounds: of the type (key.least), and narrower ones that a broker of Kafka's
 * has in configurations of its own. `synonym` is the broker's name for the default. */
static const struct group_key {
	struct config_key key;
	const char *synonym;
	int64_t least, most; /* both 0: any */
} keys[] = {
    {{"consumer.heartbeat.interval.ms", CONFIG_INT, "5000", 1, INT32_MAX, NULL, NULL,
      "How often members of the consumer protocol call."},
     "group.consumer.heartbeat.interval.ms",
     5000,
     15000},
    {{"consumer.session.timeout.ms", CONFIG_INT, "45000", 1, INT32_MAX, NULL, NULL,
      "After this silence a member of the consumer protocol is gone."},
     "group.consumer.session.timeout.ms",
     45000,
     60000},
    {{"share.auto.offset.reset", CONFIG_STRING, "latest", 0, 0, NULL, NULL,
      "Where a share group begins: earliest, latest, or by_duration: and a time back."},
     "share.auto.offset.reset"},
    {{"share.delivery.count.limit", CONFIG_INT, "5", 2, INT32_MAX, NULL, NULL,
      "How often a record is delivered before it is given up."},
     "group.share.delivery.count.limit",
     2,
     10},
    {{"share.heartbeat.interval.ms", CONFIG_INT, "5000", 1, INT32_MAX, NULL, NULL,
      "How often members of a share group call."},
     "group.share.heartbeat.interval.ms",
     5000,
     15000},
    {{"share.isolation.level", CONFIG_STRING, "read_uncommitted", 0, 0, "read_committed read_uncommitted",
      NULL, "Whether records of transactions wait for their end."},
     "share.isolation.level"},
    {{"share.partition.max.record.locks", CONFIG_INT, "2000", 100, INT32_MAX, NULL, NULL,
      "How many records of a partition may be in flight."},
     "group.share.partition.max.record.locks",
     100,
     4000},
    {{"share.record.lock.duration.ms", CONFIG_INT, "30000", 1000, INT32_MAX, NULL, NULL,
      "How long a delivered record is one member's alone."},
     "group.share.record.lock.duration.ms",
     15000,
     60000},
    {{"share.renew.acknowledge.enable", CONFIG_BOOLEAN, "true", 0, 0, NULL, NULL,
      "Members may have more time for a record."},
     "share.renew.acknowledge.enable"},
    {{"share.session.timeout.ms", CONFIG_INT, "45000", 1, INT32_MAX, NULL, NULL,
      "After this silence a member of a share group is gone."},
     "group.share.session.timeout.ms",
     45000,
     60000},
};

struct group_values {
	char *of[MR_COUNT(keys)]; /* NULL: not set */
};

struct group_configs {
	const struct env *env;
	char *path;
	pthread_mutex_t alter_lock; /* one alteration at a time; taken before `lock` */
	pthread_mutex_t lock;
	struct mr_map by_group; /* -> struct group_values */
};

static const struct group_key *find_key(mr_str name)
{
	for (size_t i = 0; i < MR_COUNT(keys); i++) {
		if (mr_str_is(name, keys[i].key.name))
			return &keys[i];
	}
	return NULL;
}

static void values_free(struct group_values *values)
{
	for (size_t i = 0; values && i < MR_COUNT(keys); i++)
		free(values->of[i]);
	free(values);
}

/* ---- durations: ISO 8601 of days, hours, minutes, seconds ---- */

static bool take_number(mr_str *rest, double *out)
{
	char digits[24];
	size_t n = 0;
	while (n < rest->len && n + 1 < sizeof digits && strchr("0123456789.", rest->ptr[n]))
		n++;
	memcpy(digits, rest->ptr, n);
	digits[n] = 0;
	*rest = mr_str_tail(*rest, n);
	char *end;
	*out = strtod(digits, &end);
	return n > 0 && *end == 0;
}

bool group_config_duration(mr_str value, int64_t *ms)
{
	static const struct {
		char unit;
		bool time; /* after the T */
		double ms;
	} units[] = {{'D', false, 86400e3}, {'H', true, 3600e3}, {'M', true, 60e3}, {'S', true, 1e3}};
	const mr_str prefix = MR_STR("by_duration:P");
	if (!mr_str_starts(value, prefix) || value.len == prefix.len || value.len > TEXT_MAX)
		return false;
	mr_str rest = mr_str_tail(value, prefix.len);
	bool time = false;
	double sum = 0, number;
	size_t next = 0;
	while (rest.len) {
		if (!time && rest.ptr[0] == 'T' && rest.len > 1) {
			time = true;
			rest = mr_str_tail(rest, 1);
		}
		if (!take_number(&rest, &number) || !rest.len)
			return false;
		while (next < MR_COUNT(units) &&
		       (units[next].unit != rest.ptr[0] || units[next].time != time))
			next++;
		if (next == MR_COUNT(units))
			return false;
		sum += number * units[next++].ms;
		rest = mr_str_tail(rest, 1);
	}
	*ms = (int64_t)sum;
	return sum < 1e15;
}

static int check(const struct group_key *group_key, mr_str value, struct mr_error *err)
{
	const struct config_key *key = &group_key->key;
	int64_t ms;
	if (strcmp(key->name, "share.auto.offset.reset") != 0) {
		int rc = config_key_check(key, value, err);
		bool fits = rc < 0 || !group_key->most ||
			    (config_int(value) >= group_key->least && config_int(value) <= group_key->most);
		return fits ? rc
			    : mr_fail(err, MR_ERR_INVALID, "%s must be in the range %lld to %lld inclusive.",
				      key->name, (long long)group_key->least, (long long)group_key->most);
	}
	if (mr_str_is(value, "earliest") || mr_str_is(value, "latest") || group_config_duration(value, &ms))
		return 0;
	int shown = (int)mr_min_size(value.len, TEXT_MAX);
	return mr_fail(err, MR_ERR_INVALID,
		       "Invalid value %.*s for configuration %s: Invalid value `%.*s` for configuration %s. "
		       "The value must be either 'earliest', 'latest' or of the format "
		       "'by_duration:<PnDTnHnMn.nS>'.",
		       shown, value.ptr, key->name, shown, value.ptr, key->name);
}

/* ---- the file ---- */

static void read_line(struct group_configs *configs, mr_str line)
{
	const char *equals = memrchr(line.ptr, '=', line.len);
	const char *space = equals ? memrchr(line.ptr, ' ', (size_t)(equals - line.ptr)) : NULL;
	if (!space)
		return;
	mr_str group = mr_str_n(line.ptr, (size_t)(space - line.ptr));
	const struct group_key *key = find_key(mr_str_n(space + 1, (size_t)(equals - space - 1)));
	mr_str value = mr_str_tail(line, (size_t)(equals - line.ptr) + 1);
	if (!key || check(key, value, NULL) < 0)
		return;
	struct group_values *values = mr_map_get(&configs->by_group, group);
	if (!values)
		mr_map_put(&configs->by_group, group, values = mr_calloc(1, sizeof *values));
	free(values->of[key - keys]);
	values->of[key - keys] = mr_strndup(value);
}

static int read_file(struct group_configs *configs, struct mr_error *err)
{
	struct mr_buf text = {0};
	int rc = configs->path ? disk_read_file(configs->env->disk, configs->path, FILE_MAX, &text, err) : 0;
	for (mr_str rest = mr_buf_view(&text); rc == 0 && rest.len;) {
		const char *end = memchr(rest.ptr, '\n', rest.len);
		mr_str line = mr_str_n(rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len);
		rest = mr_str_tail(rest, mr_min_size(line.len + 1, rest.len));
		read_line(configs, line);
	}
	mr_buf_release(&text);
	return rc == MR_ERR_NOT_FOUND ? 0 : rc;
}

static void print(struct mr_buf *text, mr_str group, const struct group_values *values)
{
	for (size_t i = 0; i < MR_COUNT(keys); i++) {
		if (values->of[i])
			mr_buf_printf(text, "%.*s %s=%s\n", MR_FMT(group), keys[i].key.name, values->of[i]);
	}
}

static int write_file(struct group_configs *configs, mr_str group, const struct group_values *values,
		      struct mr_error *err)
{
	if (!configs->path)
		return 0;
	struct mr_buf text;
	mr_buf_init(&text, FILE_MAX);
	mr_map_each (&configs->by_group, each) {
		mr_str name = mr_str_n(each->key, each->key_len);
		if (!mr_str_eq(name, group))
			print(&text, name, each->value);
	}
	print(&text, group, values);
	int rc = text.overflow
		     ? mr_fail(err, MR_ERR_LIMIT, "%s: configurations of too many groups", configs->path)
		     : disk_replace_file(configs->env->disk, configs->path, mr_buf_view(&text), err);
	mr_buf_release(&text);
	return rc;
}

int group_configs_open(const struct env *env, const char *path, struct group_configs **out,
		       struct mr_error *err)
{
	struct group_configs *configs = mr_calloc(1, sizeof *configs);
	configs->env = env;
	configs->path = path ? mr_strdup(path) : NULL;
	pthread_mutex_init(&configs->alter_lock, NULL);
	pthread_mutex_init(&configs->lock, NULL);
	int rc = read_file(configs, err);
	if (rc < 0)
		group_configs_free(configs);
	else
		*out = configs;
	return rc;
}

void group_configs_free(struct group_configs *configs)
{
	if (!configs)
		return;
	mr_map_each (&configs->by_group, each)
		values_free(each->value);
	mr_map_release(&configs->by_group);
	pthread_mutex_destroy(&configs->alter_lock);
	pthread_mutex_destroy(&configs->lock);
	free(configs->path);
	free(configs);
}

/* ---- looking ---- */

void group_config_text(struct group_configs *configs, mr_str group, const char *name, const char *preset,
		       char *out, size_t size)
{
	const struct group_key *key = find_key(mr_str_from(name));
	MR_ASSERT(key);
	pthread_mutex_lock(&configs->lock);
	const struct group_values *values = mr_map_get(&configs->by_group, group);
	const char *value = values ? values->of[key - keys] : NULL;
	snprintf(out, size, "%s", value ? value : preset);
	pthread_mutex_unlock(&configs->lock);
}

int64_t group_config_int(struct group_configs *configs, mr_str group, const char *name, int64_t preset)
{
	char value[TEXT_MAX];
	group_config_text(configs, group, name, "", value, sizeof value);
	return value[0] ? config_int(mr_str_from(value)) : preset;
}

size_t group_config_entries(struct group_configs *configs, mr_str group, struct arena *arena,
			    struct config_entry **out)
{
	*out = arena_calloc(arena, MR_COUNT(keys), sizeof **out);
	pthread_mutex_lock(&configs->lock);
	const struct group_values *values = mr_map_get(&configs->by_group, group);
	for (size_t i = 0; i < MR_COUNT(keys); i++) {
		struct config_entry *entry = &(*out)[i];
		const char *set = values ? values->of[i] : NULL;
		*entry = (struct config_entry){
		    .key = &keys[i].key,
		    .value = mr_str_from(set ? arena_strdup(arena, set) : keys[i].key.preset),
		    .source = set ? CONFIG_FROM_GROUP : CONFIG_FROM_DEFAULT,
		};
		if (set)
			entry->synonyms[entry->synonym_count++] =
			    (struct config_synonym){keys[i].key.name, entry->value, CONFIG_FROM_GROUP};
		entry->synonyms[entry->synonym_count++] = (struct config_synonym){
		    keys[i].synonym, mr_str_from(keys[i].key.preset), CONFIG_FROM_DEFAULT};
	}
	pthread_mutex_unlock(&configs->lock);
	return MR_COUNT(keys);
}

size_t group_config_groups(struct group_configs *configs, struct arena *arena, mr_str **out)
{
	size_t count = 0;
	pthread_mutex_lock(&configs->lock);
	*out = arena_calloc(arena, configs->by_group.len + 1, sizeof **out);
	mr_map_each (&configs->by_group, each)
		(*out)[count++] = arena_copy(arena, mr_str_n(each->key, each->key_len));
	pthread_mutex_unlock(&configs->lock);
	return count;
}

/* ---- altering ---- */

static int change_one(struct group_values *values, const struct config_change *change, struct mr_error *err)
{
	const struct group_key *key = find_key(change->name);
	if (!key)
		return mr_fail(err, MR_ERR_INVALID, "Unknown group config name: %.*s",
			       (int)mr_min_size(change->name.len, 200), change->name.ptr);
	char **slot = &values->of[key - keys];
	bool set = change->op != CONFIG_DELETE && change->value.ptr;
	if (set && change->op != CONFIG_SET)
		return config_not_list(&key->key, change->op, err);
	int rc = set ? check(key, change->value, err) : 0;
	if (rc < 0)
		return rc;
	free(*slot);
	*slot = set ? mr_strndup(change->value) : NULL;
	return 0;
}

static int check_name(mr_str group, struct mr_error *err)
{
	if (!group.len || group.len > GROUP_NAME_MAX)
		return mr_fail(err, MR_ERR_INVALID, "a group with configurations has a name of 1 to %d bytes",
			       GROUP_NAME_MAX);
	for (size_t i = 0; i < group.len; i++) {
		if (group.ptr[i] == '\n' || group.ptr[i] == 0)
			return mr_fail(err, MR_ERR_INVALID, "the group's name has a line break in it");
	}
	return 0;
}

static struct group_values *copy_values(const struct group_values *from)
{
	struct group_values *values = mr_calloc(1, sizeof *values);
	for (size_t i = 0; from && i < MR_COUNT(keys); i++)
		values->of[i] = from->of[i] ? mr_strdup(from->of[i]) : NULL;
	return values;
}

static void publish(struct group_configs *configs, mr_str group, struct group_values *values)
{
	bool any = false;
	for (size_t i = 0; i < MR_COUNT(keys); i++)
		any |= values->of[i] != NULL;
	pthread_mutex_lock(&configs->lock);
	if (any)
		values_free(mr_map_put(&configs->by_group, group, values));
	else
		values_free(mr_map_remove(&configs->by_group, group));
	pthread_mutex_unlock(&configs->lock);
	if (!any)
		values_free(values);
}

int group_config_alter(struct group_configs *configs, mr_str group, const struct config_change *changes,
		       size_t count, bool replace, bool validate_only, struct mr_error *err)
{
	int rc = check_name(group, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&configs->alter_lock);
	struct group_values *values = copy_values(replace ? NULL : mr_map_get(&configs->by_group, group));
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = change_one(values, &changes[i], err);
	if (rc == 0 && !validate_only)
		rc = write_file(configs, group, values, err);
	if (rc == 0 && !validate_only)
		publish(configs, group, values);
	else
		values_free(values);
	pthread_mutex_unlock(&configs->alter_lock);
	return rc;
}
