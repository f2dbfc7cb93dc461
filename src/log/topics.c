/* log/topics.c - which topics there are, durably.
 *
 * DIR/topics/<name> holds one topic as "key: value" lines, replaced atomically:
 *
 *   version: 1              partitions: 6            segment_bytes: 1073741824
 *   id: <32 hex digits>     retention_ms: -1         ... one line for each field of the config
 *   state: live             (or "deleting": the folders are being removed)
 *   set: retention.ms=-1    one line for each of its settings
 *
 * The file is the truth. A topic exists once its file does; partition folders are made after it
 * and again at start when a crash took them. A deletion writes "deleting" first, then removes the
 * folders, then the file; a start finishes what a crash interrupted. Folders that belong to no
 * topic are left alone.
 */
#include "log/store.h"

#include "base/mem.h"
#include "codec/batch.h"

#include <errno.h>
#include <stdlib.h>

enum { TOPIC_FILE_MAX = LOG_SETTINGS_MAX + 4096 };

/* The fields of the config that are plain numbers. */
struct number_field {
	const char *name;
	size_t at, size;
	int64_t least, most;
};

#define FIELD(name, least, most) \
	{ \
#name, offsetof(struct log_topic_config, name), \
		    sizeof(((struct log_topic_config *)0)->name), least, most \
	}
static const struct number_field number_fields[] = {
    FIELD(partitions, 1, LOG_PARTITIONS_MAX),
    FIELD(retention_ms, -1, INT64_MAX),
    FIELD(retention_bytes, -1, INT64_MAX),
    FIELD(segment_bytes, 64 << 10, SEGMENT_SIZE_MAX),
    FIELD(segment_ms, 1, INT64_MAX),
    FIELD(max_message_bytes, LOG_MESSAGE_BYTES_LEAST, LOG_MESSAGE_BYTES_MOST),
    FIELD(log_append_time, 0, 1),
    FIELD(durability, LOG_DURABLE, LOG_RELAXED),
    FIELD(cleanup_policy, LOG_CLEANUP_DELETE, LOG_CLEANUP_DELETE | LOG_CLEANUP_COMPACT),
    FIELD(min_cleanable_dirty_ppm, 0, 1000000),
    FIELD(min_compaction_lag_ms, 0, INT64_MAX),
    FIELD(max_compaction_lag_ms, 1, INT64_MAX),
    FIELD(delete_retention_ms, 0, INT64_MAX),
    FIELD(compression, LOG_COMPRESSION_PRODUCER, BATCH_CODEC_COUNT - 1),
    FIELD(timestamp_before_max_ms, 0, INT64_MAX),
    FIELD(timestamp_after_max_ms, 0, INT64_MAX),
};

static int64_t field_get(const struct log_topic_config *config, const struct number_field *field)
{
	const char *at = (const char *)config + field->at;
	int64_t wide;
	int32_t narrow;
	if (field->size == sizeof wide)
		return memcpy(&wide, at, sizeof wide), wide;
	if (field->size == sizeof narrow)
		return memcpy(&narrow, at, sizeof narrow), narrow;
	return *(const bool *)at;
}

static void field_set(struct log_topic_config *config, const struct number_field *field, int64_t value)
{
	char *at = (char *)config + field->at;
	int32_t narrow = (int32_t)value;
	if (field->size == sizeof value)
		memcpy(at, &value, sizeof value);
	else if (field->size == sizeof narrow)
		memcpy(at, &narrow, sizeof narrow);
	else
		*(bool *)at = value != 0;
}

void log_topic_config_default(struct log_topic_config *config)
{
	*config = (struct log_topic_config){
	    .partitions = 1,
	    .retention_ms = 7LL * 24 * 3600 * 1000,
	    .retention_bytes = -1,
	    .segment_bytes = 1 << 30,
	    .segment_ms = 7LL * 24 * 3600 * 1000,
	    .max_message_bytes = 1048588,
	    .durability = LOG_DURABLE,
	    .cleanup_policy = LOG_CLEANUP_DELETE,
	    .min_cleanable_dirty_ppm = 500000,
	    .max_compaction_lag_ms = INT64_MAX,
	    .delete_retention_ms = 24LL * 3600 * 1000,
	    .compression = LOG_COMPRESSION_PRODUCER,
	    .timestamp_before_max_ms = INT64_MAX,
	    .timestamp_after_max_ms = 3600LL * 1000,
	};
}

