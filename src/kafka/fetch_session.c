/* kafka/fetch_session.c - see fetch_session.h. */
#include "kafka/fetch_session.h"

#include <stdlib.h>

enum { EPOCH_FULL = 0, EPOCH_NONE = -1 };

struct entry {
	struct entry *prev, *next;
	char *topic; /* NULL when the session names topics by id */
	size_t topic_len;
	uint8_t topic_id[16];
	struct fetch_partition asked;
	int64_t high_watermark, log_start_offset; /* last told; -1: tell it in any case */
};

struct fetch_session {
	int32_t id;
	int32_t epoch; /* of the last Fetch that was taken in */
	bool by_topic_id;
	int64_t used_us;
	struct mr_map map; /* entry_key -> struct entry */
	struct entry *first, *last;
};

#define KEY_SIZE_MAX (INT16_MAX + 4)

/* A topic's id or name, then the partition: 4 bytes. */
static mr_str entry_key(const struct fetch_session *s, mr_str topic, const uint8_t id[16], int32_t partition,
			char key[KEY_SIZE_MAX])
{
	mr_str name = s->by_topic_id ? mr_str_n(id, 16) : topic;
	size_t len = mr_min_size(name.len, KEY_SIZE_MAX - sizeof partition);
	if (len)
		memcpy(key, name.ptr, len);
	memcpy(key + len, &partition, sizeof partition);
	return mr_str_n(key, len + sizeof partition);
}

static mr_str id_key(const int32_t *id)
{
	return mr_str_n(id, sizeof *id);
}

static void unlink_entry(struct fetch_session *s, struct entry *e)
{
	*(e->prev ? &e->prev->next : &s->first) = e->next;
	*(e->next ? &e->next->prev : &s->last) = e->prev;
}

static void append_entry(struct fetch_session *s, struct entry *e)
{
	e->prev = s->last;
	e->next = NULL;
	*(s->last ? &s->last->next : &s->first) = e;
	s->last = e;
}

static void free_entry(struct entry *e)
{
	free(e->topic);
	free(e);
}

static void end_session(struct fetch_sessions *all, struct fetch_session *s)
{
	mr_map_remove(&all->by_id, id_key(&s->id));
	all->partitions -= s->map.len;
	for (struct entry *e = s->first, *next; e; e = next) {
		next = e->next;
		free_entry(e);
	}
	mr_map_release(&s->map);
	free(s);
}

void fetch_sessions_release(struct fetch_sessions *all)
{
	mr_map_each (&all->by_id, slot)
		end_session(all, slot->value);
	mr_map_release(&all->by_id);
}

static void put_partition(struct fetch_sessions *all, struct fetch_session *s, const struct fetch_topic *t,
			  const struct fetch_partition *asked)
{
	char bytes[KEY_SIZE_MAX];
	mr_str key = entry_key(s, t->topic, t->topic_id, asked->partition, bytes);
	struct entry *e = mr_map_get(&s->map, key);
	if (!e) {
		e = mr_calloc(1, sizeof *e);
		e->high_watermark = e->log_start_offset = -1;
		if (!s->by_topic_id) {
			e->topic = mr_strndup(t->topic);
			e->topic_len = t->topic.len;
		}
		memcpy(e->topic_id, t->topic_id, 16);
		append_entry(s, e);
		mr_map_put(&s->map, key, e);
		all->partitions++;
	}
	e->asked = *asked;
}

static void put_topics(struct fetch_sessions *all, struct fetch_session *s, const struct fetch_request *in)
{
	for (int32_t i = 0; i < in->topics.count; i++) {
		const struct fetch_topic *t = &in->topics.items[i];
		for (int32_t k = 0; k < t->partitions.count; k++)
			put_partition(all, s, t, &t->partitions.items[k]);
	}
}

static void forget_topics(struct fetch_sessions *all, struct fetch_session *s, const struct fetch_request *in)
{
	char bytes[KEY_SIZE_MAX];
	for (int32_t i = 0; i < in->forgotten_topics.count; i++) {
		const struct fetch_forgotten_topic *t = &in->forgotten_topics.items[i];
		for (int32_t k = 0; k < t->partitions.count; k++) {
			mr_str key = entry_key(s, t->topic, t->topic_id, t->partitions.items[k], bytes);
			struct entry *e = mr_map_remove(&s->map, key);
			if (!e)
				continue;
			unlink_entry(s, e);
			free_entry(e);
			all->partitions--;
		}
	}
}

static size_t partitions_of(const struct fetch_request *in)
{
	size_t count = 0;
	for (int32_t i = 0; i < in->topics.count; i++)
		count += (size_t)in->topics.items[i].partitions.count;
	return count;
}

/* Room for one more session; the one longest unused goes when it was idle long enough. */
static bool make_room(struct fetch_sessions *all, int64_t now_us)
{
	if (all->by_id.len < FETCH_SESSIONS_MAX)
		return true;
	struct fetch_session *oldest = NULL;
	mr_map_each (&all->by_id, slot) {
		struct fetch_session *s = slot->value;
		if (!oldest || s->used_us < oldest->used_us)
			oldest = s;
	}
	if (now_us - oldest->used_us < FETCH_SESSION_IDLE_US)
		return false;
	end_session(all, oldest);
	return true;
}

