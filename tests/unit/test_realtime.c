#include "tests/unit/unit.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/change.h"
#include "relay/realtime_data.h"
#include "relay/realtime_join.h"
#include "relay/realtime_message.h"

/* Messages */

static const char *
text(struct realtime_text t)
{
	static char	 out[4][128];
	static int	 turn;

	turn = (turn + 1) % 4;
	snprintf(out[turn], sizeof(out[turn]), "%.*s", (int)t.len, t.at);
	return out[turn];
}

static void
both_versions_are_read(void **state)
{
	static const struct { enum realtime_version version; const char *text; } cases[] = {
		{ REALTIME_V2, "[\"6\",\"7\",\"realtime:a \\\"b\\\" \\u00fc\",\"phx_join\",{\"config\":{}}]" },
		{ REALTIME_V1, "{\"topic\":\"realtime:a \\\"b\\\" \\u00fc\",\"event\":\"phx_join\",\"payload\":{\"config\":{}},\"ref\":\"7\",\"join_ref\":\"6\"}" },
	};
	static const char	 beat[] = "{\"topic\":\"phoenix\",\"event\":\"heartbeat\",\"payload\":{},\"ref\":7}";
	struct jsonr		 r = { 0 };
	struct realtime_message	 m;
	const char		*why = "";

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_true(realtime_message_read(&r, cases[i].version, cases[i].text, strlen(cases[i].text), &m, &why));
		assert_string_equal(text(m.join_ref), "\"6\"");
		assert_string_equal(text(m.ref), "\"7\"");
		assert_string_equal(text(m.topic), "\"realtime:a \\\"b\\\" \\u00fc\"");
		assert_string_equal(m.event, "phx_join");
		assert_true(jsonv_is_object(jsonv_get(m.payload, "config")));
	}
	assert_true(realtime_message_read(&r, REALTIME_V1, beat, strlen(beat), &m, &why));
	assert_true(realtime_is_null(m.join_ref));
	assert_string_equal(text(m.ref), "7");
	jsonr_release(&r);
}

static void
garbage_is_no_message(void **state)
{
	static const char *const	 texts[] = {
		"", "{", "null", "[]", "[null,null,null,null,null]", "[null,\"1\",\"phoenix\",\"heartbeat\"]", "{\"topic\":7}",
		"[null,\"1\",\"phoenix\",\"heartbeat\",{},1]", "[{},\"1\",\"phoenix\",\"heartbeat\",{}]", "[null,[],\"phoenix\",\"heartbeat\",{}]",
		"[null,\"1\",\"a\\u0000\",\"x\",{}]", "[null,\"1\",\"\\ud800\",\"x\",{}]", "[null,\"1\",7,\"x\",{}]", "[null,\"1\",\"x\",7,{}]",
		"[null,\"0123456789012345678901234567890123456789012345678901234567890123456789\",\"x\",\"y\",{}]",
	};
	struct jsonr		 r = { 0 };
	struct realtime_message	 m;
	const char		*why;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (int v = REALTIME_V1; v <= REALTIME_V2; v++) {
			why = NULL;
			if (realtime_message_read(&r, (enum realtime_version)v, texts[i], strlen(texts[i]), &m, &why))
				fail_msg("taken: %s", texts[i]);
			assert_non_null(why);
		}
	jsonr_release(&r);
}

static void
binary_messages_are_broadcasts(void **state)
{
	static const char	 whole[] = "\x03\x01\x01\x0a\x01\x02\x01" "67realtime:\"e{}body";
	struct realtime_message	 m;
	const char		*why;

	(void)state;
	assert_true(realtime_message_read_binary(whole, sizeof(whole) - 1, &m, &why));
	assert_string_equal(text(m.join_ref), "\"6\"");
	assert_string_equal(text(m.ref), "\"7\"");
	assert_string_equal(text(m.topic), "\"realtime:\\\"\"");
	assert_string_equal(m.event, "broadcast");
	assert_false(jsonv_is_object(m.payload));
	for (size_t len = 0; len < 22; len++)
		assert_false(realtime_message_read_binary(whole, len, &m, &why));
	assert_false(realtime_message_read_binary("\x04\x01\x01\x0a\x01\x02\x01" "67realtime:\"e{}body", 24, &m, &why));
	/* No references: null. */
	assert_true(realtime_message_read_binary("\x03\0\0\x01\0\0\x01x", 8, &m, &why));
	assert_true(realtime_is_null(m.ref));
}

