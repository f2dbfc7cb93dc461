/* kafka/messages.h - the requests and responses that are served, as C structs.
 *
 * One struct holds a message at every version; kafka/schema.c says which version carries
 * which field. Names follow Kafka's message definitions.
 */
#pragma once

#include "kafka/messages_group.h"
#include "kafka/messages_share.h"
#include "kafka/messages_txn.h"
#include "kafka/messages_admin.h"
#include "kafka/messages_auth.h"
#include "kafka/wire.h"

/* ---- Produce (0) ---- */
struct produce_partition {
	int32_t index;
	mr_str records;
};
struct produce_topic {
	mr_str name;
	uint8_t topic_id[16];
	WIRE_ARRAY(struct produce_partition) partitions;
};
struct produce_request {
	mr_str transactional_id;
	int16_t acks;
	int32_t timeout_ms;
	WIRE_ARRAY(struct produce_topic) topics;
};

struct leader_and_epoch {
	int32_t leader_id;
	int32_t leader_epoch;
};
struct node_endpoint {
	int32_t node_id;
	mr_str host;
	int32_t port;
	mr_str rack;
};
struct produce_record_error {
	int32_t batch_index;
	mr_str message;
};
struct produce_partition_reply {
	int32_t index;
	int16_t error_code;
	int64_t base_offset;
	int64_t log_append_time_ms;
	int64_t log_start_offset;
	WIRE_ARRAY(struct produce_record_error) record_errors;
	mr_str error_message;
	struct leader_and_epoch current_leader;
};
struct produce_topic_reply {
	mr_str name;
	uint8_t topic_id[16];
	WIRE_ARRAY(struct produce_partition_reply) partitions;
};
struct produce_response {
	WIRE_ARRAY(struct produce_topic_reply) topics;
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct node_endpoint) node_endpoints;
};

/* ---- Fetch (1) ---- */
struct fetch_replica_state {
	int32_t replica_id;
	int64_t replica_epoch;
};
struct fetch_partition {
	int32_t partition;
	int32_t current_leader_epoch;
	int64_t fetch_offset;
	int32_t last_fetched_epoch;
	int64_t log_start_offset;
	int32_t partition_max_bytes;
	uint8_t replica_directory_id[16];
	int64_t high_watermark;
};
struct fetch_topic {
	mr_str topic;
	uint8_t topic_id[16];
	WIRE_ARRAY(struct fetch_partition) partitions;
};
struct fetch_forgotten_topic {
	mr_str topic;
	uint8_t topic_id[16];
	WIRE_ARRAY(int32_t) partitions;
};
struct fetch_request {
	mr_str cluster_id;
	int32_t replica_id;
	struct fetch_replica_state replica_state;
	int32_t max_wait_ms;
	int32_t min_bytes;
	int32_t max_bytes;
	int8_t isolation_level;
	int32_t session_id;
	int32_t session_epoch;
	WIRE_ARRAY(struct fetch_topic) topics;
	WIRE_ARRAY(struct fetch_forgotten_topic) forgotten_topics;
	mr_str rack_id;
};

struct fetch_epoch_end {
	int32_t epoch;
	int64_t end_offset;
};
struct fetch_snapshot_id {
	int64_t end_offset;
	int32_t epoch;
};
struct fetch_aborted {
	int64_t producer_id;
	int64_t first_offset;
};
struct fetch_partition_reply {
	int32_t partition;
	int16_t error_code;
	int64_t high_watermark;
	int64_t last_stable_offset;
	int64_t log_start_offset;
	struct fetch_epoch_end diverging_epoch;
	struct leader_and_epoch current_leader;
	struct fetch_snapshot_id snapshot_id;
	WIRE_ARRAY(struct fetch_aborted) aborted_transactions;
	int32_t preferred_read_replica;
	struct wire_pieces records;
};
struct fetch_topic_reply {
	mr_str topic;
	uint8_t topic_id[16];
	WIRE_ARRAY(struct fetch_partition_reply) partitions;
};
struct fetch_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	int32_t session_id;
	WIRE_ARRAY(struct fetch_topic_reply) topics;
	WIRE_ARRAY(struct node_endpoint) node_endpoints;
};

/* ---- ListOffsets (2) ---- */
struct list_offsets_partition {
	int32_t partition;
	int32_t current_leader_epoch;
	int64_t timestamp;
};
struct list_offsets_topic {
	mr_str name;
	WIRE_ARRAY(struct list_offsets_partition) partitions;
};
struct list_offsets_request {
	int32_t replica_id;
	int8_t isolation_level;
	WIRE_ARRAY(struct list_offsets_topic) topics;
	int32_t timeout_ms;
};

struct list_offsets_partition_reply {
	int32_t partition;
	int16_t error_code;
	int64_t timestamp;
	int64_t offset;
	int32_t leader_epoch;
};
struct list_offsets_topic_reply {
	mr_str name;
	WIRE_ARRAY(struct list_offsets_partition_reply) partitions;
};
struct list_offsets_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct list_offsets_topic_reply) topics;
};

