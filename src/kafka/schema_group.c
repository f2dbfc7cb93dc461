/* kafka/schema_group.c - which version of the groups' messages carries which field. (Kafka's message
 * definitions, JoinGroupRequest.json and so on.) */
#include "kafka/messages.h"
#include "kafka/schema_rules.h"

/* ---- JoinGroup ---- */

#define THIS join_group_protocol
static const struct wire_field join_group_protocol_fields[] = {
    F(STRING, name, 0, ALL),
    F(RECORDS, metadata, 0, ALL),
};
CHILD(join_group_protocol);
#undef THIS

#define THIS join_group_request
static const struct wire_field join_group_request_fields[] = {
    F(STRING, group_id, 0, ALL),
    F(INT32, session_timeout_ms, 0, ALL),
    FD(INT32, rebalance_timeout_ms, 1, ALL, -1),
    F(STRING, member_id, 0, ALL),
    FN(STRING, group_instance_id, 5, ALL, 5),
    F(STRING, protocol_type, 0, ALL),
    AS(join_group_protocol, protocols, 0, ALL),
    FN(STRING, reason, 8, ALL, 8),
};
MESSAGE(join_group_request);
#undef THIS

#define THIS join_group_member
static const struct wire_field join_group_member_fields[] = {
    F(STRING, member_id, 0, ALL),
    FN(STRING, group_instance_id, 5, ALL, 5),
    F(RECORDS, metadata, 0, ALL),
};
CHILD(join_group_member);
#undef THIS

#define THIS join_group_response
static const struct wire_field join_group_response_fields[] = {
    F(INT32, throttle_time_ms, 2, ALL),     F(INT16, error_code, 0, ALL),
    FD(INT32, generation_id, 0, ALL, -1),   FN(STRING, protocol_type, 7, ALL, 7),
    FN(STRING, protocol_name, 0, ALL, 7),   F(STRING, leader, 0, ALL),
    F(BOOL, skip_assignment, 9, ALL),       F(STRING, member_id, 0, ALL),
    AS(join_group_member, members, 0, ALL),
};
MESSAGE(join_group_response);
#undef THIS

/* ---- SyncGroup ---- */

#define THIS sync_group_assignment
static const struct wire_field sync_group_assignment_fields[] = {
    F(STRING, member_id, 0, ALL),
    F(RECORDS, assignment, 0, ALL),
};
CHILD(sync_group_assignment);
#undef THIS

#define THIS sync_group_request
static const struct wire_field sync_group_request_fields[] = {
    F(STRING, group_id, 0, ALL),
    F(INT32, generation_id, 0, ALL),
    F(STRING, member_id, 0, ALL),
    FN(STRING, group_instance_id, 3, ALL, 3),
    FN(STRING, protocol_type, 5, ALL, 5),
    FN(STRING, protocol_name, 5, ALL, 5),
    AS(sync_group_assignment, assignments, 0, ALL),
};
MESSAGE(sync_group_request);
#undef THIS

#define THIS sync_group_response
static const struct wire_field sync_group_response_fields[] = {
    F(INT32, throttle_time_ms, 1, ALL),   F(INT16, error_code, 0, ALL),
    FN(STRING, protocol_type, 5, ALL, 5), FN(STRING, protocol_name, 5, ALL, 5),
    F(RECORDS, assignment, 0, ALL),
};
MESSAGE(sync_group_response);
#undef THIS

/* ---- Heartbeat ---- */

#define THIS heartbeat_request
static const struct wire_field heartbeat_request_fields[] = {
    F(STRING, group_id, 0, ALL),
    F(INT32, generation_id, 0, ALL),
    F(STRING, member_id, 0, ALL),
    FN(STRING, group_instance_id, 3, ALL, 3),
};
MESSAGE(heartbeat_request);
#undef THIS