static void
both_versions_are_written(void **state)
{
	const struct realtime_text	 ref = { "\"7\"", 3 }, topic = { "\"realtime:x\"", 12 };
	struct jsonw			 w;

	(void)state;
	jsonw_init(&w);
	jsonw_int(&w, realtime_message_begin(&w, REALTIME_V2, NULL, &ref, topic, "e"), 1);
	realtime_message_end(&w, REALTIME_V2);
	assert_string_equal(w.buf, "[null,\"7\",\"realtime:x\",\"e\",1]");
	jsonw_clear(&w);
	jsonw_int(&w, realtime_message_begin(&w, REALTIME_V1, &ref, &ref, topic, "e"), 1);
	realtime_message_end(&w, REALTIME_V1);
	assert_string_equal(w.buf, "{\"topic\":\"realtime:x\",\"event\":\"e\",\"ref\":\"7\",\"payload\":1}");
	jsonw_release(&w);
}

/* Joins */

struct joined {
	struct jsonr		 r;
	struct realtime_join	 join;
	bool			 ok;
	char			 why[REALTIME_WHY_MAX];
};

static struct joined
join_of(const char *payload)
{
	struct joined	 j = { .ok = false };

	assert_true(jsonr_parse(&j.r, payload, strlen(payload)));
	j.ok = realtime_join_read(jsonr_root(&j.r), &j.join, j.why);
	return j;
}

static void
end(struct joined *j)
{
	realtime_join_release(&j->join);
	jsonr_release(&j->r);
}

static void
a_join_is_read_whole(void **state)
{
	struct joined	 j = join_of("{\"config\":{\"broadcast\":{\"ack\":\"true\",\"replication_ready\":true},\"presence\":{\"enabled\":true},"
	    "\"postgres_changes\":[{\"event\":\"insert\",\"schema\":\"public\",\"table\":\"signals\",\"filter\":null},null,"
	    "{\"event\":\"*\",\"schema\":\"*\"},{\"event\":\"DELETE\",\"schema\":\"public\",\"table\":\"signals\",\"select\":[\"symbol\"]}]},"
	    "\"access_token\":\"abc\",\"tocsin\":{\"after\":\"ab.1-7\"},\"unknown\":[1]}");

	(void)state;
	assert_true(j.ok);
	assert_int_equal(j.join.count, 4);
	assert_int_equal(j.join.entries[0].ops, 1u << CHANGE_INSERT);
	assert_int_equal(j.join.entries[1].ops, 0);
	assert_int_equal(j.join.entries[2].ops, 7);
	assert_true(j.join.entries[2].select == COLUMNS_ALL);
	assert_true(j.join.entries[3].select == (UINT64_C(1) << 3 | UINT64_C(1) << COLUMN_ID));
	assert_true(j.join.acks_broadcasts && j.join.tells_replication && j.join.shows_presence && j.join.has_after);
	assert_string_equal(j.join.token, "abc");
	assert_string_equal(j.join.after.epoch, "ab.1");
	assert_int_equal(j.join.after.seq, 7);
	assert_false(realtime_join_takes_all(&j.join));
	end(&j);
}

static void
places_and_tokens(void **state)
{
	static const char *const	 bad[] = { "\"x\"", "-1", "1.5", "\"\"", "{}", "[]", "true", "\"a-\"", "99999999999999999999" };
	char				 payload[128];
	struct joined			 j;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(payload, sizeof(payload), "{\"config\":{},\"tocsin\":{\"after\":%s}}", bad[i]);
		j = join_of(payload);
		if (j.ok || strstr(j.why, "after") == NULL)
			fail_msg("%s: %s", bad[i], j.why);
		end(&j);
	}
	j = join_of("{\"config\":{},\"tocsin\":{\"after\":18231},\"access_token\":\"sb_publishable_1\"}");
	assert_true(j.ok && j.join.has_after && j.join.after.seq == 18231 && j.join.after.epoch[0] == '\0');
	assert_null(j.join.token);
	end(&j);
	j = join_of("{\"config\":{},\"tocsin\":{\"after\":null},\"access_token\":\"a\",\"user_token\":\"u\"}");
	assert_true(j.ok && !j.join.has_after);
	assert_string_equal(j.join.token, "u");
	end(&j);
	j = join_of("{\"config\":{},\"tocsin\":7,\"access_token\":7}");
	assert_true(j.ok && !j.join.has_after && j.join.token == NULL);
	end(&j);
}