/* The text is copied: readers of older settings keep them. Before others see the topic, or locked. */
static void take_config(struct log_topic *topic, const struct log_topic_config *config)
{
	const char *now = topic->config.settings;
	size_t size = config->settings ? strlen(config->settings) + 1 : 0;
	bool same = now && size && strcmp(now, config->settings) == 0;
	topic->config = *config;
	topic->config.settings = same ? now : NULL;
	if (size <= 1 || same)
		return;
	struct settings *settings = mr_alloc(sizeof *settings + size);
	memcpy(settings->text, config->settings, size);
	settings->older = topic->settings;
	topic->settings = settings;
	topic->config.settings = settings->text;
}

static int check_config(mr_str name, const struct log_topic_config *config, struct mr_error *err)
{
	if (config->settings && strlen(config->settings) > LOG_SETTINGS_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "topic %.*s: its settings take more than %d bytes",
			       MR_FMT(name), LOG_SETTINGS_MAX);
	for (size_t i = 0; i < MR_COUNT(number_fields); i++) {
		const struct number_field *field = &number_fields[i];
		int64_t value = field_get(config, field);
		if (value < field->least || value > field->most)
			return mr_fail(err, MR_ERR_INVALID, "topic %.*s: %s=%lld is not within %lld..%lld",
				       MR_FMT(name), field->name, (long long)value, (long long)field->least,
				       (long long)field->most);
	}
	return 0;
}

static int check_name(mr_str name, struct mr_error *err)
{
	bool good =
	    name.len > 0 && name.len <= LOG_TOPIC_NAME_MAX && !mr_str_is(name, ".") && !mr_str_is(name, "..");
	for (size_t i = 0; i < name.len && good; i++) {
		char c = name.ptr[i];
		good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		       c == '.' || c == '_' || c == '-';
	}
	if (good)
		return 0;
	mr_fail(err, MR_ERR_INVALID, "\"%.*s\" is no topic name", MR_FMT(name));
	return err ? mr_hint(err, "1 to %d of a-z A-Z 0-9 . _ -", LOG_TOPIC_NAME_MAX) : MR_ERR_INVALID;
}

static char *topic_path(const struct log_store *store, const char *name)
{
	return mr_asprintf("%s/topics/%s", store->dir, name);
}

static bool next_line(mr_str *rest, mr_str *line)
{
	if (rest->len == 0)
		return false;
	const char *end = memchr(rest->ptr, '\n', rest->len);
	*line = mr_str_n(rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len);
	*rest = mr_str_tail(*rest, line->len + 1);
	return true;
}

static int write_topic(const struct log_topic *topic, const struct log_topic_config *config,
		       const char *state, struct mr_error *err)
{
	struct mr_buf text = {0};
	mr_buf_cstr(&text, "version: 1\nid: ");
	for (int i = 0; i < 16; i++)
		mr_buf_printf(&text, "%02x", topic->id[i]);
	mr_buf_printf(&text, "\nstate: %s\n", state);
	for (size_t i = 0; i < MR_COUNT(number_fields); i++)
		mr_buf_printf(&text, "%s: %lld\n", number_fields[i].name,
			      (long long)field_get(config, &number_fields[i]));
	mr_str rest = mr_str_from(config->settings), line;
	while (next_line(&rest, &line))
		mr_buf_printf(&text, "set: %.*s\n", MR_FMT(line));
	char *path = topic_path(topic->store, topic->name);
	int rc = disk_replace_file(topic->store->env->disk, path, mr_buf_view(&text), err);
	free(path);
	mr_buf_release(&text);
	return rc;
}

static bool parse_id(mr_str hex, uint8_t id[16])
{
	if (hex.len != 32)
		return false;
	for (size_t i = 0; i < 32; i++) {
		const char *digits = "0123456789abcdef";
		const char *found = memchr(digits, hex.ptr[i], 16);
		if (!found)
			return false;
		id[i / 2] = (uint8_t)(id[i / 2] << 4 | (found - digits));
	}
	return true;
}

static bool parse_number(mr_str text, int64_t *out)
{
	char copy[24];
	if (text.len == 0 || text.len >= sizeof copy)
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = 0;
	char *end;
	errno = 0;
	*out = strtoll(copy, &end, 10);
	return errno == 0 && *end == 0;
}

struct topic_file {
	struct log_topic_config config;
	struct mr_buf settings;
	bool deleting, has_id;
};