#define THIS heartbeat_response
static const struct wire_field heartbeat_response_fields[] = {
    F(INT32, throttle_time_ms, 1, ALL),
    F(INT16, error_code, 0, ALL),
};
MESSAGE(heartbeat_response);
#undef THIS

/* ---- LeaveGroup ---- */

#define THIS leave_group_member
static const struct wire_field leave_group_member_fields[] = {
    F(STRING, member_id, 3, ALL),
    FN(STRING, group_instance_id, 3, ALL, 3),
    FN(STRING, reason, 5, ALL, 5),
};
CHILD(leave_group_member);
#undef THIS

#define THIS leave_group_request
static const struct wire_field leave_group_request_fields[] = {
    F(STRING, group_id, 0, ALL),
    F(STRING, member_id, 0, 2),
    AS(leave_group_member, members, 3, ALL),
};
MESSAGE(leave_group_request);
#undef THIS

#define THIS leave_group_member_reply
static const struct wire_field leave_group_member_reply_fields[] = {
    F(STRING, member_id, 3, ALL),
    FN(STRING, group_instance_id, 3, ALL, 3),
    F(INT16, error_code, 3, ALL),
};
CHILD(leave_group_member_reply);
#undef THIS

#define THIS leave_group_response
static const struct wire_field leave_group_response_fields[] = {
    F(INT32, throttle_time_ms, 1, ALL),
    F(INT16, error_code, 0, ALL),
    AS(leave_group_member_reply, members, 3, ALL),
};
MESSAGE(leave_group_response);
#undef THIS

/* ---- OffsetCommit ---- */

#define THIS offset_commit_partition
static const struct wire_field offset_commit_partition_fields[] = {
    F(INT32, partition_index, 0, ALL),
    F(INT64, committed_offset, 0, ALL),
    FD(INT32, committed_leader_epoch, 6, ALL, -1),
    FN(STRING, committed_metadata, 0, ALL, 0),
};
CHILD(offset_commit_partition);
#undef THIS

#define THIS offset_commit_topic
static const struct wire_field offset_commit_topic_fields[] = {
    F(STRING, name, 0, 9),
    F(UUID, topic_id, 10, ALL),
    AS(offset_commit_partition, partitions, 0, ALL),
};
CHILD(offset_commit_topic);
#undef THIS

#define THIS offset_commit_request
static const struct wire_field offset_commit_request_fields[] = {
    F(STRING, group_id, 0, ALL),
    FD(INT32, generation_id_or_member_epoch, 1, ALL, -1),
    F(STRING, member_id, 1, ALL),
    FN(STRING, group_instance_id, 7, ALL, 7),
    FD(INT64, retention_time_ms, 2, 4, -1),
    AS(offset_commit_topic, topics, 0, ALL),
};
MESSAGE(offset_commit_request);
#undef THIS

#define THIS offset_commit_partition_reply
static const struct wire_field offset_commit_partition_reply_fields[] = {
    F(INT32, partition_index, 0, ALL),
    F(INT16, error_code, 0, ALL),
};
CHILD(offset_commit_partition_reply);
#undef THIS

#define THIS offset_commit_topic_reply
static const struct wire_field offset_commit_topic_reply_fields[] = {
    F(STRING, name, 0, 9),
    F(UUID, topic_id, 10, ALL),
    AS(offset_commit_partition_reply, partitions, 0, ALL),
};
CHILD(offset_commit_topic_reply);
#undef THIS

#define THIS offset_commit_response
static const struct wire_field offset_commit_response_fields[] = {
    F(INT32, throttle_time_ms, 3, ALL),
    AS(offset_commit_topic_reply, topics, 0, ALL),
};
MESSAGE(offset_commit_response);
#undef THIS

/* ---- OffsetFetch ---- */

#define THIS offset_fetch_topic
static const struct wire_field offset_fetch_topic_fields[] = {
    F(STRING, name, 0, 9),
    F(UUID, topic_id, 10, ALL),
    A(INT32, partition_indexes, 0, ALL),
};
CHILD(offset_fetch_topic);
#undef THIS

