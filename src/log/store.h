/* log/store.h - what the files of log/ share: the store, its topics and partitions.
 *
 * Locks, in the order they may be taken:
 *   store.io_lock       who does I/O on segments, journal and checkpoint: a commit round,
 *                       retention, topic create/alter/delete. Appenders and readers never take it.
 *   store.topics_lock   the table of topics
 *   topic.lock          config and the partition array
 *   partition.lock      short; never held across I/O
 *   store.queue_lock    the list of partitions with pending batches
 *   store.flush_lock    what the flusher is to do
 * A partition's sync_lock comes before its lock; it is held across I/O, by who writes or syncs its files.
 * listeners_lock is held while listeners are called, so that log_unlisten can promise silence.
 *
 * Fields say which lock guards them; "io" is the io_lock.
 */
#pragma once

#include "log/journal.h"
#include "log/log.h"
#include "log/producer_state.h"
#include "log/segment.h"
#include "log/spare.h"
#include "log/tail.h"

#include "base/map.h"
#include "base/vec.h"

#include <pthread.h>

/* Offsets of appends that a fault took back; they are never given out again. */
struct lost_range {
	int64_t from, to; /* next_offset of a lost append is in (from, to] */
	int code;
};

#define LOST_RANGES_KEPT 16

struct write_fault {
	struct log_partition *partition;
	struct mr_error error;
};

/* A stretch of the flight buffer and its place in a segment. */
struct flight_run {
	struct segment *segment;
	int64_t position;
	size_t from, to; /* in flight */
	bool written;    /* to the segment's file; else write_back.c does it later */
};

/* What the last checkpoint says of a partition; recovery starts from it. */
struct partition_checkpoint {
	bool present;
	int64_t segment, position, next_offset, max_timestamp;
	struct index_tail index;
	struct txn_index_mark txns;
};

struct log_partition {
	struct log_topic *topic;
	int32_t index;
	char *dir;

	pthread_mutex_t lock;
	pthread_mutex_t rebuild_lock; /* a sealed segment's index files are being made again */
	pthread_mutex_t sync_lock;    /* held over every sync of its files, and what is noted of it */
	_Atomic bool sync_failed;     /* a segment's sync failed: its bytes must be written again */
	pthread_cond_t moved;         /* stable offset, fence, deletion */

	/* lock */
	MR_VEC(struct segment *)
	segments; /* oldest first; the last is the active one; changed by io holders */
	int64_t start_offset;
	int64_t dirty_offset; /* everything before it has been compacted */
	int64_t stable_offset;
	int64_t end_offset;
	int64_t size_bytes;
	int64_t max_timestamp;
	struct mr_buf pending;
	struct tail tail;    /* what readers of the end find in memory */
	int64_t pending_end; /* end_offset of what is pending */
	bool queued;
	bool deleted;
	bool retry_wanted; /* an append came while fenced */
	int fence_code;    /* 0: open */
	char *fence_message;
	struct lost_range lost[LOST_RANGES_KEPT]; /* a ring */
	uint32_t lost_count;
	struct producer_table producers;
	struct txn_table txns;
	struct log_partition *queue_next; /* queue_lock */
	int damage_code;                  /* what recovery found; see log_partition_health */
	char *damage_message;

	/* io */
	struct mr_buf flight;
	int64_t flight_end;
	MR_VEC(struct flight_run) runs;
	int64_t written_next; /* past the last batch written to a segment */
	bool dir_unsynced;    /* a name in dir is not durable */
	uint32_t names;       /* how often it became so */
	uint32_t cuts;        /* how often bytes of a segment were taken back */
	_Atomic bool owes;    /* in store.owing */
	_Atomic bool kafka_files_due;
	bool uncovered;      /* bytes in segments that neither a sync nor the journal covers */
	bool dirty;          /* in store.dirty */
	uint64_t generation; /* of the journal: the last that may have entries of this partition */
	struct partition_checkpoint checkpoint; /* only while the store opens */
};

struct settings {
	struct settings *older;
	char text[];
};