/* One "key: value" line; false when it is none. Unknown keys are a later version's: ignored. */
static bool parse_line(mr_str line, struct log_topic *topic, struct topic_file *file)
{
	const char *colon = memchr(line.ptr, ':', line.len);
	if (!colon || colon + 2 > line.ptr + line.len)
		return false;
	mr_str key = {line.ptr, (size_t)(colon - line.ptr)};
	mr_str value = mr_str_tail(line, key.len + 2);
	if (mr_str_is(key, "id"))
		return file->has_id = parse_id(value, topic->id);
	if (mr_str_is(key, "state"))
		file->deleting = mr_str_is(value, "deleting");
	if (mr_str_is(key, "set")) {
		mr_buf_str(&file->settings, value);
		mr_buf_char(&file->settings, '\n');
	}
	for (size_t i = 0; i < MR_COUNT(number_fields); i++) {
		int64_t number;
		if (!mr_str_is(key, number_fields[i].name))
			continue;
		if (!parse_number(value, &number))
			return false;
		field_set(&file->config, &number_fields[i], number);
	}
	return true;
}

static int read_topic(struct log_topic *topic, bool *deleting, struct mr_error *err)
{
	char *path = topic_path(topic->store, topic->name);
	struct mr_buf text = {0};
	struct topic_file file = {0};
	log_topic_config_default(&file.config);
	int rc = disk_read_file(topic->store->env->disk, path, TOPIC_FILE_MAX, &text, err);
	mr_str rest = mr_buf_view(&text), line;
	while (rc == 0 && next_line(&rest, &line)) {
		if (!parse_line(line, topic, &file))
			rc = mr_fail(err, MR_ERR_CORRUPT, "%s has a bad line: %.*s", path, MR_FMT(line));
	}
	if (rc == 0 && !file.has_id)
		rc = mr_fail(err, MR_ERR_CORRUPT, "%s has no topic id", path);
	file.config.settings = mr_buf_view(&file.settings).ptr;
	if (rc == 0)
		rc = check_config(mr_str_from(topic->name), &file.config, err);
	if (rc == 0) {
		take_config(topic, &file.config);
		*deleting = file.deleting;
	}
	free(path);
	mr_buf_release(&text);
	mr_buf_release(&file.settings);
	return rc;
}

static struct log_topic *topic_new(struct log_store *store, mr_str name)
{
	struct log_topic *topic = mr_calloc(1, sizeof *topic);
	topic->store = store;
	topic->name = mr_strndup(name);
	pthread_mutex_init(&topic->lock, NULL);
	return topic;
}

void topic_free(struct log_topic *topic)
{
	for (int32_t i = 0; i < topic->partition_count; i++)
		partition_free(topic->partitions[i]);
	while (topic->settings) {
		struct settings *settings = topic->settings;
		topic->settings = settings->older;
		free(settings);
	}
	free(topic->partitions);
	pthread_mutex_destroy(&topic->lock);
	free(topic->name);
	free(topic);
}

/* Have partitions 0..count-1 and their folders. The names are durable on return. */
static int make_partitions(struct log_topic *topic, int32_t count, struct mr_error *err)
{
	struct log_store *store = topic->store;
	struct mr_disk *disk = store->env->disk;
	int32_t had = topic->partition_count;
	struct log_partition **partitions = mr_calloc((size_t)count, sizeof *partitions);
	bool made = false;
	int rc = 0;
	int32_t have = 0;
	for (; have < count && rc == 0; have++) {
		partitions[have] = have < had ? topic->partitions[have] : partition_new(topic, have);
		if (disk_exists(disk, partitions[have]->dir))
			continue;
		made = true;
		rc = disk->ops->mkdir(disk, partitions[have]->dir, err);
	}
	if (rc == 0 && made) {
		char *parent = mr_asprintf("%s/log", store->dir);
		rc = disk_sync_dir(disk, parent, err);
		free(parent);
	}
	if (rc < 0) {
		for (int32_t i = had; i < have; i++)
			partition_free(partitions[i]);
		free(partitions);
		return rc;
	}
	pthread_mutex_lock(&topic->lock);
	free(topic->partitions);
	topic->partitions = partitions;
	topic->partition_count = count;
	pthread_mutex_unlock(&topic->lock);
	return 0;
}

static int remove_folders(struct log_topic *topic, struct mr_error *err)
{
	struct log_store *store = topic->store;
	int rc = 0;
	for (int32_t i = 0; i < topic->config.partitions && rc == 0; i++) {
		char *dir = mr_asprintf("%s/log/%s-%d", store->dir, topic->name, (int)i);
		struct log_partition *partition = i < topic->partition_count ? topic->partitions[i] : NULL;
		if (partition) /* or the flusher makes an index file in a folder that is being removed */
			pthread_mutex_lock(&partition->sync_lock);
		rc = disk_remove_all(store->env->disk, dir, err);
		if (partition)
			pthread_mutex_unlock(&partition->sync_lock);
		free(dir);
	}
	char *parent = mr_asprintf("%s/log", store->dir);
	if (rc == 0)
		rc = disk_sync_dir(store->env->disk, parent, err);
	free(parent);
	return rc;
}

