#include "relay/webhook_post.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/jsonr.h"
#include "common/log.h"
#include "common/rest.h"
#include "relay/address.h"
#include "relay/change.h"
#include "relay/cursor.h"
#include "relay/webhook_conf.h"
#include "relay/webhook_plan.h"

#define ID_MAX		(EPOCH_MAX + 48)
#define ANSWER_MAX	1048576	/* bytes of an answer that is read */
#define SECRET_MIN	8	/* so much of a path may be a part of a token */
#define FIELDS_MAX	5

struct webhook_post {
	const struct webhook_conf *conf;
	struct rest		*rest;
	webhook_post_cb		 cb;
	void			*arg;
	int64_t			 seq;		/* 0: empty */
	char			 id[ID_MAX];
	struct change		*change;
	struct jsonw		 body;
	bool			 is_sending;
	int64_t			 sent_us;	/* monotonic */
};

/* So many bytes of `why` may be a token: they are how `secret` (NULL: none) begins. */
static size_t
secret_at(const char *why, const char *secret)
{
	size_t	 same = 0;

	while (secret != NULL && secret[same] != '\0' && why[same] == secret[same])
		same++;
	return same < SECRET_MIN ? 0 : same;
}

/* Servers like to repeat the path or the topic in an answer: leave out what may be a token, also where it was cut off. */
static void
copy_why(char out[NET_WHY_MAX], const char *why, const struct webhook_conf *conf)
{
	static const char	 mask[] = "[path]";
	const char		*topic = conf->format == WEBHOOK_NTFY ? conf->target : NULL;
	size_t			 len = 0, same;

	while (*why != '\0' && len + sizeof(mask) < NET_WHY_MAX) {
		if ((same = secret_at(why, conf->path)) == 0 && (same = secret_at(why, topic)) == 0) {
			out[len++] = *why++;
			continue;
		}
		memcpy(out + len, mask, sizeof(mask) - 1);
		len += sizeof(mask) - 1;
		why += same;
	}
	out[len] = '\0';
}

/* Seconds, also with a fraction, from the body of those who say it there: Telegram and Discord. */
static int64_t
retry_after_in_body(const struct rest_answer *a)
{
	struct jsonr	 r = { 0 };
	struct jsonv	 root;
	double		 s = -1;

	if (jsonr_parse(&r, a->body, a->len)) {
		root = jsonr_root(&r);
		if (!jsonv_double(jsonv_get(root, "retry_after"), &s) &&
		    !jsonv_double(jsonv_get(jsonv_get(root, "parameters"), "retry_after"), &s))
			s = -1;
	}
	jsonr_release(&r);
	return s >= 0 && s < 1e9 ? (int64_t)(s * 1000) + 1 : -1;
}

static int64_t
retry_after_ms(const struct rest_answer *a)
{
	const char	*header = a->status == 0 ? NULL : rest_header(a, "Retry-After");
	int64_t		 ms = header == NULL ? -1 : net_retry_after_ms(header, clock_wall_us(), WEBHOOK_RETRY_AFTER_MAX_MS);

	return ms == -1 && a->status == 429 ? retry_after_in_body(a) : ms;
}

static void
answer_cb(const struct rest_answer *a, void *arg)
{
	struct webhook_post	*p = arg;
	struct webhook_outcome	 outcome = {
		.status = a->status, .retry_after_ms = retry_after_ms(a), .took_ms = (clock_mono_us() - p->sent_us) / 1000
	};

	copy_why(outcome.why, a->why == NULL ? "" : a->why, p->conf);
	p->is_sending = false;
	p->cb(&outcome, p->arg);
}

void
webhook_post_send(struct webhook_post *p)
{
	const struct webhook_conf	*conf = p->conf;
	char				 stamp[24], signature[WEBHOOK_SIGNATURE_MAX];
	struct rest_field		 fields[FIELDS_MAX] = { { "Content-Type", "application/json" } };
	struct rest_post		 post = {
		.path = conf->path, .fields = fields, .field_count = 1, .body = p->body.buf, .len = p->body.len,
	};
	int64_t				 wall_s = clock_wall_us() / 1000000;

	if (conf->format == WEBHOOK_STANDARD) {
		snprintf(stamp, sizeof(stamp), "%" PRId64, wall_s);
		webhook_sign(&conf->keys, p->id, wall_s, post.body, post.len, signature);
		fields[post.field_count++] = (struct rest_field){ "webhook-id", p->id };
		fields[post.field_count++] = (struct rest_field){ "webhook-timestamp", stamp };
		fields[post.field_count++] = (struct rest_field){ "webhook-signature", signature };
	}
	if (conf->bearer != NULL)
		fields[post.field_count++] = (struct rest_field){ "Authorization", conf->bearer };
	p->sent_us = clock_mono_us();
	if (rest_post(p->rest, &post, answer_cb, p) == -1)
		fatalx("webhook", "rest refuses the request name=%s", conf->name);
	p->is_sending = true;
}

bool
webhook_post_make(struct webhook_post *p, struct change *c, const char *epoch)
{
	const struct webhook_conf	*conf = p->conf;

	webhook_post_clear(p);
	jsonw_init(&p->body);
	if (!webhook_body(&p->body, (enum webhook_format)conf->format, conf->target, c->frame + c->json_at, c->json_len)) {
		webhook_post_clear(p);
		return false;
	}
	snprintf(p->id, sizeof(p->id), "%.*s-%" PRId64 "-%" PRIx64, (int)strcspn(epoch, "."), epoch, c->seq, (uint64_t)c->wall_at_us);
	p->seq = c->seq;
	p->change = change_ref(c);
	return true;
}

void
webhook_post_clear(struct webhook_post *p)
{
	p->seq = 0;
	change_unref(p->change);
	p->change = NULL;
	jsonw_release(&p->body);
	memset(&p->body, 0, sizeof(p->body));
}

bool
webhook_post_is_sending(const struct webhook_post *p)
{
	return p->is_sending;
}

int64_t
webhook_post_seq(const struct webhook_post *p)
{
	return p->seq;
}

const char *
webhook_post_id(const struct webhook_post *p)
{
	return p->id;
}

const char *
webhook_post_event(const struct webhook_post *p, size_t *len)
{
	*len = p->change->json_len;
	return p->change->frame + p->change->json_at;
}

struct webhook_post *
webhook_post_new(struct net *net, const struct webhook_conf *conf, webhook_post_cb cb, void *arg)
{
	struct webhook_post		*p = xcalloc(1, sizeof(*p));
	const struct rest_params	 params = {
		.name = conf->name, .origin = conf->origin, .plain = conf->plain, .timeout_ms = (unsigned)conf->timeout_ms,
		.body_max = ANSWER_MAX, .queue_max = 1, .unpaced = true,
		.address_ok = conf->allow_private ? NULL : address_is_public,
	};

	p->conf = conf;
	p->cb = cb;
	p->arg = arg;
	p->rest = rest_new(net, &params);
	return p;
}

void
webhook_post_free(struct webhook_post *p)
{
	if (p == NULL)
		return;
	rest_free(p->rest);
	webhook_post_clear(p);
	free(p);
}
