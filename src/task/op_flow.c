/* Operators that steer: BranchOperator, ShortCircuitOperator, TriggerDagRunOperator, and the pipeline's. */
#include "dag/civil.h"
#include "task/op.h"

int branch_run(struct op_call *call, struct op_result *out, struct mr_error *err)
{
	out->outcome = DAG_SUCCEEDED;
	out->follow = DAG_FOLLOW_ONLY;
	out->follow_count = op_list(call, "follow", &out->follow_ids);
	for (size_t i = 0; i < out->follow_count; i++) {
		mr_str id = out->follow_ids[i];
		const struct dag_task *task = dag_task_find(call->try->dag, id);
		if (!task && id.len)
			return mr_fail(err, MR_ERR_INVALID,
				       "the branch names '%.*s', which is no task of this DAG", MR_FMT(id));
		task_log_line(&call->log, "INFO", "Following branch %.*s", MR_FMT(id));
	}
	return 0;
}

int short_circuit_run(struct op_call *call, struct op_result *out, struct mr_error *err)
{
	bool go = op_text_truth(op_str(call, "condition"));
	out->outcome = DAG_SUCCEEDED;
	out->xcom_json = go ? MR_STR("true") : MR_STR("false");
	if (!go)
		out->follow = op_bool(call, "ignore_downstream_trigger_rules") ? DAG_FOLLOW_NOTHING_BELOW
									       : DAG_FOLLOW_NONE;
	task_log_line(&call->log, "INFO", "Condition result is %s", go ? "True" : "False");
	return 0;
}

int pipeline_run(struct op_call *call, struct op_result *out, struct mr_error *err)
{
	if (!call->services->refresh)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "there is no pipeline here");
	int rc = call->services->refresh(call->services->arg, err);
	out->outcome = DAG_SUCCEEDED;
	return rc;
}

/* What a resumed try knows: {"run_id": "…"}. */
static bool resumed_run(struct op_call *call, mr_str *run_id)
{
	struct json_parser *parser = json_parser_new();
	struct json_value v;
	*run_id = MR_STR("");
	if (call->try->resume_json.len && json_parse(parser, call->try->resume_json, &v, NULL) == 0)
		*run_id = arena_copy(&call->arena, json_str(json_get(v, "run_id")));
	json_parser_free(parser);
	return run_id->len > 0;
}

static int start_other(struct op_call *call, mr_str *run_id, struct mr_error *err)
{
	struct task_trigger trigger = {.dag_id = op_str(call, "trigger_dag_id"),
				       .run_id = op_str(call, "trigger_run_id"),
				       .logical_date_us = NO_TIME};
	mr_str date = op_str(call, "logical_date");
	struct mr_buf conf = {0}, made = {0};
	if (!call->services->trigger)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "there is no scheduler here");
	if (date.len && !civil_parse(date, NULL, &trigger.logical_date_us))
		return mr_fail(err, MR_ERR_INVALID, "logical_date '%.*s' is no time", MR_FMT(date));
	if (json_type(op_arg(call, "conf")) == JSON_OBJECT)
		json_write_value(&conf, op_arg(call, "conf"));
	trigger.conf_json = mr_buf_view(&conf);
	int rc = call->services->trigger(call->services->arg, &trigger, &made, err);
	if (rc == 0) {
		*run_id = arena_copy(&call->arena, mr_buf_view(&made));
		task_log_line(&call->log, "INFO", "Triggered %.*s, run %.*s", MR_FMT(trigger.dag_id),
			      MR_FMT(*run_id));
	}
	mr_buf_release(&conf);
	mr_buf_release(&made);
	return rc;
}

int trigger_dag_run(struct op_call *call, struct op_result *out, struct mr_error *err)
{
	mr_str run_id, dag_id = op_str(call, "trigger_dag_id");
	enum task_found found = TASK_FOUND_RUNNING;
	struct mr_buf json = {0};
	int rc = resumed_run(call, &run_id) ? 0 : start_other(call, &run_id, err);
	if (rc != 0)
		return rc;
	json_quote(&json, run_id);
	out->outcome = DAG_SUCCEEDED;
	out->xcom_json = arena_copy(&call->arena, mr_buf_view(&json));
	mr_buf_release(&json);
	if (!op_bool(call, "wait_for_completion"))
		return 0;
	if (call->services->find)
		rc = call->services->find(call->services->arg, dag_id, run_id, NO_TIME, MR_STR(""), &found,
					  err);
	if (rc == 0 && found == TASK_FOUND_FAILED)
		rc = mr_fail(err, MR_ERR_CONFLICT, "%.*s failed in run %.*s", MR_FMT(dag_id), MR_FMT(run_id));
	if (rc != 0 || found == TASK_FOUND_SUCCESS)
		return rc;
	out->deferred = true;
	out->until_us =
	    clock_wall_us(call->services->env->clock) + (int64_t)(op_number(call, "poke_interval", 60) * 1e6);
	out->resume_json = arena_printf(&call->arena, "{\"run_id\":%.*s}", MR_FMT(out->xcom_json));
	return 0;
}