static int remove_file(struct log_topic *topic, struct mr_error *err)
{
	char *path = topic_path(topic->store, topic->name);
	char *parent = mr_asprintf("%s/topics", topic->store->dir);
	int rc = disk_unlink(topic->store->env->disk, path, err);
	if (rc == 0 || rc == MR_ERR_NOT_FOUND)
		rc = disk_sync_dir(topic->store->env->disk, parent, err);
	free(parent);
	free(path);
	return rc;
}

static int load_topic(struct log_store *store, mr_str name, struct mr_error *err)
{
	struct log_topic *topic = topic_new(store, name);
	bool deleting = false;
	int rc = read_topic(topic, &deleting, err);
	if (rc == 0 && deleting) {
		rc = remove_folders(topic, err);
		if (rc == 0)
			rc = remove_file(topic, err);
		topic_free(topic);
		return rc;
	}
	if (rc == 0)
		rc = make_partitions(topic, topic->config.partitions, err);
	if (rc < 0) {
		topic_free(topic);
		return rc;
	}
	mr_map_put(&store->topics, name, topic);
	mr_vec_push(&store->all, topic);
	return 0;
}

struct names {
	MR_VEC(char *) list;
};

static int collect(void *arg, const char *name, const struct file_info *info)
{
	struct names *names = arg;
	if (!info->is_dir && !mr_str_ends(mr_str_from(name), MR_STR(".tmp")))
		mr_vec_push(&names->list, mr_strdup(name));
	return 0;
}

int topics_load(struct log_store *store, struct mr_error *err)
{
	struct names names = {0};
	char *dir = mr_asprintf("%s/topics", store->dir);
	int rc = disk_list(store->env->disk, dir, collect, &names, err);
	for (size_t i = 0; i < names.list.len && rc == 0; i++)
		rc = load_topic(store, mr_str_from(names.list.items[i]), err);
	for (size_t i = 0; i < names.list.len; i++)
		free(names.list.items[i]);
	mr_vec_release(&names.list);
	free(dir);
	return rc;
}

/* A folder of that name that is not empty was somebody else's, or a lost topic's: not adopted. */
static int check_folders_free(const struct log_topic *topic, int32_t from, int32_t to, struct mr_error *err)
{
	for (int32_t i = from; i < to; i++) {
		char *dir = mr_asprintf("%s/log/%s-%d", topic->store->dir, topic->name, (int)i);
		struct names files = {0};
		int rc = disk_list(topic->store->env->disk, dir, collect, &files, NULL);
		size_t found = files.list.len;
		for (size_t f = 0; f < found; f++)
			free(files.list.items[f]);
		mr_vec_release(&files.list);
		if (rc == 0 && found > 0)
			mr_fail(err, MR_ERR_EXISTS,
				"cannot create topic %s: %s holds files of no known topic", topic->name, dir);
		free(dir);
		if (rc == 0 && found > 0)
			return err ? mr_hint(err, "move that folder away") : MR_ERR_EXISTS;
	}
	return 0;
}

static int create(struct log_store *store, struct log_topic *topic, struct mr_error *err)
{
	rng_uuid_bytes(store->env->rng, topic->id);
	int rc = check_folders_free(topic, 0, topic->config.partitions, err);
	if (rc == 0)
		rc = write_topic(topic, &topic->config, "live", err);
	if (rc == 0)
		rc = make_partitions(topic, topic->config.partitions, err);
	if (rc < 0 && rc != MR_ERR_EXISTS)
		(void)!remove_file(topic, NULL);
	return rc;
}

int log_topic_create(struct log_store *store, mr_str name, const struct log_topic_config *config,
		     struct log_topic **out, struct mr_error *err)
{
	int rc = check_name(name, err);
	if (rc == 0)
		rc = check_config(name, config, err);
	if (rc < 0)
		return rc;
	fair_lock(&store->io_lock);
	struct log_topic *topic = NULL;
	if (log_topic_find(store, name)) {
		rc = mr_fail(err, MR_ERR_EXISTS, "topic %.*s exists already", MR_FMT(name));
	} else {
		topic = topic_new(store, name);
		take_config(topic, config);
		rc = create(store, topic, err);
	}
	if (rc == 0) {
		pthread_mutex_lock(&store->topics_lock);
		mr_map_put(&store->topics, name, topic);
		mr_vec_push(&store->all, topic);
		pthread_mutex_unlock(&store->topics_lock);
		if (out)
			*out = topic;
	} else if (topic) {
		topic_free(topic);
	}
	fair_unlock(&store->io_lock);
	return rc;
}