static struct fetch_session_ref make_session(struct fetch_sessions *all, const struct fetch_request *in,
					     bool by_topic_id, int32_t fresh_id, int64_t now_us)
{
	if (partitions_of(in) > FETCH_SESSION_PARTITIONS_MAX - all->partitions ||
	    mr_map_get(&all->by_id, id_key(&fresh_id)) || !make_room(all, now_us))
		return (struct fetch_session_ref){0};
	struct fetch_session *s = mr_calloc(1, sizeof *s);
	*s = (struct fetch_session){.id = fresh_id, .by_topic_id = by_topic_id, .used_us = now_us};
	put_topics(all, s, in);
	mr_map_put(&all->by_id, id_key(&s->id), s);
	return (struct fetch_session_ref){s->id, s->epoch};
}

enum fetch_session_outcome fetch_sessions_begin(struct fetch_sessions *all, const struct fetch_request *in,
						bool by_topic_id, int32_t fresh_id, int64_t now_us,
						struct fetch_session_ref *out)
{
	struct fetch_session *s = in->session_id ? mr_map_get(&all->by_id, id_key(&in->session_id)) : NULL;
	if (in->session_epoch == EPOCH_FULL || in->session_epoch == EPOCH_NONE) {
		if (s)
			end_session(all, s);
		*out = in->session_epoch == EPOCH_FULL ? make_session(all, in, by_topic_id, fresh_id, now_us)
						       : (struct fetch_session_ref){0};
		return FETCH_SESSION_OK;
	}
	if (!s)
		return FETCH_SESSION_UNKNOWN;
	if (in->session_epoch != (s->epoch == INT32_MAX ? 1 : s->epoch + 1))
		return FETCH_SESSION_BAD_EPOCH;
	if (s->by_topic_id != by_topic_id)
		return FETCH_SESSION_NAMING;
	if (partitions_of(in) > FETCH_SESSION_PARTITIONS_MAX - all->partitions) {
		end_session(all, s);
		return FETCH_SESSION_UNKNOWN;
	}
	s->epoch = in->session_epoch;
	s->used_us = now_us;
	put_topics(all, s, in);
	forget_topics(all, s, in);
	*out = (struct fetch_session_ref){s->id, s->epoch};
	if (!s->first) {
		end_session(all, s);
		*out = (struct fetch_session_ref){0};
	}
	return FETCH_SESSION_OK;
}

static struct fetch_session *find(const struct fetch_sessions *all, struct fetch_session_ref ref)
{
	struct fetch_session *s = ref.id ? mr_map_get(&all->by_id, id_key(&ref.id)) : NULL;
	return s && s->epoch == ref.epoch ? s : NULL;
}

static bool same_topic(const struct entry *a, const struct entry *b)
{
	return memcmp(a->topic_id, b->topic_id, 16) == 0 &&
	       mr_str_eq(mr_str_n(a->topic, a->topic_len), mr_str_n(b->topic, b->topic_len));
}

void fetch_session_expand(const struct fetch_sessions *all, struct fetch_session_ref ref, struct arena *arena,
			  struct fetch_request *in)
{
	const struct fetch_session *s = find(all, ref);
	if (!s)
		return;
	struct fetch_partition *parts = arena_calloc(arena, s->map.len + 1, sizeof *parts);
	struct fetch_topic *topics = arena_calloc(arena, s->map.len + 1, sizeof *topics);
	struct fetch_topic *t = topics - 1;
	for (const struct entry *e = s->first; e; e = e->next) {
		if (!e->prev || !same_topic(e->prev, e)) {
			t++;
			t->topic = arena_copy(arena, mr_str_n(e->topic, e->topic_len));
			memcpy(t->topic_id, e->topic_id, 16);
			t->partitions.items = parts;
		}
		*parts++ = e->asked;
		t->partitions.count++;
	}
	in->topics.items = topics;
	in->topics.count = (int32_t)(t + 1 - topics);
}

bool fetch_session_tell(struct fetch_sessions *all, struct fetch_session_ref ref,
			const struct fetch_topic_reply *topic, const struct fetch_partition_reply *reply)
{
	struct fetch_session *s = find(all, ref);
	if (!s)
		return true;
	char bytes[KEY_SIZE_MAX];
	struct entry *e =
	    mr_map_get(&s->map, entry_key(s, topic->topic, topic->topic_id, reply->partition, bytes));
	if (!e)
		return true;
	bool failed = reply->error_code != 0;
	bool news = failed || reply->records.bytes > 0 || reply->high_watermark != e->high_watermark ||
		    reply->log_start_offset != e->log_start_offset;
	/* after an error the next answer tells it in any case, so that the client sees it end */
	e->high_watermark = failed ? -1 : reply->high_watermark;
	e->log_start_offset = failed ? -1 : reply->log_start_offset;
	if (reply->records.bytes > 0) {
		unlink_entry(s, e);
		append_entry(s, e);
	}
	return news;
}
