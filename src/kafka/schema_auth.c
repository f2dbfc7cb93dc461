/* kafka/schema_auth.c - the messages of SASL, ACLs, quotas and SCRAM credentials as tables. */
#include "kafka/messages.h"
#include "kafka/schema_rules.h"

/* ---- SaslHandshake ---- */

#define THIS sasl_handshake_request
static const struct wire_field sasl_handshake_request_fields[] = {
    F(STRING, mechanism, 0, ALL),
};
MESSAGE(sasl_handshake_request);
#undef THIS

#define THIS sasl_handshake_response
static const struct wire_field sasl_handshake_response_fields[] = {
    F(INT16, error_code, 0, ALL),
    A(STRING, mechanisms, 0, ALL),
};
MESSAGE(sasl_handshake_response);
#undef THIS

/* ---- SaslAuthenticate ---- */

#define THIS sasl_authenticate_request
static const struct wire_field sasl_authenticate_request_fields[] = {
    F(RECORDS, auth_bytes, 0, ALL),
};
MESSAGE(sasl_authenticate_request);
#undef THIS

#define THIS sasl_authenticate_response
static const struct wire_field sasl_authenticate_response_fields[] = {
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    F(RECORDS, auth_bytes, 0, ALL),
    F(INT64, session_lifetime_ms, 1, ALL),
};
MESSAGE(sasl_authenticate_response);
#undef THIS

/* ---- DescribeAcls ---- */

#define THIS describe_acls_request
static const struct wire_field describe_acls_request_fields[] = {
    F(INT8, resource_type_filter, 0, ALL), FN(STRING, resource_name_filter, 0, ALL, 0),
    F(INT8, pattern_type_filter, 0, ALL),  FN(STRING, principal_filter, 0, ALL, 0),
    FN(STRING, host_filter, 0, ALL, 0),    F(INT8, operation, 0, ALL),
    F(INT8, permission_type, 0, ALL),
};
MESSAGE(describe_acls_request);
#undef THIS

#define THIS describe_acls_entry
static const struct wire_field describe_acls_entry_fields[] = {
    F(STRING, principal, 0, ALL),
    F(STRING, host, 0, ALL),
    F(INT8, operation, 0, ALL),
    F(INT8, permission_type, 0, ALL),
};
CHILD(describe_acls_entry);
#undef THIS

#define THIS describe_acls_resource
static const struct wire_field describe_acls_resource_fields[] = {
    F(INT8, resource_type, 0, ALL),
    F(STRING, resource_name, 0, ALL),
    F(INT8, pattern_type, 0, ALL),
    AS(describe_acls_entry, acls, 0, ALL),
};
CHILD(describe_acls_resource);
#undef THIS

#define THIS describe_acls_response
static const struct wire_field describe_acls_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    AS(describe_acls_resource, resources, 0, ALL),
};
MESSAGE(describe_acls_response);
#undef THIS

/* ---- CreateAcls ---- */

#define THIS create_acls_creation
static const struct wire_field create_acls_creation_fields[] = {
    F(INT8, resource_type, 0, ALL),
    F(STRING, resource_name, 0, ALL),
    F(INT8, resource_pattern_type, 0, ALL),
    F(STRING, principal, 0, ALL),
    F(STRING, host, 0, ALL),
    F(INT8, operation, 0, ALL),
    F(INT8, permission_type, 0, ALL),
};
CHILD(create_acls_creation);
#undef THIS

#define THIS create_acls_request
static const struct wire_field create_acls_request_fields[] = {
    AS(create_acls_creation, creations, 0, ALL),
};
MESSAGE(create_acls_request);
#undef THIS

#define THIS create_acls_result
static const struct wire_field create_acls_result_fields[] = {
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
};
CHILD(create_acls_result);
#undef THIS

#define THIS create_acls_response
static const struct wire_field create_acls_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(create_acls_result, results, 0, ALL),
};
MESSAGE(create_acls_response);
#undef THIS

/* ---- DeleteAcls ---- */

#define THIS delete_acls_request
static const struct wire_field delete_acls_request_fields[] = {
    AS(describe_acls_request, filters, 0, ALL),
};
MESSAGE(delete_acls_request);
#undef THIS

#define THIS delete_acls_match
static const struct wire_field delete_acls_match_fields[] = {
    F(INT16, error_code, 0, ALL),     FN(STRING, error_message, 0, ALL, 0), F(INT8, resource_type, 0, ALL),
    F(STRING, resource_name, 0, ALL), F(INT8, pattern_type, 0, ALL),        F(STRING, principal, 0, ALL),
    F(STRING, host, 0, ALL),          F(INT8, operation, 0, ALL),           F(INT8, permission_type, 0, ALL),
};
CHILD(delete_acls_match);
#undef THIS

#define THIS delete_acls_result
static const struct wire_field delete_acls_result_fields[] = {
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    AS(delete_acls_match, matching_acls, 0, ALL),
};
CHILD(delete_acls_result);
#undef THIS

#define THIS delete_acls_response
static const struct wire_field delete_acls_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(delete_acls_result, filter_results, 0, ALL),
};
MESSAGE(delete_acls_response);
#undef THIS

/* ---- DescribeClientQuotas ---- */

#define THIS describe_client_quotas_component
static const struct wire_field describe_client_quotas_component_fields[] = {
    F(STRING, entity_type, 0, ALL),
    F(INT8, match_type, 0, ALL),
    FN(STRING, match, 0, ALL, 0),
};
CHILD(describe_client_quotas_component);
#undef THIS