static void
the_reply_echoes_what_was_asked(void **state)
{
	struct joined	 j = join_of("{\"config\":{\"postgres_changes\":[ {\"event\" : \"*\",\"schema\":\"public\", \"x\\u00e4\":[1, {\"a\":null}] , \"id\":0},null,{}]}}");
	struct jsonw	 w;

	(void)state;
	assert_true(j.ok);
	jsonw_init(&w);
	realtime_join_echo(&w, NULL, jsonr_root(&j.r));
	assert_string_equal(w.buf, "{\"postgres_changes\":[{\"event\":\"*\",\"schema\":\"public\",\"x\\u00e4\":[1, {\"a\":null}],\"id\":1},null,{\"id\":3}]}");
	jsonw_release(&w);
	end(&j);
	j = join_of("{\"config\":{}}");
	jsonw_init(&w);
	realtime_join_echo(&w, NULL, jsonr_root(&j.r));
	assert_string_equal(w.buf, "{\"postgres_changes\":[]}");
	jsonw_release(&w);
	end(&j);
}

static void
refusals_name_the_entry(void **state)
{
	static const struct { const char *entry, *why; } cases[] = {
		{ "7", "postgres_changes[1] is no object" }, { "{\"schema\":\"auth\"}", "[1].schema" }, { "{\"table\":\"orders\"}", "\"orders\"" },
		{ "{\"table\":7}", "[1].table" }, { "{\"filter\":7}", "[1].filter" }, { "{\"filter\":\"nosuch=eq.1\"}", "[1].filter: unknown column nosuch" },
		{ "{\"table\":\"signals\",\"select\":\"id\"}", "[1].select" }, { "{\"table\":\"signals\",\"select\":[7]}", "[1].select" },
		{ "{\"table\":\"signals\",\"select\":[\"nosuch\"]}", "nosuch" }, { "{\"table\":\"*\",\"select\":[\"id\"]}", "needs a table" },
	};
	char		 payload[256];
	struct joined	 j;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(payload, sizeof(payload), "{\"config\":{\"postgres_changes\":[{\"filter\":\"id=eq.1\"},%s]}}", cases[i].entry);
		j = join_of(payload);
		if (j.ok || strstr(j.why, cases[i].why) == NULL)
			fail_msg("%s: %s", cases[i].entry, j.why);
		end(&j);
	}
	j = join_of("{}");
	assert_false(j.ok);
	end(&j);
	j = join_of("{\"config\":{\"postgres_changes\":{}}}");
	assert_false(j.ok);
	end(&j);
}

/* Data */

static struct change *
change_of(const char *text)
{
	const char	*why = NULL;
	struct change	*c = change_parse(text, "e.1", &why);

	assert_non_null(c);
	return c;
}

static const char *
data(struct change *c, column_set select)
{
	static char		 out[1024];
	struct realtime_data	 d = realtime_data_of(c, select);

	snprintf(out, sizeof(out), "%.*s%.*s%s", (int)d.head_len, d.head, (int)d.body_len, d.body, REALTIME_DATA_TAIL);
	return out;
}

static void
data_is_made_once(void **state)
{
	struct change	*c = change_of("{\"seq\":7,\"op\":\"INSERT\",\"kind\":\"opened\",\"id\":5,\"at\":\"2026-11-23T10:57:25.123456+00:00\","
	    "\"record\":{\"id\":5,\"symbol\":\"A/B\",\"entry\":1.50}}");
	struct realtime_data	 a, b;

	(void)state;
	assert_string_equal(data(c, COLUMNS_ALL), "{\"schema\":\"public\",\"table\":\"signals\",\"type\":\"INSERT\","
	    "\"commit_timestamp\":\"2026-11-23T10:57:25.123Z\",\"columns\":[],\"errors\":null,\"record\":{\"id\":5,\"symbol\":\"A/B\",\"entry\":1.50}}");
	assert_string_equal(data(c, 1 | 1 << 3), "{\"schema\":\"public\",\"table\":\"signals\",\"type\":\"INSERT\","
	    "\"commit_timestamp\":\"2026-11-23T10:57:25.123Z\",\"columns\":[],\"errors\":null,\"record\":{\"id\":5,\"symbol\":\"A/B\"}}");
	a = realtime_data_of(c, COLUMNS_ALL);
	b = realtime_data_of(c, COLUMNS_ALL);
	assert_ptr_equal(a.head, b.head);
	assert_true(a.body >= c->frame && a.body < c->frame + c->frame_len);
	a = realtime_data_of(c, 1);
	b = realtime_data_of(c, 1);
	assert_ptr_equal(a.head, b.head);
	change_unref(c);
}

