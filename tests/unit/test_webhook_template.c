#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/jsonr.h"
#include "relay/webhook_template.h"

/* An event with this kind, reason and what else its record holds. */
static char *
event(const char *kind, const char *reason, const char *more)
{
	char	*text;

	if (asprintf(&text, "{\"seq\":42,\"op\":\"UPDATE\",\"kind\":\"%s\",\"id\":7,\"at\":\"2026-11-23T10:57:25.123456+00:00\","
	    "\"record\":{\"id\":7,\"symbol\":\"BTC/USDT\",\"timeframe\":\"5m\",\"strategy\":\"ema_cross\",\"side\":\"long\",\"entry\":100.50,"
	    "\"stop_loss\":99,\"targets\":[102,104.25],\"confidence\":0.725,\"reason\":\"%s\"%s}}", kind, reason, more) == -1)
		abort();
	return text;
}

/* The body of it, parsed; the caller looks at `r` and then releases `w` and `r`. */
static void
body(struct jsonw *w, struct jsonr *r, enum webhook_format format, const char *target, char *text)
{
	jsonw_init(w);
	assert_true(webhook_body(w, format, target, text, strlen(text)));
	free(text);
	memset(r, 0, sizeof(*r));
	assert_true(jsonr_parse(r, w->buf, w->len));
}

static void
assert_member(const struct jsonr *r, const char *key, const char *want)
{
	char	 text[8192];

	assert_true(jsonv_string(jsonv_get(jsonr_root(r), key), text, sizeof(text)));
	assert_string_equal(text, want);
}

static void
release(struct jsonw *w, struct jsonr *r)
{
	jsonw_release(w);
	jsonr_release(r);
}

static void
standard_holds_the_event_as_it_is(void **state)
{
	char		*text = event("target_hit", "x", ",\"big\":12345678901234567890.123456789");
	char		*copy = strdup(text);
	struct jsonw	 w;
	struct jsonr	 r;
	const char	*raw;
	size_t		 len;

	(void)state;
	body(&w, &r, WEBHOOK_STANDARD, NULL, text);
	assert_member(&r, "type", "signal.target_hit");
	assert_member(&r, "timestamp", "2026-11-23T10:57:25.123456+00:00");
	assert_non_null(raw = jsonv_raw(jsonv_get(jsonr_root(&r), "data"), &len));
	assert_int_equal(len, strlen(copy));
	assert_memory_equal(raw, copy, len);
	free(copy);
	release(&w, &r);
}

static void
words_for_each_kind(void **state)
{
	static const struct { const char *kind, *more, *title, *message; } cases[] = {
		{ "opened", "", "LONG BTC/USDT 5m (ema_cross)", "Entry 100.50, stop 99, targets 102, 104.25\nConfidence 72 %\nwhy" },
		{ "target_hit", ",\"targets_hit\":1,\"last_price\":102.1", "LONG BTC/USDT 5m (ema_cross): target 1 of 2 hit",
		  "Stop 99, last price 102.1, entry 100.50" },
		{ "stop_moved", "", "LONG BTC/USDT 5m (ema_cross): stop moved", "Stop 99, entry 100.50" },
		{ "acked", "", "LONG BTC/USDT 5m (ema_cross): acknowledged", "Stop 99, entry 100.50" },
		{ "closed", ",\"outcome\":\"win\",\"exit_price\":104.25,\"exit_reason\":\"target\",\"pnl_ratio\":0.0373,\"r_multiple\":2.5",
		  "LONG BTC/USDT 5m (ema_cross): closed, win", "Exit 104.25, by target, entry 100.50\nResult +3.73 %, R 2.5" },
		{ "closed", ",\"outcome\":\"void\",\"exit_price\":null,\"exit_reason\":\"expired\",\"pnl_ratio\":null",
		  "LONG BTC/USDT 5m (ema_cross): closed, void", "Exit, by expired, entry 100.50" },
	};
	struct jsonw	 w;
	struct jsonr	 r;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		body(&w, &r, WEBHOOK_NTFY, "topic", event(cases[i].kind, "why", cases[i].more));
		assert_member(&r, "topic", "topic");
		assert_member(&r, "title", cases[i].title);
		assert_member(&r, "message", cases[i].message);
		release(&w, &r);
	}
}

static void
a_deletion_has_words_too(void **state)
{
	static const char	 text[] = "{\"seq\":43,\"op\":\"DELETE\",\"kind\":\"deleted\",\"id\":7,\"record\":null}";
	struct jsonw		 w;
	struct jsonr		 r;

	(void)state;
	body(&w, &r, WEBHOOK_NTFY, "t", strdup(text));
	assert_member(&r, "title", "Signal 7: deleted");
	assert_member(&r, "message", "Signal 7: deleted");
	release(&w, &r);
	body(&w, &r, WEBHOOK_DISCORD, NULL, strdup(text));
	assert_member(&r, "content", "**Signal 7\\: deleted**");
	release(&w, &r);
}