static void mark_deleted(struct log_topic *topic)
{
	struct log_store *store = topic->store;
	pthread_mutex_lock(&store->topics_lock);
	topic->deleted = true;
	mr_map_remove(&store->topics, mr_str_from(topic->name));
	pthread_mutex_unlock(&store->topics_lock);
	for (int32_t i = 0; i < topic->partition_count; i++) {
		struct log_partition *partition = topic->partitions[i];
		pthread_mutex_lock(&partition->lock);
		partition->deleted = true;
		write_back_forget(partition);
		pthread_cond_broadcast(&partition->moved);
		pthread_mutex_unlock(&partition->lock);
	}
}

int log_topic_delete(struct log_store *store, mr_str name, struct mr_error *err)
{
	fair_lock(&store->io_lock);
	struct log_topic *topic = log_topic_find(store, name);
	int rc;
	if (!topic)
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "there is no topic %.*s", MR_FMT(name));
	else
		rc = write_topic(topic, &topic->config, "deleting", err);
	if (rc == 0) {
		mark_deleted(topic);
		rc = remove_folders(topic, err);
		if (rc == 0)
			rc = remove_file(topic, err);
	}
	fair_unlock(&store->io_lock);
	return rc;
}

int log_topic_alter(struct log_topic *topic, const struct log_topic_config *config, struct mr_error *err)
{
	struct log_store *store = topic->store;
	int rc = check_config(mr_str_from(topic->name), config, err);
	if (rc < 0)
		return rc;
	fair_lock(&store->io_lock);
	if (topic->deleted)
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "topic %s is deleted", topic->name);
	else if (config->partitions < topic->config.partitions)
		rc = mr_fail(err, MR_ERR_INVALID, "topic %s has %d partitions; %d would be fewer",
			     topic->name, (int)topic->config.partitions, (int)config->partitions);
	else
		rc = check_folders_free(topic, topic->config.partitions, config->partitions, err);
	if (rc == 0)
		rc = write_topic(topic, config, "live", err);
	if (rc == 0 && config->partitions > topic->partition_count)
		rc = make_partitions(topic, config->partitions, err);
	if (rc == 0) {
		pthread_mutex_lock(&topic->lock);
		take_config(topic, config);
		pthread_mutex_unlock(&topic->lock);
	}
	fair_unlock(&store->io_lock);
	return rc;
}

struct log_topic *log_topic_find(struct log_store *store, mr_str name)
{
	pthread_mutex_lock(&store->topics_lock);
	struct log_topic *topic = mr_map_get(&store->topics, name);
	pthread_mutex_unlock(&store->topics_lock);
	return topic;
}

struct log_topic *topic_by_id(struct log_store *store, const uint8_t id[16])
{
	mr_map_each (&store->topics, entry) {
		struct log_topic *topic = entry->value;
		if (memcmp(topic->id, id, 16) == 0)
			return topic;
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct log_topic *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

struct log_topic **log_topics(struct log_store *store, size_t *count)
{
	pthread_mutex_lock(&store->topics_lock);
	struct log_topic **topics = mr_calloc(store->topics.len + 1, sizeof *topics);
	size_t n = 0;
	mr_map_each (&store->topics, entry)
		topics[n++] = entry->value;
	pthread_mutex_unlock(&store->topics_lock);
	qsort(topics, n, sizeof(struct log_topic *), by_name);
	*count = n;
	return topics;
}

mr_str log_topic_name(const struct log_topic *topic)
{
	return mr_str_from(topic->name);
}

void log_topic_config(const struct log_topic *topic, struct log_topic_config *out)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)&topic->lock;
	pthread_mutex_lock(lock);
	*out = topic->config;
	pthread_mutex_unlock(lock);
}

void log_topic_id(const struct log_topic *topic, uint8_t uuid[16])
{
	memcpy(uuid, topic->id, 16);
}

int32_t log_topic_partition_count(const struct log_topic *topic)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)&topic->lock;
	pthread_mutex_lock(lock);
	int32_t count = topic->partition_count;
	pthread_mutex_unlock(lock);
	return count;
}

struct log_partition *log_partition_at(struct log_topic *topic, int32_t index)
{
	pthread_mutex_lock(&topic->lock);
	struct log_partition *partition =
	    index >= 0 && index < topic->partition_count ? topic->partitions[index] : NULL;
	pthread_mutex_unlock(&topic->lock);
	return partition;
}