struct log_topic {
	struct log_store *store;
	char *name;
	uint8_t id[16];
	pthread_mutex_t lock;
	struct log_topic_config config;    /* lock; its settings are the newest of `settings` */
	struct settings *settings;         /* lock; all there ever were, newest first */
	struct log_partition **partitions; /* lock; config.partitions of them */
	int32_t partition_count;           /* lock */
	bool deleted;                      /* topics_lock */
};

/* A first-come-first-served lock: a busy committer must not starve a topic's deletion. */
struct fair_lock {
	pthread_mutex_t mutex;
	pthread_cond_t turn;
	uint64_t next, serving;
};

void fair_lock_init(struct fair_lock *lock);
void fair_lock_destroy(struct fair_lock *lock);
void fair_lock(struct fair_lock *lock);
void fair_unlock(struct fair_lock *lock);

struct log_store {
	const struct env *env;
	char *dir;
	size_t pending_bytes_max;
	size_t journal_file_bytes;
	bool manual;
	void (*health)(void *arg, struct log_partition *partition, const struct mr_error *fault);
	void *health_arg;
	enum log_journal_use journal_use;
	bool checkpoint_lost; /* while opening: DIR/checkpoint is missing or bad */

	struct fair_lock io_lock;
	struct journal *journal;                /* io */
	bool journal_broken;                    /* io: must be started anew before it is used */
	MR_VEC(struct log_partition *) dirty;   /* io: written since the last checkpoint */
	int64_t direct_bytes;                   /* io: synced in place since the last checkpoint */
	bool may_wait;                          /* io: this round's bytes may be written later */
	MR_VEC(struct log_partition *) round;   /* io */
	MR_VEC(struct log_partition *) moved;   /* io */
	MR_VEC(struct log_partition *) dropped; /* io: of this round, by a fault or a deletion */
	struct tail_queue tails;                /* io */
	struct spares spares;
	int64_t retain_due_ms; /* io: monotonic */

	pthread_mutex_t flush_lock;
	pthread_cond_t flush_changed;
	struct flush *flush; /* flush_lock: planned or under way; with flush_done to be taken in */
	bool flush_done;     /* flush_lock */
	bool flush_awaited;  /* flush_lock: a round waits for it */
	bool flusher_stopping;
	bool flush_failed; /* io: the next checkpoint must be taken in a round */
	pthread_t flusher;
	bool flusher_runs;
	MR_VEC(struct log_partition *) owing;    /* flush_lock: with bytes owed to a segment's file */
	struct timespec owing_due;               /* flush_lock: monotonic; when `owing` has any */
	MR_VEC(struct write_fault) write_faults; /* flush_lock: not taken in yet */
	_Atomic size_t owed_bytes;

	pthread_mutex_t topics_lock;
	struct mr_map topics;           /* by name; live ones */
	MR_VEC(struct log_topic *) all; /* deleted ones too: handles stay valid */

	pthread_mutex_t queue_lock;
	pthread_cond_t queue_wake;
	struct log_partition *queue_head, **queue_tail;
	_Atomic bool stopping;
	bool abandoned; /* stop without writing what is pending */
	_Atomic size_t pending_bytes;
	_Atomic size_t pending_bytes_high;

	pthread_mutex_t listeners_lock;
	struct log_listener *listeners;

	pthread_mutex_t ids_lock;
	int64_t next_producer_id, producer_ids_end; /* ids_lock */

	pthread_t committer;
	bool committer_runs;
	pthread_mutex_t clean_lock; /* before io_lock: one cleaner at a time */
	pthread_cond_t clean_wake;  /* with queue_lock */
	pthread_t cleaner;
	bool cleaner_runs;
	_Atomic uint64_t rounds, syncs, appended_batches, appended_bytes, checkpoints;
};

/* partition.c */
struct log_partition *partition_new(struct log_topic *topic, int32_t index);
void partition_free(struct log_partition *partition);
struct segment *partition_active(const struct log_partition *partition); /* NULL when none */
/* Refuse appends from now on, take back what is not stable, wake who waits. */
void partition_fence(struct log_partition *partition, const struct mr_error *err);
void partition_set_damage(struct log_partition *partition, const struct mr_error *err);
void partition_ask_round(struct log_partition *partition); /* have the committer look at it */
struct segment *partition_segment(const struct log_partition *partition, int64_t base); /* or NULL */

