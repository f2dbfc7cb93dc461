/* kafka/fetch_session.h - fetch sessions (KIP-227): what a consumer need not say again.
 *
 * A session remembers the partitions of a consumer's Fetch and what each was last told. The
 * next Fetch names only what it adds, changes or forgets, and the answer holds only partitions
 * with records, an error, or a moved high watermark or log start. Partitions that gave records
 * go to the end of the list, so that all get their turn.
 *
 * Pure: no clock, no I/O, no randomness of its own. Limits: FETCH_SESSIONS_MAX sessions, where a
 * new one takes the place of the one longest unused if that was FETCH_SESSION_IDLE_US ago, and
 * FETCH_SESSION_PARTITIONS_MAX partitions in all of them. One thread at a time.
 */
#pragma once

#include "base/map.h"
#include "base/mem.h"
#include "kafka/messages.h"

#define FETCH_SESSIONS_MAX 1000                     /* Kafka's max.incremental.fetch.session.cache.slots */
#define FETCH_SESSION_IDLE_US (120 * 1000000LL)     /* and min.incremental.fetch.session.eviction.ms */
#define FETCH_SESSION_PARTITIONS_MAX (256 * 1024UL) /* some 60 MB */

struct fetch_session;

struct fetch_sessions { /* zero-initialised is empty */
	struct mr_map by_id;
	size_t partitions;
};

enum fetch_session_outcome {
	FETCH_SESSION_OK = 0,
	FETCH_SESSION_UNKNOWN,   /* there is none of this id, or it was evicted */
	FETCH_SESSION_BAD_EPOCH, /* not the epoch that comes next */
	FETCH_SESSION_NAMING,    /* made with topic names, asked with ids, or the reverse */
};

struct fetch_session_ref { /* id 0: the Fetch has no session */
	int32_t id;
	int32_t epoch;
};

void fetch_sessions_release(struct fetch_sessions *sessions);

/* Take one Fetch in: ends, makes or moves on its session as session_id and session_epoch say.
 * fresh_id is the id for a new session, > 0; when it is taken or there is no room, the Fetch
 * goes without one. *out is written only on FETCH_SESSION_OK. */
enum fetch_session_outcome fetch_sessions_begin(struct fetch_sessions *sessions,
						const struct fetch_request *in, bool by_topic_id,
						int32_t fresh_id, int64_t now_us,
						struct fetch_session_ref *out);

/* Replace the request's topics by all that the session holds, copied into the arena. Nothing
 * happens without a session. A topic may come more than once. */
void fetch_session_expand(const struct fetch_sessions *sessions, struct fetch_session_ref ref,
			  struct arena *arena, struct fetch_request *in);

/* True when the answer must hold this partition; notes what it was told. Always true when the
 * session is gone or another Fetch has moved it on. */
bool fetch_session_tell(struct fetch_sessions *sessions, struct fetch_session_ref ref,
			const struct fetch_topic_reply *topic, const struct fetch_partition_reply *reply);