#define THIS offset_fetch_group
static const struct wire_field offset_fetch_group_fields[] = {
    F(STRING, group_id, 8, ALL),
    FN(STRING, member_id, 9, ALL, 9),
    FD(INT32, member_epoch, 9, ALL, -1),
    ASN(offset_fetch_topic, topics, 8, ALL, 8),
};
CHILD(offset_fetch_group);
#undef THIS

#define THIS offset_fetch_request
static const struct wire_field offset_fetch_request_fields[] = {
    F(STRING, group_id, 0, 7),
    ASN(offset_fetch_topic, topics, 0, 7, 2),
    AS(offset_fetch_group, groups, 8, ALL),
    F(BOOL, require_stable, 7, ALL),
};
MESSAGE(offset_fetch_request);
#undef THIS

#define THIS offset_fetch_partition_reply
static const struct wire_field offset_fetch_partition_reply_fields[] = {
    F(INT32, partition_index, 0, ALL),
    F(INT64, committed_offset, 0, ALL),
    FD(INT32, committed_leader_epoch, 5, ALL, -1),
    FN(STRING, metadata, 0, ALL, 0),
    F(INT16, error_code, 0, ALL),
};
CHILD(offset_fetch_partition_reply);
#undef THIS

#define THIS offset_fetch_topic_reply
static const struct wire_field offset_fetch_topic_reply_fields[] = {
    F(STRING, name, 0, 9),
    F(UUID, topic_id, 10, ALL),
    AS(offset_fetch_partition_reply, partitions, 0, ALL),
};
CHILD(offset_fetch_topic_reply);
#undef THIS

#define THIS offset_fetch_group_reply
static const struct wire_field offset_fetch_group_reply_fields[] = {
    F(STRING, group_id, 8, ALL),
    AS(offset_fetch_topic_reply, topics, 8, ALL),
    F(INT16, error_code, 8, ALL),
};
CHILD(offset_fetch_group_reply);
#undef THIS

#define THIS offset_fetch_response
static const struct wire_field offset_fetch_response_fields[] = {
    F(INT32, throttle_time_ms, 3, ALL),
    AS(offset_fetch_topic_reply, topics, 0, 7),
    F(INT16, error_code, 2, 7),
    AS(offset_fetch_group_reply, groups, 8, ALL),
};
MESSAGE(offset_fetch_response);
#undef THIS

/* ---- DescribeGroups ---- */

#define THIS describe_groups_request
static const struct wire_field describe_groups_request_fields[] = {
    A(STRING, groups, 0, ALL),
    F(BOOL, include_authorized_operations, 3, ALL),
};
MESSAGE(describe_groups_request);
#undef THIS

#define THIS describe_groups_member
static const struct wire_field describe_groups_member_fields[] = {
    F(STRING, member_id, 0, ALL),        FN(STRING, group_instance_id, 4, ALL, 4),
    F(STRING, client_id, 0, ALL),        F(STRING, client_host, 0, ALL),
    F(RECORDS, member_metadata, 0, ALL), F(RECORDS, member_assignment, 0, ALL),
};
CHILD(describe_groups_member);
#undef THIS

#define THIS describe_groups_group
static const struct wire_field describe_groups_group_fields[] = {
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 6, ALL, 6),
    F(STRING, group_id, 0, ALL),
    F(STRING, group_state, 0, ALL),
    F(STRING, protocol_type, 0, ALL),
    F(STRING, protocol_data, 0, ALL),
    AS(describe_groups_member, members, 0, ALL),
    FD(INT32, authorized_operations, 3, ALL, INT32_MIN),
};
CHILD(describe_groups_group);
#undef THIS

