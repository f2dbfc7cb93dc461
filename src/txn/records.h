/* txn/records.h - the records of `__transaction_state`, in Kafka's own format.
 *
 *   key    int16 0, string transactional id
 *   value  int16 1, then (flexible): producer id i64, epoch i16, timeout ms i32, status i8,
 *          partitions by topic (null while Empty), last update ms i64, start ms i64;
 *          tagged: 0 previous producer id i64, 1 next producer id i64, 2 client version i16
 *
 * (Kafka: TransactionLogKey.json, TransactionLogValue.json.) Version 0, not flexible and without
 * tagged fields, is read, too. A null value forgets the id.
 */
#pragma once

#include "base/buf.h"
#include "txn/machine.h"

void txn_key_write(mr_str id, struct mr_buf *out);
/* 0, 1 for a key of another kind, MR_ERR_CORRUPT. A view into bytes. */
MR_NODISCARD int txn_key_read(mr_str bytes, mr_str *id, struct mr_error *err);

/* The change that is proposed. */
void txn_value_write(const struct txn_machine *m, struct mr_buf *out);
/* Into a machine that machine_init made. */
MR_NODISCARD int txn_value_read(mr_str bytes, struct txn_machine *m, struct mr_error *err);
