/* cli/demo_ledger.h - where every line of the demo went, by count and by id. */
#pragma once

#include "app/app.h"

/* Prints the ledger. 0: it balances; 1: it does not; negative: it could not be drawn up. */
MR_NODISCARD int demo_ledger(struct app *app, uint64_t lines, struct mr_error *err);
/* The first value of a query's only row, as a whole number. */
MR_NODISCARD int demo_number(struct app *app, const char *sql, int64_t *out, struct mr_error *err);
