#include "kafka/group_request.h"

static void ticket_release(struct request *r)
{
	group_ticket_drop(request_core(r)->groups, r->progress);
}

void request_hold_ticket(struct request *r, struct group_ticket *ticket)
{
	r->progress = ticket;
	r->release = ticket_release;
}

enum step request_await_write(struct request *r, const struct group_write *write, int16_t *code)
{
	if (!request_wait_write(r, write))
		return STEP_WAIT;
	*code = kafka_group_error(groups_write_state(write, NULL));
	return STEP_DONE;
}

/* Whoever answers wakes the loop, which is this thread: what comes between the look and the wait
 * is not missed. */
enum step request_await_ticket(struct request *r, int16_t *code)
{
	struct group_ticket *ticket = r->progress;
	if (!group_ticket_done(request_core(r)->groups, ticket)) {
		request_wait_key(r, ticket, NULL);
		return STEP_WAIT;
	}
	enum step step = request_await_write(r, &ticket->write, code);
	if (step == STEP_DONE && *code == KE_NONE)
		*code = kafka_group_error(ticket->code);
	return step;
}

mr_str request_client_host(struct request *r)
{
	return arena_printf(&r->arena, "/%s", r->conn->peer);
}
