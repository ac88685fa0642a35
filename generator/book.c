#include "generator/book.h"

#include <math.h>
#include <stdlib.h>

#include "common/log.h"

/* Above 0 when price a is better for the signal than b. */
static int
better(const struct signal *s, struct decimal a, struct decimal b)
{
	int	 order = decimal_compare(a, b);

	return s->side == SIDE_LONG ? order : -order;
}

static void
reach(struct signal *s, struct decimal price)
{
	if (better(s, price, s->max_favorable) > 0)
		s->max_favorable = price;
	if (better(s, price, s->max_adverse) < 0)
		s->max_adverse = price;
}

static void
close_signal(struct signal *s, enum signal_status status, enum signal_exit why, struct decimal price, int64_t at_us)
{
	double	 entry = decimal_double(s->entry), price_double = decimal_double(price);
	/* Not times a sign: that would make a zero negative. */
	double	 move = s->side == SIDE_LONG ? price_double - entry : entry - price_double;
	int	 sign = better(s, price, s->entry);

	s->status = status;
	s->exit_reason = why;
	s->exit_price = price;
	s->closed_us = at_us;
	s->pnl_ratio = move / entry;
	s->r_multiple = move / fabs(entry - decimal_double(s->initial_stop));
	s->outcome = status == STATUS_CANCELLED ? OUTCOME_VOID :
	    sign > 0 ? OUTCOME_WIN : sign < 0 ? OUTCOME_LOSS : OUTCOME_BREAKEVEN;
}

static void
stop_out(struct signal *s, const struct candle *c, int64_t end_us)
{
	bool		 moved = decimal_compare(s->stop_loss, s->initial_stop) != 0;
	struct decimal	 price = better(s, c->open, s->stop_loss) <= 0 ? c->open : s->stop_loss;

	reach(s, price);
	close_signal(s, STATUS_STOPPED, moved ? EXIT_TRAILING_STOP : EXIT_STOP_LOSS, price, end_us);
}

/* Count the targets that the candle reaches; the last one closes the signal. */
static void
take_targets(struct signal *s, struct decimal best, int64_t end_us)
{
	while (s->targets_hit < s->target_count && better(s, best, s->targets[s->targets_hit]) >= 0)
		if (s->targets_hit++ == 0)
			s->stop_loss = s->entry;
	if (s->targets_hit == s->target_count)
		close_signal(s, STATUS_TARGET_HIT, EXIT_TARGET, s->targets[s->target_count - 1], end_us);
}

static void
judge_trades(struct signal *s, const struct candle *c, int64_t end_us)
{
	struct decimal	 best = s->side == SIDE_LONG ? c->high : c->low;
	struct decimal	 worst = s->side == SIDE_LONG ? c->low : c->high;

	if (better(s, worst, s->stop_loss) <= 0) {
		stop_out(s, c, end_us);
		return;
	}
	take_targets(s, best, end_us);
	reach(s, worst);
	reach(s, s->status == STATUS_TARGET_HIT ? s->exit_price : best);
}

enum book_change
signal_step(struct signal *s, const struct candle *c, int64_t end_us)
{
	const enum signal_status status = s->status;
	const int		 targets_hit = s->targets_hit;
	const struct decimal	 stop = s->stop_loss, last = s->last_price, favorable = s->max_favorable, adverse = s->max_adverse;

	if (s->status != STATUS_ACTIVE || c->open_us < s->candle_close_us)
		return BOOK_SAME;
	if (c->open_us >= s->expires_us) {
		reach(s, c->open);
		close_signal(s, STATUS_EXPIRED, EXIT_EXPIRED, c->open, end_us);
	} else if (c->source != SOURCE_FILLED)
		judge_trades(s, c, end_us);
	s->last_price = c->close;
	if (s->status == STATUS_ACTIVE && end_us >= s->expires_us)
		close_signal(s, STATUS_EXPIRED, EXIT_EXPIRED, c->close, end_us);
	if (s->status != status || s->targets_hit != targets_hit || decimal_compare(s->stop_loss, stop) != 0)
		return BOOK_CHANGED;
	if (decimal_compare(s->last_price, last) != 0 || decimal_compare(s->max_favorable, favorable) != 0 ||
	    decimal_compare(s->max_adverse, adverse) != 0)
		return BOOK_REFRESHED;
	return BOOK_SAME;
}

void
signal_cancel(struct signal *s, enum signal_exit why, struct decimal price, int64_t at_us)
{
	reach(s, price);
	s->last_price = price;
	close_signal(s, STATUS_CANCELLED, why, price, at_us);
}

/* The book */

void
book_init(struct book *b, const struct book_rules *rules)
{
	*b = (struct book){ .rules = *rules };
	if (rules->guard_stops > 0)
		b->losses_us = xcalloc((size_t)rules->guard_stops, sizeof(*b->losses_us));
}

void
book_release(struct book *b)
{
	free(b->losses_us);
	b->losses_us = NULL;
}

static void
note_close(struct book *b, const struct signal *s)
{
	b->has_closed = true;
	b->last_closed_us = s->closed_us;
	if (s->status != STATUS_STOPPED || s->outcome != OUTCOME_LOSS || b->rules.guard_stops == 0)
		return;
	b->losses_us[b->next_loss] = s->closed_us;
	b->next_loss = (b->next_loss + 1) % b->rules.guard_stops;
	if (b->losses < b->rules.guard_stops)
		b->losses++;
}

enum book_change
book_judge(struct book *b, const struct candle *c, int64_t end_us)
{
	enum book_change	 change;

	if (!b->active)
		return BOOK_SAME;
	change = signal_step(&b->signal, c, end_us);
	b->active = b->signal.status == STATUS_ACTIVE;
	if (!b->active)
		note_close(b, &b->signal);
	return change;
}

bool
book_may_open(const struct book *b, int64_t at_us)
{
	if (b->has_closed && b->rules.cooldown_us > 0 && at_us <= b->last_closed_us + b->rules.cooldown_us)
		return false;
	/* The ring is full and its oldest loss lies within the window: so do all. */
	return b->rules.guard_stops == 0 || b->losses < b->rules.guard_stops ||
	    at_us >= b->losses_us[b->next_loss] + b->rules.guard_us;
}

void
book_open(struct book *b, const struct signal *s)
{
	b->signal = *s;
	b->active = true;
}

void
book_cancel(struct book *b, enum signal_exit why, struct decimal price, int64_t at_us)
{
	signal_cancel(&b->signal, why, price, at_us);
	b->active = false;
	note_close(b, &b->signal);
}

void
book_expire_unseen(struct book *b)
{
	close_signal(&b->signal, STATUS_EXPIRED, EXIT_EXPIRED, b->signal.last_price, b->signal.expires_us);
	b->signal.outcome = OUTCOME_VOID;
	b->active = false;
	note_close(b, &b->signal);
}

void
book_forget(struct book *b, int64_t closed_us)
{
	b->signal.status = STATUS_CANCELLED;
	b->signal.closed_us = closed_us;
	b->active = false;
	note_close(b, &b->signal);
}

void
book_restore(struct book *b, const struct signal *s)
{
	if (s->status == STATUS_ACTIVE)
		book_open(b, s);
	else
		note_close(b, s);
}
