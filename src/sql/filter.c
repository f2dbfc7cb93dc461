/* sql/filter.c - tests made by millrace on pairs of integers, as a scalar function.
 *
 * The first argument is constant and read once, when the statement is bound: what it says lives
 * as long as the plan. DuckDB copies bound data when it copies plans, so it is counted.
 */
#include "sql/internal.h"

#include <stdatomic.h>
#include <stdlib.h>

struct bound_filter {
	_Atomic int refs;
	const struct sql_filter *filter;
	void *bound;
};

static void unref_bound(void *arg)
{
	struct bound_filter *b = arg;
	if (atomic_fetch_sub(&b->refs, 1) > 1)
		return;
	if (b->bound)
		b->filter->unbind(b->bound);
	free(b);
}

static void *ref_bound(void *arg)
{
	struct bound_filter *b = arg;
	atomic_fetch_add(&b->refs, 1);
	return b;
}

/* The constant text; NULL when it is none. duckdb_free. */
static char *constant_argument(duckdb_bind_info info)
{
	char *text = NULL;
	duckdb_client_context context;
	duckdb_value value = NULL;
	duckdb_expression argument = duckdb_scalar_function_bind_get_argument(info, 0);
	duckdb_scalar_function_get_client_context(info, &context);
	if (duckdb_expression_is_foldable(argument)) {
		duckdb_error_data error = duckdb_expression_fold(context, argument, &value);
		if (value)
			text = duckdb_get_varchar(value);
		duckdb_destroy_error_data(&error);
		duckdb_destroy_value(&value);
	}
	duckdb_destroy_expression(&argument);
	duckdb_destroy_client_context(&context);
	return text;
}

static void on_bind(duckdb_bind_info info)
{
	const struct sql_filter *filter = duckdb_scalar_function_bind_get_extra_info(info);
	struct mr_error err = {0};
	void *bound = NULL;
	char *text = constant_argument(info);
	int rc = text ? filter->bind(filter->arg, mr_str_from(text), &bound, &err)
		      : mr_fail(&err, MR_ERR_INVALID, "%s wants a constant first", filter->name);
	duckdb_free(text);
	if (rc < 0) {
		duckdb_scalar_function_bind_set_error(info, err.message);
		return;
	}
	struct bound_filter *b = mr_calloc(1, sizeof *b);
	b->refs = 1;
	b->filter = filter;
	b->bound = bound;
	duckdb_scalar_function_set_bind_data(info, b, unref_bound);
	duckdb_scalar_function_set_bind_data_copy(info, ref_bound);
}

static void on_call(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
	const struct bound_filter *b = duckdb_scalar_function_get_bind_data(info);
	b->filter->probe(b->bound, duckdb_vector_get_data(duckdb_data_chunk_get_vector(input, 1)),
			 duckdb_vector_get_data(duckdb_data_chunk_get_vector(input, 2)),
			 duckdb_data_chunk_get_size(input), duckdb_vector_get_data(output));
}

int sql_filter_add(duckdb_connection admin, struct registered_filter *r, struct mr_error *err)
{
	duckdb_scalar_function function = duckdb_create_scalar_function();
	duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
	duckdb_logical_type number = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
	duckdb_logical_type yes_no = duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
	duckdb_scalar_function_set_name(function, r->filter.name);
	duckdb_scalar_function_add_parameter(function, text);
	duckdb_scalar_function_add_parameter(function, number);
	duckdb_scalar_function_add_parameter(function, number);
	duckdb_scalar_function_set_return_type(function, yes_no);
	duckdb_scalar_function_set_extra_info(function, &r->filter, NULL);
	duckdb_scalar_function_set_bind(function, on_bind);
	duckdb_scalar_function_set_function(function, on_call);
	duckdb_state state = duckdb_register_scalar_function(admin, function);
	duckdb_destroy_scalar_function(&function);
	duckdb_destroy_logical_type(&text);
	duckdb_destroy_logical_type(&number);
	duckdb_destroy_logical_type(&yes_no);
	if (state != DuckDBSuccess)
		return mr_fail(err, MR_ERR_EXISTS, "there is a function %s already", r->filter.name);
	return 0;
}

int sql_register_filter(struct sql_engine *engine, const struct sql_filter *filter, struct mr_error *err)
{
	int rc = 0;
	pthread_mutex_lock(&engine->lock);
	for (struct registered_filter *f = engine->filters; f && rc == 0; f = f->next)
		rc = strcmp(f->filter.name, filter->name) == 0;
	if (rc == 0) {
		struct registered_filter *r = mr_calloc(1, sizeof *r);
		r->filter = *filter;
		r->next = engine->filters;
		engine->filters = r; /* kept even when refused: DuckDB may hold the pointer */
		rc = sql_engine_apply(engine, (struct sql_setup){.filter = r}, err);
	}
	pthread_mutex_unlock(&engine->lock);
	return rc;
}

void sql_filters_free(struct registered_filter *filters)
{
	while (filters) {
		struct registered_filter *next = filters->next;
		free(filters);
		filters = next;
	}
}
