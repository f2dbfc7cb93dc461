/* log/txn_index.h - .txnindex: which transactions a segment's markers aborted, in Kafka's format.
 *
 *   at  size  field                  an entry of 34 bytes, big-endian, by last offset
 *    0   2    version                0
 *    2   8    producer id
 *   10   8    first offset           of the transaction
 *   18   8    last offset            its marker's; lies in this segment
 *   26   8    last stable offset     what read_committed could see once the marker was there
 *
 * Durability: files are replaced as a whole at a checkpoint, before the checkpoint counts them.
 * The checkpoint holds their number and CRC: an index that is missing, short or damaged is
 * noticed when the store opens and made again from the segments' headers.
 *
 * Threading: the caller holds io_lock, or is recovery.
 */
#pragma once

#include "log/store.h"

#define TXN_INDEX_ENTRY 34

void txn_index_encode(const struct txn_aborted *aborted, char entry[TXN_INDEX_ENTRY]);

/* File what is not in a file yet. A failure is not told: the checkpoint's mark will not fit the
 * files, and they are made again. */
void txn_index_write(struct log_partition *partition);
/* Read what lies below `offset`; make it again where it does not fit the mark. */
MR_NODISCARD int txn_index_load(struct log_partition *partition, int64_t offset,
				const struct txn_index_mark *mark, struct mr_error *err);