/* commit.c: one round; the caller holds io_lock. */
int commit_round(struct log_store *store, struct mr_error *err);
void partition_mark_dirty(struct log_partition *partition);
/* committer.c: the thread. */
int committer_start(struct log_store *store, struct mr_error *err);
void committer_stop(struct log_store *store);

/* flight.c: pending batches to segments; the caller holds io_lock. */
void flight_take(struct log_partition *partition);
/* `wait`: the bytes get their places, and are written by write_back.c once they are stable. */
int flight_write(struct log_partition *partition, bool wait, struct mr_error *err);
int flight_write_rest(struct log_partition *partition, struct mr_error *err); /* what waits, after all */
void flight_publish(struct log_partition *partition);                         /* it is stable now */
void flight_drop(struct log_partition *partition);

/* write_back.c: see there. */
#define WRITE_BACK_WAKE ((size_t)16 << 20)                         /* owed in all: written at once */
#define WRITE_BACK_MAX ((size_t)64 << 20)                          /* rounds write by themselves */
int64_t write_back_owed(const struct segment *segment);            /* lock */
bool write_back_may_wait(const struct log_store *store);           /* may a round leave bytes for later? */
bool write_back_has_room(const struct log_store *store);           /* is the disk far from full? */
void write_back_note(struct log_partition *partition, size_t len); /* it has: `len` more of this one; lock */
int write_back(struct log_partition *partition, struct mr_error *err);
int write_back_locked(struct log_partition *partition, struct mr_buf *chunk,
		      struct mr_error *err);  /* sync_lock */
void write_back_all(struct log_store *store); /* the flusher, no lock held */
void write_back_fault(struct log_partition *partition, const struct mr_error *err);
void write_back_reap(struct log_store *store);           /* fence where it failed; io_lock */
void write_back_forget(struct log_partition *partition); /* it is deleted; lock */

/* partition_sync.c: sync every segment with unsynced bytes, oldest first, and the folder. */
int partition_sync(struct log_partition *partition, struct mr_error *err);
/* Bring a fenced partition back after its fault has gone; 0 when it is open again. */
int partition_unfence(struct log_partition *partition, struct mr_error *err);

/* checkpoint.c: sync all segments, write DIR/checkpoint, begin a new journal generation; every earlier
 * one is void. */
int checkpoint_write(struct log_store *store, struct mr_error *err);
void checkpoint_tidy(struct log_partition *partition); /* .txnindex written, files closed */
/* The files beside its segments, which nobody waits for: index tails, Kafka's. sync_lock held. */
void checkpoint_side_files(struct log_partition *partition);
void checkpoint_record(struct log_store *store, struct mr_buf *out); /* what DIR/checkpoint is to hold */
int checkpoint_replace(struct log_store *store, mr_str bytes, struct mr_error *err);
int checkpoint_load(struct log_store *store, struct mr_error *err);

/* flusher.c: the same in a thread of its own. All but flusher_* with io_lock held. */
int flush_begin(struct log_store *store, struct mr_error *err); /* the journal's other file is begun */
void flush_reap(struct log_store *store);                       /* take in what is done */
void flush_finish(struct log_store *store);                     /* wait for it, then reap */
bool flush_under_way(struct log_store *store);
int flusher_start(struct log_store *store, struct mr_error *err);
void flusher_stop(struct log_store *store); /* finishes what is planned, unless the store is abandoned */
void flusher_release(struct log_store *store);

/* recovery.c */
int recover(struct log_store *store, struct mr_error *err);

/* topics.c */
int topics_load(struct log_store *store, struct mr_error *err);
void topic_free(struct log_topic *topic);
struct log_topic *topic_by_id(struct log_store *store, const uint8_t id[16]); /* live ones */

/* retention.c: the caller holds io_lock. */
int retain_all(struct log_store *store, struct mr_error *err);
int partition_drop_oldest(struct log_partition *partition, struct mr_error *err); /* a segment */

/* marks.c: DIR/marks. The caller of marks_write holds io_lock. */
int marks_write(struct log_store *store, struct mr_error *err);
int marks_load(struct log_store *store, struct mr_error *err);

/* kafka_files.c: leader-epoch-checkpoint and partition.metadata; a failure is not told. */
void kafka_files_write(struct log_partition *partition);
