/* kafka/schema_share.c - which version of the share groups' messages carries which field. (Kafka's
 * message definitions, ShareFetchRequest.json and so on.) */
#include "kafka/messages.h"
#include "kafka/schema_rules.h"

/* ---- ShareGroupHeartbeat ---- */

#define THIS consumer_topic_partitions
static const struct wire_field consumer_topic_partitions_fields[] = {
    F(UUID, topic_id, 0, ALL),
    A(INT32, partitions, 0, ALL),
};
CHILD(consumer_topic_partitions);
#undef THIS

#define THIS share_group_heartbeat_request
static const struct wire_field share_group_heartbeat_request_fields[] = {
    F(STRING, group_id, 0, ALL),
    F(STRING, member_id, 0, ALL),
    F(INT32, member_epoch, 0, ALL),
    FN(STRING, rack_id, 0, ALL, 0),
    AN(STRING, subscribed_topic_names, 0, ALL, 0),
};
MESSAGE(share_group_heartbeat_request);
#undef THIS

#define THIS share_heartbeat_assignment
static const struct wire_field share_heartbeat_assignment_fields[] = {
    AS(consumer_topic_partitions, topic_partitions, 0, ALL),
};
CHILD(share_heartbeat_assignment);
#undef THIS

#define THIS share_group_heartbeat_response
static const struct wire_field share_group_heartbeat_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    FN(STRING, member_id, 0, ALL, 0),
    F(INT32, member_epoch, 0, ALL),
    F(INT32, heartbeat_interval_ms, 0, ALL),
    O(share_heartbeat_assignment, assignment, 0, ALL),
};
MESSAGE(share_group_heartbeat_response);
#undef THIS

/* ---- ShareGroupDescribe ---- */

#define THIS share_group_describe_request
static const struct wire_field share_group_describe_request_fields[] = {
    A(STRING, group_ids, 0, ALL),
    F(BOOL, include_authorized_operations, 0, ALL),
};
MESSAGE(share_group_describe_request);
#undef THIS

#define THIS share_described_partitions
static const struct wire_field share_described_partitions_fields[] = {
    F(UUID, topic_id, 0, ALL),
    F(STRING, topic_name, 0, ALL),
    A(INT32, partitions, 0, ALL),
};
CHILD(share_described_partitions);
#undef THIS

#define THIS share_described_assignment
static const struct wire_field share_described_assignment_fields[] = {
    AS(share_described_partitions, topic_partitions, 0, ALL),
};
CHILD(share_described_assignment);
#undef THIS

#define THIS share_described_member
static const struct wire_field share_described_member_fields[] = {
    F(STRING, member_id, 0, ALL),
    FN(STRING, rack_id, 0, ALL, 0),
    F(INT32, member_epoch, 0, ALL),
    F(STRING, client_id, 0, ALL),
    F(STRING, client_host, 0, ALL),
    A(STRING, subscribed_topic_names, 0, ALL),
    S(share_described_assignment, assignment, 0, ALL),
};
CHILD(share_described_member);
#undef THIS

#define THIS share_described_group
static const struct wire_field share_described_group_fields[] = {
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    F(STRING, group_id, 0, ALL),
    F(STRING, group_state, 0, ALL),
    F(INT32, group_epoch, 0, ALL),
    F(INT32, assignment_epoch, 0, ALL),
    F(STRING, assignor_name, 0, ALL),
    AS(share_described_member, members, 0, ALL),
    FD(INT32, authorized_operations, 0, ALL, INT32_MIN),
};
CHILD(share_described_group);
#undef THIS

#define THIS share_group_describe_response
static const struct wire_field share_group_describe_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(share_described_group, groups, 0, ALL),
};
MESSAGE(share_group_describe_response);
#undef THIS

/* ---- ShareFetch ---- */

#define THIS share_ack_types
static const struct wire_field share_ack_types_fields[] = {
    F(INT64, first_offset, 0, ALL),
    F(INT64, last_offset, 0, ALL),
    A(INT8, acknowledge_types, 0, ALL),
};
CHILD(share_ack_types);
#undef THIS

#define THIS share_request_partition
static const struct wire_field share_request_partition_fields[] = {
    F(INT32, partition_index, 0, ALL),
    AS(share_ack_types, acknowledgement_batches, 0, ALL),
};
CHILD(share_request_partition);
#undef THIS

#define THIS share_request_topic
static const struct wire_field share_request_topic_fields[] = {
    F(UUID, topic_id, 0, ALL),
    AS(share_request_partition, partitions, 0, ALL),
};
CHILD(share_request_topic);
#undef THIS

