/* base/log.h - structured log lines of the program, to stderr.
 *
 * One line an event: logfmt by default, JSON with mr_log_format. Libraries below
 * app/ and the services return errors instead of logging. Safe from any thread.
 *
 *   mr_info("gateway", "listening on %s", address);
 */
#pragma once

#include "base/error.h"
#include "base/types.h"

enum mr_log_level { MR_LOG_DEBUG, MR_LOG_INFO, MR_LOG_WARN, MR_LOG_ERROR };
enum mr_log_format { MR_LOG_LOGFMT, MR_LOG_JSON };

void mr_log_setup(enum mr_log_level least, enum mr_log_format format);
void mr_log_line(enum mr_log_level level, const char *component, const char *fmt, ...) MR_PRINTF(3, 4);
void mr_log_error(const char *component, const struct mr_error *err); /* message, hint, origin */

#define mr_debug(component, ...) mr_log_line(MR_LOG_DEBUG, component, __VA_ARGS__)
#define mr_info(component, ...) mr_log_line(MR_LOG_INFO, component, __VA_ARGS__)
#define mr_warn(component, ...) mr_log_line(MR_LOG_WARN, component, __VA_ARGS__)
