/*
 * webhook_template: the body of a delivery, JSON in the form that its service
 * wants.  Pure: from the text of an event (signal_event_text() in etc/sql).
 * Text is escaped the service's way, so no record brings markup of its own (a
 * service may still make a link of what looks like one), and is cut at a
 * character.
 */
#ifndef TOCSIN_RELAY_WEBHOOK_TEMPLATE_H
#define TOCSIN_RELAY_WEBHOOK_TEMPLATE_H
#include <stdbool.h>
#include <stddef.h>

struct jsonw;

enum webhook_format {
	WEBHOOK_STANDARD,	/* {"type":"signal.KIND","timestamp":…,"data":EVENT}, standardwebhooks.com */
	WEBHOOK_TELEGRAM,	/* sendMessage, HTML; `target` is the chat's id */
	WEBHOOK_DISCORD,	/* an incoming webhook, Markdown */
	WEBHOOK_SLACK,		/* an incoming webhook, mrkdwn */
	WEBHOOK_NTFY,		/* publishing as JSON; `target` is the topic */
};

extern const char *const webhook_format_names[];	/* NULL at the end */

/* In characters as the services count them, or below. */
#define WEBHOOK_TELEGRAM_MAX	4096
#define WEBHOOK_DISCORD_MAX	2000
#define WEBHOOK_SLACK_MAX	3000
#define WEBHOOK_NTFY_MAX	2000	/* bytes: 4,096 in all */

/* Write the body of `event` (a JSON object, `len` bytes).  False when it is no event. */
bool	 webhook_body(struct jsonw *w, enum webhook_format format, const char *target, const char *event, size_t len);
#endif