#define THIS share_leader
static const struct wire_field share_leader_fields[] = {
    F(INT32, leader_id, 0, ALL),
    F(INT32, leader_epoch, 0, ALL),
};
CHILD(share_leader);
#undef THIS

#define THIS share_endpoint
static const struct wire_field share_endpoint_fields[] = {
    F(INT32, node_id, 0, ALL),
    F(STRING, host, 0, ALL),
    F(INT32, port, 0, ALL),
    FN(STRING, rack, 0, ALL, 0),
};
CHILD(share_endpoint);
#undef THIS

#define THIS share_fetch_request
static const struct wire_field share_fetch_request_fields[] = {
    FN(STRING, group_id, 0, ALL, 0),
    FN(STRING, member_id, 0, ALL, 0),
    F(INT32, share_session_epoch, 0, ALL),
    F(INT32, max_wait_ms, 0, ALL),
    F(INT32, min_bytes, 0, ALL),
    FD(INT32, max_bytes, 0, ALL, INT32_MAX),
    F(INT32, max_records, 1, ALL),
    F(INT32, batch_size, 1, ALL),
    F(INT8, share_acquire_mode, 2, ALL),
    F(BOOL, is_renew_ack, 2, ALL),
    AS(share_request_topic, topics, 0, ALL),
    AS(consumer_topic_partitions, forgotten_topics_data, 0, ALL),
};
MESSAGE(share_fetch_request);
#undef THIS

#define THIS share_acquired_records
static const struct wire_field share_acquired_records_fields[] = {
    F(INT64, first_offset, 0, ALL),
    F(INT64, last_offset, 0, ALL),
    F(INT16, delivery_count, 0, ALL),
};
CHILD(share_acquired_records);
#undef THIS

#define THIS share_fetch_partition_reply
static const struct wire_field share_fetch_partition_reply_fields[] = {
    F(INT32, partition_index, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    F(INT16, acknowledge_error_code, 0, ALL),
    FN(STRING, acknowledge_error_message, 0, ALL, 0),
    S(share_leader, current_leader, 0, ALL),
    F(PIECES, records, 0, ALL),
    AS(share_acquired_records, acquired_records, 0, ALL),
};
CHILD(share_fetch_partition_reply);
#undef THIS

#define THIS share_fetch_topic_reply
static const struct wire_field share_fetch_topic_reply_fields[] = {
    F(UUID, topic_id, 0, ALL),
    AS(share_fetch_partition_reply, partitions, 0, ALL),
};
CHILD(share_fetch_topic_reply);
#undef THIS

#define THIS share_fetch_response
static const struct wire_field share_fetch_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    F(INT32, acquisition_lock_timeout_ms, 1, ALL),
    AS(share_fetch_topic_reply, responses, 0, ALL),
    AS(share_endpoint, node_endpoints, 0, ALL),
};
MESSAGE(share_fetch_response);
#undef THIS

/* ---- ShareAcknowledge ---- */

#define THIS share_acknowledge_request
static const struct wire_field share_acknowledge_request_fields[] = {
    FN(STRING, group_id, 0, ALL, 0),         FN(STRING, member_id, 0, ALL, 0),
    F(INT32, share_session_epoch, 0, ALL),   F(BOOL, is_renew_ack, 2, ALL),
    AS(share_request_topic, topics, 0, ALL),
};
MESSAGE(share_acknowledge_request);
#undef THIS

#define THIS share_acknowledge_partition_reply
static const struct wire_field share_acknowledge_partition_reply_fields[] = {
    F(INT32, partition_index, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    S(share_leader, current_leader, 0, ALL),
};
CHILD(share_acknowledge_partition_reply);
#undef THIS

#define THIS share_acknowledge_topic_reply
static const struct wire_field share_acknowledge_topic_reply_fields[] = {
    F(UUID, topic_id, 0, ALL),
    AS(share_acknowledge_partition_reply, partitions, 0, ALL),
};
CHILD(share_acknowledge_topic_reply);
#undef THIS

#define THIS share_acknowledge_response
static const struct wire_field share_acknowledge_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    F(INT32, acquisition_lock_timeout_ms, 2, ALL),
    AS(share_acknowledge_topic_reply, responses, 0, ALL),
    AS(share_endpoint, node_endpoints, 0, ALL),
};
MESSAGE(share_acknowledge_response);
#undef THIS

/* ---- DescribeShareGroupOffsets ---- */

#define THIS describe_share_offsets_topic
static const struct wire_field describe_share_offsets_topic_fields[] = {
    F(STRING, topic_name, 0, ALL),
    A(INT32, partitions, 0, ALL),
};
CHILD(describe_share_offsets_topic);
#undef THIS