/* It lives as long as the ring keeps it, whose limit is of frames. */
static void
an_event_keeps_few_projections_however_many_are_asked_for(void **state)
{
	struct change	*c = change_of("{\"seq\":7,\"op\":\"INSERT\",\"kind\":\"opened\",\"id\":5,\"record\":{\"id\":5,\"symbol\":\"A/B\"}}");
	size_t		 before = mallinfo2().uordblks, after;

	(void)state;
	for (column_set select = 1; select < 2000; select += 2)
		assert_true(realtime_data_of(c, select).head_len > 0);
	after = mallinfo2().uordblks;
	assert_in_range(after - before, 0, 16384);
	assert_non_null(strstr(data(c, 1 | 1 << 3), "\"record\":{\"id\":5,\"symbol\":\"A/B\"}}"));
	assert_non_null(strstr(data(c, COLUMNS_ALL), "\"record\":{\"id\":5,\"symbol\":\"A/B\"}}"));
	change_unref(c);
}

static void
each_kind_shows_what_it_has(void **state)
{
	struct change	*c = change_of("{\"seq\":8,\"op\":\"UPDATE\",\"kind\":\"closed\",\"id\":5,\"record\":{\"id\":5}}");

	(void)state;
	assert_non_null(strstr(data(c, COLUMNS_ALL), "\"type\":\"UPDATE\""));
	assert_non_null(strstr(data(c, COLUMNS_ALL), "\"old_record\":{\"id\":5},\"record\":{\"id\":5}}"));
	change_unref(c);
	c = change_of("{\"seq\":9,\"op\":\"DELETE\",\"kind\":\"deleted\",\"id\":5,\"record\":null}");
	assert_non_null(strstr(data(c, COLUMNS_ALL), "\"errors\":null,\"old_record\":{\"id\":5}}"));
	assert_null(strstr(data(c, COLUMNS_ALL), "\"record\""));
	change_unref(c);
}

static void
entries_match_together(void **state)
{
	struct joined		 j = join_of("{\"config\":{\"postgres_changes\":[{\"event\":\"INSERT\",\"table\":\"signals\",\"select\":[\"seq\"]},"
	    "{\"event\":\"UPDATE\"},null,{\"event\":\"*\",\"filter\":\"id=eq.5\",\"table\":\"signals\",\"select\":[\"symbol\"]}]}}");
	struct change		*c = change_of("{\"seq\":7,\"op\":\"INSERT\",\"kind\":\"opened\",\"id\":5,\"record\":{\"id\":5}}");
	struct change		*other = change_of("{\"seq\":9,\"op\":\"DELETE\",\"kind\":\"deleted\",\"id\":6,\"record\":null}");
	struct realtime_matches	 matches;
	column_set		 select;

	(void)state;
	assert_true(realtime_join_match(&j.join, c, &matches, &select));
	assert_true(matches.bits[0] == (1 | 8) && matches.bits[1] == 0);
	assert_true(select == (1 | 2 | 8));
	assert_false(realtime_join_match(&j.join, other, &matches, &select));
	change_unref(c);
	change_unref(other);
	end(&j);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(both_versions_are_read),
		cmocka_unit_test(garbage_is_no_message),
		cmocka_unit_test(binary_messages_are_broadcasts),
		cmocka_unit_test(both_versions_are_written),
		cmocka_unit_test(a_join_is_read_whole),
		cmocka_unit_test(places_and_tokens),
		cmocka_unit_test(the_reply_echoes_what_was_asked),
		cmocka_unit_test(refusals_name_the_entry),
		cmocka_unit_test(data_is_made_once),
		cmocka_unit_test(an_event_keeps_few_projections_however_many_are_asked_for),
		cmocka_unit_test(each_kind_shows_what_it_has),
		cmocka_unit_test(entries_match_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