/* ---- Metadata (3) ---- */
struct metadata_request_topic {
	uint8_t topic_id[16];
	mr_str name;
};
struct metadata_request {
	WIRE_ARRAY(struct metadata_request_topic) topics;
	bool allow_auto_topic_creation;
	bool include_cluster_authorized_operations;
	bool include_topic_authorized_operations;
};

struct metadata_broker {
	int32_t node_id;
	mr_str host;
	int32_t port;
	mr_str rack;
};
struct metadata_partition {
	int16_t error_code;
	int32_t partition;
	int32_t leader_id;
	int32_t leader_epoch;
	WIRE_ARRAY(int32_t) replica_nodes;
	WIRE_ARRAY(int32_t) isr_nodes;
	WIRE_ARRAY(int32_t) offline_replicas;
};
struct metadata_topic {
	int16_t error_code;
	mr_str name;
	uint8_t topic_id[16];
	bool is_internal;
	WIRE_ARRAY(struct metadata_partition) partitions;
	int32_t topic_authorized_operations;
};
struct metadata_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct metadata_broker) brokers;
	mr_str cluster_id;
	int32_t controller_id;
	WIRE_ARRAY(struct metadata_topic) topics;
	int32_t cluster_authorized_operations;
	int16_t error_code;
};

/* ---- FindCoordinator (10) ---- */
struct find_coordinator_request {
	mr_str key;
	int8_t key_type;
	WIRE_ARRAY(mr_str) coordinator_keys;
};
struct find_coordinator_reply {
	mr_str key;
	int32_t node_id;
	mr_str host;
	int32_t port;
	int16_t error_code;
	mr_str error_message;
};
struct find_coordinator_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	mr_str error_message;
	int32_t node_id;
	mr_str host;
	int32_t port;
	WIRE_ARRAY(struct find_coordinator_reply) coordinators;
};

/* ---- ApiVersions (18) ---- */
struct api_versions_request {
	mr_str client_software_name;
	mr_str client_software_version;
};
struct api_versions_range {
	int16_t api_key;
	int16_t min_version;
	int16_t max_version;
};
struct api_versions_supported {
	mr_str name;
	int16_t min_version;
	int16_t max_version;
};
struct api_versions_finalized {
	mr_str name;
	int16_t max_version_level;
	int16_t min_version_level;
};
struct api_versions_response {
	int16_t error_code;
	WIRE_ARRAY(struct api_versions_range) api_keys;
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct api_versions_supported) supported_features;
	int64_t finalized_features_epoch;
	WIRE_ARRAY(struct api_versions_finalized) finalized_features;
};

/* ---- CreateTopics (19) ---- */
struct create_topics_assignment {
	int32_t partition;
	WIRE_ARRAY(int32_t) broker_ids;
};
struct create_topics_config {
	mr_str name;
	mr_str value;
};
struct create_topics_topic {
	mr_str name;
	int32_t num_partitions;
	int16_t replication_factor;
	WIRE_ARRAY(struct create_topics_assignment) assignments;
	WIRE_ARRAY(struct create_topics_config) configs;
};
struct create_topics_request {
	WIRE_ARRAY(struct create_topics_topic) topics;
	int32_t timeout_ms;
	bool validate_only;
};

struct create_topics_config_reply {
	mr_str name;
	mr_str value;
	bool read_only;
	int8_t config_source;
	bool is_sensitive;
};
struct create_topics_reply {
	mr_str name;
	uint8_t topic_id[16];
	int16_t error_code;
	mr_str error_message;
	int16_t topic_config_error_code;
	int32_t num_partitions;
	int16_t replication_factor;
	WIRE_ARRAY(struct create_topics_config_reply) configs;
};
struct create_topics_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct create_topics_reply) topics;
};

/* ---- DeleteTopics (20) ---- */
struct delete_topics_topic {
	mr_str name;
	uint8_t topic_id[16];
};
struct delete_topics_request {
	WIRE_ARRAY(struct delete_topics_topic) topics;
	WIRE_ARRAY(mr_str) topic_names;
	int32_t timeout_ms;
};
struct delete_topics_reply {
	mr_str name;
	uint8_t topic_id[16];
	int16_t error_code;
	mr_str error_message;
};
struct delete_topics_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct delete_topics_reply) responses;
};

/* ---- InitProducerId (22) ---- */
struct init_producer_id_request {
	mr_str transactional_id;
	int32_t transaction_timeout_ms;
	int64_t producer_id;
	int16_t producer_epoch;
};
struct init_producer_id_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	int64_t producer_id;
	int16_t producer_epoch;
};

/* ---- DescribeCluster (60) ---- */
struct describe_cluster_request {
	bool include_cluster_authorized_operations;
	int8_t endpoint_type;
	bool include_fenced_brokers;
};
struct describe_cluster_broker {
	int32_t broker_id;
	mr_str host;
	int32_t port;
	mr_str rack;
	bool is_fenced;
};
struct describe_cluster_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	mr_str error_message;
	int8_t endpoint_type;
	mr_str cluster_id;
	int32_t controller_id;
	WIRE_ARRAY(struct describe_cluster_broker) brokers;
	int32_t cluster_authorized_operations;
};

#define API(key, name, member, min, max, flexible) \
	extern const struct wire_struct member##_request_schema; \
	extern const struct wire_struct member##_response_schema;
#include "kafka/api.def"
#undef API
