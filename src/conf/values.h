/* conf/values.h - values of the project file that have a grammar of their own. Each writes *to on
 * success only, and fails with the place and the dotted key. */
#pragma once

#include "conf/options.h"

/* A scalar that is neither empty nor null; `what` is named in the message. */
MR_NODISCARD int conf_expect_text(const struct option_place *place, const char *what, struct mr_error *err);

/* HOST:PORT. */
MR_NODISCARD int conf_read_address(const struct option_place *place, mr_str *to, struct mr_error *err);
/* The same on this machine only: for what has no authentication. */
MR_NODISCARD int conf_read_loopback(const struct option_place *place, mr_str *to, struct mr_error *err);

/* For OPTION_CUSTOM; `to` is an mr_str, which `off` leaves empty. */
int conf_read_address_or_off(const struct option_place *place, const struct option *option, void *to,
			     struct mr_error *err);
int conf_read_loopback_or_off(const struct option_place *place, const struct option *option, void *to,
			      struct mr_error *err);
/* For OPTION_CUSTOM; `to` is a const char *: absolute, or below the project's folder. */
int conf_read_path(const struct option_place *place, const struct option *option, void *to,
		   struct mr_error *err);
