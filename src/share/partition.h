/* share/partition.h - one partition as one share group reads it, as a pure state machine.
 *
 *   AVAILABLE ──acquire──► ACQUIRED ──accept──► ACKNOWLEDGED
 *       ▲                     │ └────reject, gap──► ARCHIVED
 *       └──release, time-out──┘ (ARCHIVED when it was delivered as often as is allowed)
 *
 * Records from `start` to `end` are in flight; those before are done with, those after were never
 * delivered. States are kept as ranges of offsets (sorted, without holes, no two neighbours alike),
 * never by record. The window is at most `locks_max` records wide: when it is full only what is
 * AVAILABLE in it is delivered, so one stuck record holds the group back, not the memory.
 *
 * An acquisition lasts until its lock's time is up. It is not written: after a restart what was
 * acquired is available again, which is what a time-out would make of it. Every other change is
 * noted in `dirty`, which the coordinator writes (records.h) and clears.
 *
 * No clock, no I/O, no locks. Rules: KIP-932, and Kafka's SharePartition.
 */
#pragma once

#include "base/types.h"
#include "base/vec.h"

enum share_state { /* Kafka's numbers, as they are written */
		   SHARE_AVAILABLE = 0,
		   SHARE_ACQUIRED = 1,
		   SHARE_ACKNOWLEDGED = 2,
		   SHARE_ARCHIVED = 4,
};

enum share_ack { /* as on the wire */
		 SHARE_GAP,
		 SHARE_ACCEPT,
		 SHARE_RELEASE,
		 SHARE_REJECT,
		 SHARE_RENEW,
};

struct share_range {
	int64_t first, last; /* inclusive */
	enum share_state state;
	int16_t deliveries;
	uint64_t owner;      /* of ACQUIRED: the member's number, > 0; else 0 */
	int64_t deadline_ms; /* of ACQUIRED: when the lock's time is up, steady clock; else 0 */
};

struct share_ranges {
	struct share_range *items;
	size_t len, cap;
};

struct share_span {
	int64_t first, last; /* inclusive */
};

struct share_partition {
	int64_t start;              /* the first record that is not done with */
	int64_t end;                /* one past the last that was ever delivered; == start: none in flight */
	struct share_ranges ranges; /* from start to end */
	struct share_ranges dirty;  /* to be written; may have been overtaken by `start` */
	bool start_moved;           /* to be written, too */
};

struct share_limits {
	int16_t deliveries_max; /* group.share.delivery.count.limit */
	int32_t locks_max;      /* group.share.partition.max.record.locks */
	int32_t lock_ms;        /* group.share.record.lock.duration.ms */
	bool no_renewal;        /* share.renew.acknowledge.enable is false */
};

void share_partition_init(struct share_partition *p, int64_t start);
void share_partition_release(struct share_partition *p);

/* ---- delivering ---- */

/* The first offset that may be acquired now, or -1 when the window is full and nothing in it is
 * available. It may be past the log's end. */
int64_t share_partition_next(const struct share_partition *p, const struct share_limits *limits);

struct share_acquire {
	uint64_t owner;
	int64_t now_ms;
	int64_t from; /* where was read */
	/* The batches that were read, in order; what lies before and between them exists no more. */
	const struct share_span *batches;
	size_t batch_count;
	int64_t records_max; /* > 0; whole batches are acquired until there are as many */
	bool strict;         /* no more than records_max, if need be a part of a batch */
};
/* Acquire what is available in the batches. What was acquired is appended to out, as ranges within
 * batches of one delivery count each. Returns how many records that is. */
int64_t share_partition_acquire(struct share_partition *p, const struct share_limits *limits,
				const struct share_acquire *in, struct share_ranges *out);

/* ---- and what becomes of it ---- */

struct share_ack_batch {
	int64_t first, last;
	const int8_t *types; /* one for the whole batch, or one a record */
	size_t type_count;
};

enum share_outcome { SHARE_OK, SHARE_INVALID_REQUEST, SHARE_INVALID_STATE };

/* All of it or nothing. Records before the start are passed over. SHARE_INVALID_STATE when a record is
 * not acquired, or by another member; SHARE_INVALID_REQUEST when batches are out of order, of a wrong
 * count of types, or of records that were never delivered. */
enum share_outcome share_partition_acknowledge(struct share_partition *p, const struct share_limits *limits,
					       uint64_t owner, int64_t now_ms,
					       const struct share_ack_batch *batches, size_t count);
/* The member is gone: what it had acquired is released. True when there was any. */
bool share_partition_give_up(struct share_partition *p, const struct share_limits *limits, uint64_t owner);
/* Locks whose time is up. Returns how many records lost theirs. */
int64_t share_partition_expire(struct share_partition *p, const struct share_limits *limits, int64_t now_ms);
/* The earliest lock's end, or INT64_MAX. */
int64_t share_partition_deadline(const struct share_partition *p);
/* Records that hold nothing for readers (an aborted transaction's): archived if nobody has them. */
void share_partition_archive(struct share_partition *p, int64_t first, int64_t last);
/* The log begins at `start` now: what was before it is forgotten. True when something was. */
bool share_partition_trim(struct share_partition *p, int64_t start);

/* Records after `start` that are done with: what the lag leaves out. */
int64_t share_partition_done_count(const struct share_partition *p);

/* ---- for replay ---- */

/* Put a range as it was written, over what is there; what lies between it and the end is available,
 * never delivered. */
void share_partition_put(struct share_partition *p, const struct share_range *range);
/* Forget what is before the new start, and the ranges that are done with at its front. */
void share_partition_set_start(struct share_partition *p, int64_t start);
/* As after a restart: acquired is available. */
void share_partition_unlock(struct share_partition *p);