static void
each_service_gets_its_own_escapes(void **state)
{
	static const char	 reason[] = "<@everyone> & *b* _i_ `c` [l](http://x) @here <!channel> \\\\ \xc3\xa4 \\u0001";
	char			 text[4096];
	struct jsonw		 w;
	struct jsonr		 r;

	(void)state;
	body(&w, &r, WEBHOOK_TELEGRAM, "-100123", event("opened", reason, ""));
	assert_member(&r, "chat_id", "-100123");
	assert_member(&r, "parse_mode", "HTML");
	assert_member(&r, "text", "<b>LONG BTC/USDT 5m (ema_cross)</b>\nEntry 100.50, stop 99, targets 102, 104.25\nConfidence 72 %\n"
	    "&lt;@everyone&gt; &amp; *b* _i_ `c` [l](http://x) @here &lt;!channel&gt; \\ \xc3\xa4 \001");
	release(&w, &r);
	body(&w, &r, WEBHOOK_SLACK, NULL, event("opened", reason, ""));
	assert_true(jsonv_string(jsonv_get(jsonr_root(&r), "text"), text, sizeof(text)));
	assert_null(strpbrk(text, "<>"));
	assert_non_null(strstr(text, "*LONG BTC/USDT 5m (ema_cross)*\n"));
	assert_non_null(strstr(text, "&lt;!channel&gt;"));
	release(&w, &r);
	body(&w, &r, WEBHOOK_DISCORD, NULL, event("opened", reason, ""));
	assert_true(jsonv_string(jsonv_get(jsonr_root(&r), "content"), text, sizeof(text)));
	assert_non_null(strstr(text, "**LONG BTC/USDT 5m \\(ema\\_cross\\)**\n"));
	assert_non_null(strstr(text, "\\<\\@everyone\\> & \\*b\\* \\_i\\_ \\`c\\` \\[l\\]\\(http\\://x\\) \\@here \\<!channel\\> \\\\ \xc3\xa4"));
	/* Nobody is called, whatever gets through. */
	assert_int_equal(jsonv_count(jsonv_get(jsonv_get(jsonr_root(&r), "allowed_mentions"), "parse")), 0);
	assert_true(jsonv_is_array(jsonv_get(jsonv_get(jsonr_root(&r), "allowed_mentions"), "parse")));
	release(&w, &r);
}

/* Characters as the service counts them. */
static size_t
units(const char *text)
{
	size_t	 n = 0;

	for (; *text != '\0'; text++)
		n += (((unsigned char)*text & 0xc0U) != 0x80U ? 1 : 0) + (((unsigned char)*text & 0xf8U) == 0xf0U ? 1 : 0);
	return n;
}

static void
what_is_too_long_is_cut_at_a_character(void **state)
{
	static const struct { enum webhook_format format; const char *key; size_t max; bool bytes; } cases[] = {
		{ WEBHOOK_TELEGRAM, "text", WEBHOOK_TELEGRAM_MAX, false }, { WEBHOOK_DISCORD, "content", WEBHOOK_DISCORD_MAX, false },
		{ WEBHOOK_SLACK, "text", WEBHOOK_SLACK_MAX, false }, { WEBHOOK_NTFY, "message", WEBHOOK_NTFY_MAX, true },
	};
	static const char *const	 pieces[] = { "x", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "&", "*" };
	char				 reason[2200], text[32768];
	struct jsonw			 w;
	struct jsonr			 r;
	size_t				 len;
	bool				 was_cut = false;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++)
			for (size_t shift = 0; shift < 4; shift++) {
				len = 0;
				while (len < shift)
					reason[len++] = 'y';
				for (; len + strlen(pieces[p]) < 2050; len += strlen(pieces[p]))
					memcpy(reason + len, pieces[p], strlen(pieces[p]));
				reason[len] = '\0';
				body(&w, &r, cases[i].format, "t", event("opened", reason, ""));
				assert_true(jsonv_string(jsonv_get(jsonr_root(&r), cases[i].key), text, sizeof(text)));
				assert_true((cases[i].bytes ? strlen(text) : units(text)) <= cases[i].max);
				assert_null(strstr(text, "\xef\xbf\xbd"));
				assert_null(strchr(text, '?'));
				if (strstr(text, "\xe2\x80\xa6") != NULL)
					was_cut = true;
				release(&w, &r);
			}
	assert_true(was_cut);
}

static void
what_is_no_event_is_refused(void **state)
{
	static const char *const	 bad[] = { "", "x", "{", "[]", "{}", "{\"kind\":1}", "{\"kind\":null,\"record\":{}}", "\"opened\"" };
	struct jsonw			 w;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (int f = WEBHOOK_STANDARD; f <= WEBHOOK_NTFY; f++) {
			jsonw_init(&w);
			assert_false(webhook_body(&w, (enum webhook_format)f, "t", bad[i], strlen(bad[i])));
			jsonw_release(&w);
		}
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(standard_holds_the_event_as_it_is), cmocka_unit_test(words_for_each_kind),
		cmocka_unit_test(a_deletion_has_words_too), cmocka_unit_test(each_service_gets_its_own_escapes),
		cmocka_unit_test(what_is_too_long_is_cut_at_a_character), cmocka_unit_test(what_is_no_event_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