#define THIS describe_share_offsets_group
static const struct wire_field describe_share_offsets_group_fields[] = {
    F(STRING, group_id, 0, ALL),
    ASN(describe_share_offsets_topic, topics, 0, ALL, 0),
};
CHILD(describe_share_offsets_group);
#undef THIS

#define THIS describe_share_group_offsets_request
static const struct wire_field describe_share_group_offsets_request_fields[] = {
    AS(describe_share_offsets_group, groups, 0, ALL),
};
MESSAGE(describe_share_group_offsets_request);
#undef THIS

#define THIS described_share_offset
static const struct wire_field described_share_offset_fields[] = {
    F(INT32, partition_index, 0, ALL), F(INT64, start_offset, 0, ALL), F(INT32, leader_epoch, 0, ALL),
    FD(INT64, lag, 1, ALL, -1),        F(INT16, error_code, 0, ALL),   FN(STRING, error_message, 0, ALL, 0),
};
CHILD(described_share_offset);
#undef THIS

#define THIS described_share_offsets_topic
static const struct wire_field described_share_offsets_topic_fields[] = {
    F(STRING, topic_name, 0, ALL),
    F(UUID, topic_id, 0, ALL),
    AS(described_share_offset, partitions, 0, ALL),
};
CHILD(described_share_offsets_topic);
#undef THIS

#define THIS described_share_offsets_group
static const struct wire_field described_share_offsets_group_fields[] = {
    F(STRING, group_id, 0, ALL),
    AS(described_share_offsets_topic, topics, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
};
CHILD(described_share_offsets_group);
#undef THIS

#define THIS describe_share_group_offsets_response
static const struct wire_field describe_share_group_offsets_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(described_share_offsets_group, groups, 0, ALL),
};
MESSAGE(describe_share_group_offsets_response);
#undef THIS

/* ---- AlterShareGroupOffsets ---- */

#define THIS alter_share_offset
static const struct wire_field alter_share_offset_fields[] = {
    F(INT32, partition_index, 0, ALL),
    F(INT64, start_offset, 0, ALL),
};
CHILD(alter_share_offset);
#undef THIS

#define THIS alter_share_offsets_topic
static const struct wire_field alter_share_offsets_topic_fields[] = {
    F(STRING, topic_name, 0, ALL),
    AS(alter_share_offset, partitions, 0, ALL),
};
CHILD(alter_share_offsets_topic);
#undef THIS

#define THIS alter_share_group_offsets_request
static const struct wire_field alter_share_group_offsets_request_fields[] = {
    F(STRING, group_id, 0, ALL),
    AS(alter_share_offsets_topic, topics, 0, ALL),
};
MESSAGE(alter_share_group_offsets_request);
#undef THIS

#define THIS altered_share_offset
static const struct wire_field altered_share_offset_fields[] = {
    F(INT32, partition_index, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
};
CHILD(altered_share_offset);
#undef THIS

#define THIS altered_share_offsets_topic
static const struct wire_field altered_share_offsets_topic_fields[] = {
    F(STRING, topic_name, 0, ALL),
    F(UUID, topic_id, 0, ALL),
    AS(altered_share_offset, partitions, 0, ALL),
};
CHILD(altered_share_offsets_topic);
#undef THIS

#define THIS alter_share_group_offsets_response
static const struct wire_field alter_share_group_offsets_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    AS(altered_share_offsets_topic, responses, 0, ALL),
};
MESSAGE(alter_share_group_offsets_response);
#undef THIS

/* ---- DeleteShareGroupOffsets ---- */

#define THIS delete_share_offsets_topic
static const struct wire_field delete_share_offsets_topic_fields[] = {
    F(STRING, topic_name, 0, ALL),
};
CHILD(delete_share_offsets_topic);
#undef THIS

#define THIS delete_share_group_offsets_request
static const struct wire_field delete_share_group_offsets_request_fields[] = {
    F(STRING, group_id, 0, ALL),
    AS(delete_share_offsets_topic, topics, 0, ALL),
};
MESSAGE(delete_share_group_offsets_request);
#undef THIS

#define THIS deleted_share_offsets_topic
static const struct wire_field deleted_share_offsets_topic_fields[] = {
    F(STRING, topic_name, 0, ALL),
    F(UUID, topic_id, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
};
CHILD(deleted_share_offsets_topic);
#undef THIS

#define THIS delete_share_group_offsets_response
static const struct wire_field delete_share_group_offsets_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    AS(deleted_share_offsets_topic, responses, 0, ALL),
};
MESSAGE(delete_share_group_offsets_response);
#undef THIS