#define THIS describe_client_quotas_request
static const struct wire_field describe_client_quotas_request_fields[] = {
    AS(describe_client_quotas_component, components, 0, ALL),
    F(BOOL, strict, 0, ALL),
};
MESSAGE(describe_client_quotas_request);
#undef THIS

#define THIS client_quotas_entity
static const struct wire_field client_quotas_entity_fields[] = {
    F(STRING, entity_type, 0, ALL),
    FN(STRING, entity_name, 0, ALL, 0),
};
CHILD(client_quotas_entity);
#undef THIS

#define THIS client_quotas_value
static const struct wire_field client_quotas_value_fields[] = {
    F(STRING, key, 0, ALL),
    F(FLOAT64, value, 0, ALL),
};
CHILD(client_quotas_value);
#undef THIS

#define THIS describe_client_quotas_entry
static const struct wire_field describe_client_quotas_entry_fields[] = {
    AS(client_quotas_entity, entity, 0, ALL),
    AS(client_quotas_value, values, 0, ALL),
};
CHILD(describe_client_quotas_entry);
#undef THIS

#define THIS describe_client_quotas_response
static const struct wire_field describe_client_quotas_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    ASN(describe_client_quotas_entry, entries, 0, ALL, 0),
};
MESSAGE(describe_client_quotas_response);
#undef THIS

/* ---- AlterClientQuotas ---- */

#define THIS alter_client_quotas_op
static const struct wire_field alter_client_quotas_op_fields[] = {
    F(STRING, key, 0, ALL),
    F(FLOAT64, value, 0, ALL),
    F(BOOL, remove, 0, ALL),
};
CHILD(alter_client_quotas_op);
#undef THIS

#define THIS alter_client_quotas_entry
static const struct wire_field alter_client_quotas_entry_fields[] = {
    AS(client_quotas_entity, entity, 0, ALL),
    AS(alter_client_quotas_op, ops, 0, ALL),
};
CHILD(alter_client_quotas_entry);
#undef THIS

#define THIS alter_client_quotas_request
static const struct wire_field alter_client_quotas_request_fields[] = {
    AS(alter_client_quotas_entry, entries, 0, ALL),
    F(BOOL, validate_only, 0, ALL),
};
MESSAGE(alter_client_quotas_request);
#undef THIS

#define THIS alter_client_quotas_result
static const struct wire_field alter_client_quotas_result_fields[] = {
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    AS(client_quotas_entity, entity, 0, ALL),
};
CHILD(alter_client_quotas_result);
#undef THIS

#define THIS alter_client_quotas_response
static const struct wire_field alter_client_quotas_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(alter_client_quotas_result, entries, 0, ALL),
};
MESSAGE(alter_client_quotas_response);
#undef THIS

/* ---- DescribeUserScramCredentials ---- */

#define THIS describe_scram_user
static const struct wire_field describe_scram_user_fields[] = {
    F(STRING, name, 0, ALL),
};
CHILD(describe_scram_user);
#undef THIS

#define THIS describe_user_scram_credentials_request
static const struct wire_field describe_user_scram_credentials_request_fields[] = {
    ASN(describe_scram_user, users, 0, ALL, 0),
};
MESSAGE(describe_user_scram_credentials_request);
#undef THIS

#define THIS describe_scram_info
static const struct wire_field describe_scram_info_fields[] = {
    F(INT8, mechanism, 0, ALL),
    F(INT32, iterations, 0, ALL),
};
CHILD(describe_scram_info);
#undef THIS

#define THIS describe_scram_result
static const struct wire_field describe_scram_result_fields[] = {
    F(STRING, user, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    AS(describe_scram_info, credential_infos, 0, ALL),
};
CHILD(describe_scram_result);
#undef THIS

#define THIS describe_user_scram_credentials_response
static const struct wire_field describe_user_scram_credentials_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    AS(describe_scram_result, results, 0, ALL),
};
MESSAGE(describe_user_scram_credentials_response);
#undef THIS

/* ---- AlterUserScramCredentials ---- */

#define THIS alter_scram_deletion
static const struct wire_field alter_scram_deletion_fields[] = {
    F(STRING, name, 0, ALL),
    F(INT8, mechanism, 0, ALL),
};
CHILD(alter_scram_deletion);
#undef THIS

#define THIS alter_scram_upsertion
static const struct wire_field alter_scram_upsertion_fields[] = {
    F(STRING, name, 0, ALL),  F(INT8, mechanism, 0, ALL),          F(INT32, iterations, 0, ALL),
    F(RECORDS, salt, 0, ALL), F(RECORDS, salted_password, 0, ALL),
};
CHILD(alter_scram_upsertion);
#undef THIS

#define THIS alter_user_scram_credentials_request
static const struct wire_field alter_user_scram_credentials_request_fields[] = {
    AS(alter_scram_deletion, deletions, 0, ALL),
    AS(alter_scram_upsertion, upsertions, 0, ALL),
};
MESSAGE(alter_user_scram_credentials_request);
#undef THIS

#define THIS alter_scram_result
static const struct wire_field alter_scram_result_fields[] = {
    F(STRING, user, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
};
CHILD(alter_scram_result);
#undef THIS

#define THIS alter_user_scram_credentials_response
static const struct wire_field alter_user_scram_credentials_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(alter_scram_result, results, 0, ALL),
};
MESSAGE(alter_user_scram_credentials_response);
#undef THIS
