#include "watchdog/desk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "watchdog/control.h"
#include "watchdog/order.h"

struct waiting {
	struct control_client	*client;	/* NULL: free */
	size_t			 process;
	struct order		 order;
};

struct desk {
	struct status		*status;
	struct control		*control;
	struct desk_handler	 handler;
	void			*arg;
	struct waiting		 waiting[CONTROL_CLIENTS];	/* one a client at most */
};

static void
answer(struct control_client *c, const char *line)
{
	control_answer(c, line, NULL, 0);
}

static void
answer_status(struct desk *d, struct control_client *c, bool json)
{
	struct status_facts	 f = d->handler.facts(d->arg);
	size_t			 len;
	const char		*text = json ? status_json(d->status, &f, &len) : status_table(d->status, &f, &len);

	control_answer(c, "ok", text, len);
}

static void
answer_reload(struct desk *d, struct control_client *c)
{
	char	*errors = NULL;
	size_t	 size = 0;
	FILE	*stream = open_memstream(&errors, &size);
	bool	 ok;

	if (stream == NULL) {
		answer(c, "error out of memory: nothing was changed");
		return;
	}
	ok = d->handler.reload(stream, d->arg);
	fclose(stream);
	control_answer(c, ok ? "ok reloaded" : "error the configuration is not valid, going on with the one before", errors, ok ? 0 : size);
	free(errors);
}

static void
answer_unknown(struct control_client *c, const char *name, const struct status_facts *f)
{
	char	 line[400];
	size_t	 len = (size_t)snprintf(line, sizeof(line), "error no process \"%s\": there %s", name, f->count == 1 ? "is" : "are");

	for (size_t i = 0; i < f->count && len < sizeof(line); i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s %s", i > 0 ? "," : "", f->reports[i].name);
	answer(c, line);
}

static void
carry_out(struct process *p, enum control_word word)
{
	if (word == CONTROL_START)
		process_start(p);
	else if (word == CONTROL_STOP)
		process_stop(p);
	else
		process_restart(p);
}

static void
take_order(struct desk *d, struct control_client *c, const struct control_request *q)
{
	struct status_facts	 f = d->handler.facts(d->arg);
	size_t			 i = 0, free_at = 0;

	while (i < f.count && strcmp(f.reports[i].name, q->name) != 0)
		i++;
	if (i == f.count) {
		answer_unknown(c, q->name, &f);
		return;
	}
	if (f.stopping && q->word != CONTROL_STOP) {
		answer(c, "error the watchdog is stopping");
		return;
	}
	while (d->waiting[free_at].client != NULL)	/* there is one: as many as clients */
		free_at++;
	d->waiting[free_at] = (struct waiting){ .client = c, .process = i, .order = order_of(q->word, &f.reports[i]) };
	log_info("desk", "an operator's order word=%s name=%s",
	    q->word == CONTROL_START ? "start" : q->word == CONTROL_STOP ? "stop" : "restart", q->name);
	carry_out(d->handler.process(i, d->arg), q->word);
	f = d->handler.facts(d->arg);
	desk_changed(d, &f);
}

static void
asked_cb(struct control_client *c, const struct control_request *q, void *arg)
{
	struct desk	*d = arg;

	switch (q->word) {
	case CONTROL_STATUS:
		answer_status(d, c, false);
		break;
	case CONTROL_STATUS_JSON:
		answer_status(d, c, true);
		break;
	case CONTROL_RELOAD:
		answer_reload(d, c);
		break;
	case CONTROL_STOP:
		if (*q->name != '\0')
			take_order(d, c, q);
		else {
			control_promise(c, "ok stopping");
			(void)d->handler.stop(d->arg);	/* already: then it waits for the same end */
		}
		break;
	case CONTROL_START:
	case CONTROL_RESTART:
		take_order(d, c, q);
		break;
	}
}

static void
left_cb(struct control_client *c, void *arg)
{
	struct desk	*d = arg;

	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		if (d->waiting[i].client == c)
			d->waiting[i].client = NULL;
}

struct desk *
desk_new(struct event_base *base, const char *runtime_dir, gid_t group, struct status *status, const struct desk_handler *handler, void *arg)
{
	const struct control_handler	 mine = { asked_cb, left_cb };
	struct desk			*d = xcalloc(1, sizeof(*d));

	d->status = status;
	d->handler = *handler;
	d->arg = arg;
	if ((d->control = control_new(base, runtime_dir, group, &mine, d)) != NULL)
		return d;
	free(d);
	return NULL;
}

void
desk_free(struct desk *d)
{
	if (d == NULL)
		return;
	control_free(d->control);
	free(d);
}

void
desk_changed(struct desk *d, const struct status_facts *f)
{
	struct control_client	*client;
	char			 text[ORDER_TEXT_MAX];

	for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
		if ((client = d->waiting[i].client) == NULL)
			continue;
		if (order_verdict(&d->waiting[i].order, &f->reports[d->waiting[i].process], text) == ORDER_PENDING)
			continue;
		d->waiting[i].client = NULL;
		answer(client, text);
	}
}

void
desk_check(struct desk *d)
{
	control_check(d->control);
}
