/* group/effects.h - what a state machine wants done: its events return nothing else.
 *
 * The machines change memory only. What the outside must do is collected here and done by the
 * coordinator: wake who was answered, write the group's state. Deadlines are set on the heap
 * that the machines are given (deadlines.h), which is memory too.
 */
#pragma once

#include "base/vec.h"
#include "group/group.h"

struct group_now {
	int64_t mono_ms; /* deadlines */
	int64_t wall_ms; /* what is kept */
};

struct group_effects {
	MR_VEC(struct group_ticket *) answered;
	bool persist; /* the group's metadata changed in a way that must last */
	uint32_t rebalances, expired;
};

/* Answer with a code; the rest of the ticket was filled before. NULL: nobody is there to be told. */
void ticket_answer(struct group_ticket *ticket, int code, struct group_effects *fx);
/* Let the member's field hold the ticket until it is answered or dropped. */
void ticket_hold(struct group_ticket *ticket, struct group_ticket **field);