#define THIS describe_groups_response
static const struct wire_field describe_groups_response_fields[] = {
    F(INT32, throttle_time_ms, 1, ALL),
    AS(describe_groups_group, groups, 0, ALL),
};
MESSAGE(describe_groups_response);
#undef THIS

/* ---- ListGroups ---- */

#define THIS list_groups_request
static const struct wire_field list_groups_request_fields[] = {
    A(STRING, states_filter, 4, ALL),
    A(STRING, types_filter, 5, ALL),
};
MESSAGE(list_groups_request);
#undef THIS

#define THIS list_groups_group
static const struct wire_field list_groups_group_fields[] = {
    F(STRING, group_id, 0, ALL),
    F(STRING, protocol_type, 0, ALL),
    F(STRING, group_state, 4, ALL),
    F(STRING, group_type, 5, ALL),
};
CHILD(list_groups_group);
#undef THIS

#define THIS list_groups_response
static const struct wire_field list_groups_response_fields[] = {
    F(INT32, throttle_time_ms, 1, ALL),
    F(INT16, error_code, 0, ALL),
    AS(list_groups_group, groups, 0, ALL),
};
MESSAGE(list_groups_response);
#undef THIS

/* ---- DeleteGroups ---- */

#define THIS delete_groups_request
static const struct wire_field delete_groups_request_fields[] = {
    A(STRING, groups_names, 0, ALL),
};
MESSAGE(delete_groups_request);
#undef THIS

#define THIS delete_groups_result
static const struct wire_field delete_groups_result_fields[] = {
    F(STRING, group_id, 0, ALL),
    F(INT16, error_code, 0, ALL),
};
CHILD(delete_groups_result);
#undef THIS

#define THIS delete_groups_response
static const struct wire_field delete_groups_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(delete_groups_result, results, 0, ALL),
};
MESSAGE(delete_groups_response);
#undef THIS

/* ---- OffsetDelete ---- */

#define THIS offset_delete_partition
static const struct wire_field offset_delete_partition_fields[] = {
    F(INT32, partition_index, 0, ALL),
};
CHILD(offset_delete_partition);
#undef THIS

#define THIS offset_delete_topic
static const struct wire_field offset_delete_topic_fields[] = {
    F(STRING, name, 0, ALL),
    AS(offset_delete_partition, partitions, 0, ALL),
};
CHILD(offset_delete_topic);
#undef THIS

#define THIS offset_delete_request
static const struct wire_field offset_delete_request_fields[] = {
    F(STRING, group_id, 0, ALL),
    AS(offset_delete_topic, topics, 0, ALL),
};
MESSAGE(offset_delete_request);
#undef THIS

#define THIS offset_delete_partition_reply
static const struct wire_field offset_delete_partition_reply_fields[] = {
    F(INT32, partition_index, 0, ALL),
    F(INT16, error_code, 0, ALL),
};
CHILD(offset_delete_partition_reply);
#undef THIS

#define THIS offset_delete_topic_reply
static const struct wire_field offset_delete_topic_reply_fields[] = {
    F(STRING, name, 0, ALL),
    AS(offset_delete_partition_reply, partitions, 0, ALL),
};
CHILD(offset_delete_topic_reply);
#undef THIS

#define THIS offset_delete_response
static const struct wire_field offset_delete_response_fields[] = {
    F(INT16, error_code, 0, ALL),
    F(INT32, throttle_time_ms, 0, ALL),
    AS(offset_delete_topic_reply, topics, 0, ALL),
};
MESSAGE(offset_delete_response);
#undef THIS

/* ---- ConsumerGroupHeartbeat ---- */

#define THIS consumer_topic_partitions
static const struct wire_field consumer_topic_partitions_fields[] = {
    F(UUID, topic_id, 0, ALL),
    A(INT32, partitions, 0, ALL),
};
CHILD(consumer_topic_partitions);
#undef THIS

