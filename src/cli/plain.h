/* cli/plain.h - SQL without a server: files and tables by their path; a project's tables, too, as
 * they are committed. */
#pragma once

#include "query/script.h"

struct plain;

/* tables_dir: a project's tables, or NULL. */
MR_NODISCARD int plain_open(const char *tables_dir, struct plain **out, struct mr_error *err);
void plain_close(struct plain *plain); /* NULL is fine */
MR_NODISCARD int plain_sql(struct plain *plain, mr_str sql, const char *format, int width, render_put_fn put,
			   void *arg, struct mr_error *err);
