#include "relay/follow.h"

void
follow_away(struct follow *f)
{
	f->state = FOLLOW_AWAY;
}

void
follow_page_asked(struct follow *f)
{
	f->state = FOLLOW_READING;
	f->asked = f->highest;
}

bool
follow_page_done(struct follow *f, bool full)
{
	if (full || (f->highest > f->asked && f->highest > f->cursor))
		return true;
	f->state = FOLLOW_LIVE;
	return false;
}

enum follow_action
follow_notified(struct follow *f, int64_t seq, bool has_record)
{
	if (f->state == FOLLOW_AWAY || seq <= f->cursor)
		return FOLLOW_IGNORE;
	if (seq > f->highest)
		f->highest = seq;
	if (f->state == FOLLOW_READING)
		return FOLLOW_IGNORE;
	if (seq != f->cursor + 1 || !has_record)
		return FOLLOW_READ_BACK;
	f->cursor = seq;
	return FOLLOW_DELIVER;
}

bool
follow_row(struct follow *f, int64_t seq)
{
	if (seq <= f->cursor)
		return false;
	f->cursor = seq;
	return true;
}