#define THIS consumer_group_heartbeat_request
static const struct wire_field consumer_group_heartbeat_request_fields[] = {
    F(STRING, group_id, 0, ALL),
    F(STRING, member_id, 0, ALL),
    F(INT32, member_epoch, 0, ALL),
    FN(STRING, instance_id, 0, ALL, 0),
    FN(STRING, rack_id, 0, ALL, 0),
    FD(INT32, rebalance_timeout_ms, 0, ALL, -1),
    AN(STRING, subscribed_topic_names, 0, ALL, 0),
    FN(STRING, subscribed_topic_regex, 1, ALL, 1),
    FN(STRING, server_assignor, 0, ALL, 0),
    ASN(consumer_topic_partitions, topic_partitions, 0, ALL, 0),
};
MESSAGE(consumer_group_heartbeat_request);
#undef THIS

#define THIS consumer_heartbeat_assignment
static const struct wire_field consumer_heartbeat_assignment_fields[] = {
    AS(consumer_topic_partitions, topic_partitions, 0, ALL),
};
CHILD(consumer_heartbeat_assignment);
#undef THIS

#define THIS consumer_group_heartbeat_response
static const struct wire_field consumer_group_heartbeat_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    FN(STRING, member_id, 0, ALL, 0),
    F(INT32, member_epoch, 0, ALL),
    F(INT32, heartbeat_interval_ms, 0, ALL),
    O(consumer_heartbeat_assignment, assignment, 0, ALL),
};
MESSAGE(consumer_group_heartbeat_response);
#undef THIS

/* ---- ConsumerGroupDescribe ---- */

#define THIS consumer_group_describe_request
static const struct wire_field consumer_group_describe_request_fields[] = {
    A(STRING, group_ids, 0, ALL),
    F(BOOL, include_authorized_operations, 0, ALL),
};
MESSAGE(consumer_group_describe_request);
#undef THIS

#define THIS consumer_described_partitions
static const struct wire_field consumer_described_partitions_fields[] = {
    F(UUID, topic_id, 0, ALL),
    F(STRING, topic_name, 0, ALL),
    A(INT32, partitions, 0, ALL),
};
CHILD(consumer_described_partitions);
#undef THIS

#define THIS consumer_described_assignment
static const struct wire_field consumer_described_assignment_fields[] = {
    AS(consumer_described_partitions, topic_partitions, 0, ALL),
};
CHILD(consumer_described_assignment);
#undef THIS

#define THIS consumer_described_member
static const struct wire_field consumer_described_member_fields[] = {
    F(STRING, member_id, 0, ALL),
    FN(STRING, instance_id, 0, ALL, 0),
    FN(STRING, rack_id, 0, ALL, 0),
    F(INT32, member_epoch, 0, ALL),
    F(STRING, client_id, 0, ALL),
    F(STRING, client_host, 0, ALL),
    A(STRING, subscribed_topic_names, 0, ALL),
    FN(STRING, subscribed_topic_regex, 0, ALL, 0),
    S(consumer_described_assignment, assignment, 0, ALL),
    S(consumer_described_assignment, target_assignment, 0, ALL),
    FD(INT8, member_type, 1, ALL, -1),
};
CHILD(consumer_described_member);
#undef THIS

#define THIS consumer_described_group
static const struct wire_field consumer_described_group_fields[] = {
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    F(STRING, group_id, 0, ALL),
    F(STRING, group_state, 0, ALL),
    F(INT32, group_epoch, 0, ALL),
    F(INT32, assignment_epoch, 0, ALL),
    F(STRING, assignor_name, 0, ALL),
    AS(consumer_described_member, members, 0, ALL),
    FD(INT32, authorized_operations, 0, ALL, INT32_MIN),
};
CHILD(consumer_described_group);
#undef THIS

#define THIS consumer_group_describe_response
static const struct wire_field consumer_group_describe_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(consumer_described_group, groups, 0, ALL),
};
MESSAGE(consumer_group_describe_response);
#undef THIS
