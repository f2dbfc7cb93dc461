/* sql/predicate.h - what a query asks of the rows of a table, as far as that can be said without them.
 *
 * A predicate is a tree over single columns and constants, taken from DuckDB's own syntax tree. It is
 * weaker than the query's condition, never stronger: what is not understood becomes PREDICATE_ANY, and
 * who reads the rows that it lets through still has to test them.
 */
#pragma once

#include "sql/engine.h"

enum predicate_kind {
	PREDICATE_ANY, /* nothing is known */
	PREDICATE_AND,
	PREDICATE_OR,
	PREDICATE_COMPARE, /* column comparison constant */
	PREDICATE_PREFIX,  /* column begins with constant */
	PREDICATE_IS_NULL,
	PREDICATE_IS_NOT_NULL,
};

enum predicate_comparison { COMPARE_EQ, COMPARE_NE, COMPARE_LT, COMPARE_LE, COMPARE_GT, COMPARE_GE };

enum predicate_constant {
	CONSTANT_NUMBER,
	CONSTANT_TEXT,
	CONSTANT_DATE,
	CONSTANT_TIME
}; /* TIME: a timestamp */

struct sql_predicate {
	enum predicate_kind kind;
	enum predicate_comparison comparison;
	enum predicate_constant constant;
	mr_str column; /* as it is written */
	mr_str value;  /* the constant's text: -1.5, abc, 2024-01-31, 2024-01-31 10:00:00 */
	struct sql_predicate **children;
	size_t count;
};

struct sql_table_predicate {
	mr_str schema, table; /* as written; schema may be empty */
	struct sql_predicate *predicate;
};

/* For every table that a SELECT names: a predicate that holds of each of its rows that can matter to the
 * result. Tables of which nothing is known are left out; so is all of a statement that is no SELECT
 * (EXPLAIN in front of one does not count). All in arena. */
MR_NODISCARD int sql_predicates(struct sql_conn *conn, mr_str sql, struct arena *arena,
				struct sql_table_predicate **out, size_t *count, struct mr_error *err);
/* Of a condition alone, in whose text the table has that alias (quoted where it must be). NULL: nothing is
 * known. */
MR_NODISCARD int sql_condition_predicate(struct sql_conn *conn, mr_str condition, mr_str alias,
					 struct arena *arena, struct sql_predicate **out,
					 struct mr_error *err);
