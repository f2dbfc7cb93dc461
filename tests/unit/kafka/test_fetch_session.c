/* Fetch sessions against what KIP-227 says of ids, epochs and what an answer holds. */
#include "kafka/fetch_session.h"

#include "test.h"

#define SECOND 1000000LL

static enum fetch_session_outcome ask(struct fetch_sessions *all, int32_t id, int32_t epoch, int32_t from,
				      int32_t count, int64_t now_us, struct fetch_session_ref *ref)
{
	struct fetch_partition parts[4] = {{0}};
	struct fetch_topic topic = {.topic = MR_STR("t"), .partitions = {parts, count}};
	struct fetch_request in = {.session_id = id, .session_epoch = epoch, .topics = {&topic, 1}};
	static int32_t next_id = 1;
	for (int32_t i = 0; i < count; i++)
		parts[i] = (struct fetch_partition){.partition = from + i, .fetch_offset = epoch};
	return fetch_sessions_begin(all, &in, false, next_id++, now_us, ref);
}

static int64_t offset_of(const struct fetch_sessions *all, struct fetch_session_ref ref, int32_t at,
			 int32_t *partition, int32_t *count)
{
	struct arena arena = {0};
	struct fetch_request in = {0};
	fetch_session_expand(all, ref, &arena, &in);
	CHECK_INT(in.topics.count, 1);
	CHECK(mr_str_is(in.topics.items[0].topic, "t"));
	*count = in.topics.items[0].partitions.count;
	*partition = in.topics.items[0].partitions.items[at].partition;
	int64_t offset = in.topics.items[0].partitions.items[at].fetch_offset;
	arena_release(&arena);
	return offset;
}

static bool tell(struct fetch_sessions *all, struct fetch_session_ref ref, int32_t partition,
		 int64_t high_watermark, int16_t error, size_t bytes)
{
	struct fetch_topic_reply topic = {.topic = MR_STR("t")};
	struct fetch_partition_reply reply = {.partition = partition,
					      .high_watermark = high_watermark,
					      .error_code = error,
					      .records = {.bytes = bytes}};
	return fetch_session_tell(all, ref, &topic, &reply);
}

TEST(fetch_session_remembers_adds_changes_and_forgets)
{
	struct fetch_sessions all = {0};
	struct fetch_session_ref ref;
	int32_t partition, count;
	CHECK_INT(ask(&all, 0, 0, 0, 2, 0, &ref), FETCH_SESSION_OK);
	CHECK(ref.id > 0);
	int32_t id = ref.id;
	CHECK_INT(ask(&all, id, 1, 1, 2, 0, &ref), FETCH_SESSION_OK); /* changes 1, adds 2 */
	CHECK_INT(ref.id, id);
	CHECK_INT(offset_of(&all, ref, 0, &partition, &count), 0);
	CHECK_INT(count, 3);
	CHECK_INT(offset_of(&all, ref, 1, &partition, &count), 1);
	int32_t gone[] = {0, 7};
	struct fetch_forgotten_topic forget = {.topic = MR_STR("t"), .partitions = {gone, 2}};
	struct fetch_request in = {.session_id = id, .session_epoch = 2, .forgotten_topics = {&forget, 1}};
	CHECK_INT(fetch_sessions_begin(&all, &in, false, 99, 0, &ref), FETCH_SESSION_OK);
	CHECK_INT(offset_of(&all, ref, 0, &partition, &count), 1);
	CHECK_INT(count, 2);
	CHECK_INT(all.partitions, 2);
	fetch_sessions_release(&all);
	CHECK_INT(all.partitions, 0);
}

TEST(fetch_session_refuses_strange_ids_epochs_and_naming)
{
	struct fetch_sessions all = {0};
	struct fetch_session_ref ref, none;
	CHECK_INT(ask(&all, 12345, 1, 0, 1, 0, &ref), FETCH_SESSION_UNKNOWN);
	CHECK_INT(ask(&all, 0, 0, 0, 1, 0, &ref), FETCH_SESSION_OK);
	CHECK_INT(ask(&all, ref.id, 2, 0, 1, 0, &none), FETCH_SESSION_BAD_EPOCH);
	struct fetch_request in = {.session_id = ref.id, .session_epoch = 1};
	CHECK_INT(fetch_sessions_begin(&all, &in, true, 99, 0, &none), FETCH_SESSION_NAMING);
	CHECK_INT(ask(&all, ref.id, 1, 0, 1, 0, &none), FETCH_SESSION_OK);
	CHECK_INT(ask(&all, ref.id, 1, 0, 1, 0, &none), FETCH_SESSION_BAD_EPOCH); /* once more */
	CHECK_INT(ask(&all, ref.id, -1, 0, 1, 0, &none), FETCH_SESSION_OK);       /* ends it */
	CHECK_INT(none.id, 0);
	CHECK_INT(ask(&all, ref.id, 2, 0, 1, 0, &none), FETCH_SESSION_UNKNOWN);
	fetch_sessions_release(&all);
}

TEST(fetch_session_tells_only_news_and_gives_all_their_turn)
{
	struct fetch_sessions all = {0};
	struct fetch_session_ref ref, next;
	int32_t partition, count;
	CHECK_INT(ask(&all, 0, 0, 0, 2, 0, &ref), FETCH_SESSION_OK);
	CHECK(tell(&all, ref, 0, 5, 0, 0)); /* the first answer holds all */
	CHECK(!tell(&all, ref, 0, 5, 0, 0));
	CHECK(tell(&all, ref, 0, 6, 0, 0)); /* the high watermark moved */
	CHECK(tell(&all, ref, 0, 6, 3, 0)); /* an error is told each time */
	CHECK(tell(&all, ref, 0, 6, 3, 0));
	CHECK(tell(&all, ref, 0, 6, 0, 0)); /* and that it ended */
	CHECK(!tell(&all, ref, 0, 6, 0, 0));
	CHECK(tell(&all, ref, 0, 6, 0, 1));
	offset_of(&all, ref, 0, &partition, &count);
	CHECK_INT(partition, 1); /* 0 had records and went to the end */
	CHECK_INT(ask(&all, ref.id, 1, 0, 1, 0, &next), FETCH_SESSION_OK);
	CHECK(tell(&all, ref, 0, 6, 0, 0)); /* an answer the session has gone past */
	CHECK(!tell(&all, next, 0, 6, 0, 0));
	fetch_sessions_release(&all);
}

TEST(fetch_sessions_are_limited_and_the_idle_give_way)
{
	struct fetch_sessions all = {0};
	struct fetch_session_ref first, ref;
	CHECK_INT(ask(&all, 0, 0, 0, 1, 0, &first), FETCH_SESSION_OK);
	for (int i = 1; i < FETCH_SESSIONS_MAX; i++)
		CHECK_INT(ask(&all, 0, 0, 0, 1, SECOND, &ref), FETCH_SESSION_OK);
	CHECK(ref.id > 0);
	CHECK_INT(ask(&all, 0, 0, 0, 1, 100 * SECOND, &ref), FETCH_SESSION_OK);
	CHECK_INT(ref.id, 0); /* nobody was idle for long enough */
	CHECK_INT(ask(&all, 0, 0, 0, 1, 120 * SECOND, &ref), FETCH_SESSION_OK);
	CHECK(ref.id > 0);
	CHECK_INT(ask(&all, first.id, 1, 0, 1, 120 * SECOND, &ref), FETCH_SESSION_UNKNOWN);
	CHECK_INT(all.by_id.len, FETCH_SESSIONS_MAX);
	fetch_sessions_release(&all);
}
