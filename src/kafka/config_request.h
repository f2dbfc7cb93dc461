/* kafka/config_request.h - what the handlers of configurations share: the resources they name. */
#pragma once

#include "kafka/admin_job.h"
#include "kafka/handler.h"
#include "kafka/security.h"

/* Kafka's numbers. */
enum config_resource {
	RESOURCE_TOPIC = 2,
	RESOURCE_BROKER = 4,
	RESOURCE_BROKER_LOGGER = 8,
	RESOURCE_CLIENT_METRICS = 16,
	RESOURCE_GROUP = 32,
};

/* A broker is named by its number; no name means all of them. False for another broker. */
bool config_scope_of(mr_str name, enum config_source *out);

/* May this resource be altered by this request, and what would that be? Fills op, refused or not. */
void config_plan(struct request *r, struct admin_job *job, struct admin_op *op, int8_t type, mr_str name,
		 bool validate_only);

void config_answer(struct request *r, const struct admin_op *op, int8_t type, mr_str name,
		   struct alter_configs_result *out);
