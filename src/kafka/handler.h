/* kafka/handler.h - what the files handle_<api>.c share: their declarations. */
#pragma once

#include "kafka/core.h"

#define API(key, name, member, min, max, flexible) enum step member##_step(struct request *r);
#include "kafka/api.def"
#undef API
