#include "relay/params.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/symbol.h"
#include "relay/request.h"

#define DIGITS	"0123456789"

bool
params_id_ok(const char *text)
{
	size_t	 len = strlen(text);

	return len >= 1 && len <= 18 && strspn(text, DIGITS) == len;
}

bool
params_exchange_ok(const char *text)
{
	size_t	 len = strlen(text);

	return len >= 1 && len <= 32 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

bool
params_symbol_ok(const char *text)
{
	return symbol_ok(text, strlen(text));
}

bool
params_word_ok(const char *text, size_t len, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strlen(*words) == len && memcmp(*words, text, len) == 0)
			return true;
	return false;
}

bool
params_timeframe_ok(const char *text)
{
	static const char *const words[] = { "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", NULL };

	return params_word_ok(text, strlen(text), words);
}

bool
params_time_ok(const char *text)
{
	static const char	 form[] = "dddd-dd-ddTdd:dd:dd";
	size_t			 i, digits;

	for (i = 0; form[i] != '\0'; i++)
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	if (text[i] == '.') {
		digits = strspn(text + i + 1, DIGITS);
		if (digits < 1 || digits > 6)
			return false;
		i += digits + 1;
	}
	return strcmp(text + i, "Z") == 0;
}

bool
params_number_ok(const char *text, int min, int max)
{
	size_t	 len = strlen(text);

	return len >= 1 && len <= 9 && strspn(text, DIGITS) == len && atoi(text) >= min && atoi(text) <= max;
}

static bool
items_ok(const char *text, bool (*ok)(const char *text, size_t len))
{
	size_t	 len;

	for (int count = 1; count <= PARAMS_ITEMS_MAX; count++) {
		len = strcspn(text, ",");
		if (!ok(text, len))
			return false;
		if (text[len] == '\0')
			return true;
		text += len + 1;
	}
	return false;
}

static void
refuse(struct request *r, const char *what, const char *name, const char *hint)
{
	char	 error[160];

	snprintf(error, sizeof(error), "%s parameter: %s", what, name);
	request_error(r, 400, error, hint);
}

static void
refuse_unknown(struct request *r, const char *name, const struct param *table)
{
	char	 known[256] = "known are ";
	size_t	 at;

	for (const struct param *p = table; p->name != NULL; p++) {
		at = strlen(known);
		snprintf(known + at, sizeof(known) - at, "%s%s", p == table ? "" : ", ", p->name);
	}
	refuse(r, "bad", name, table->name == NULL ? "there are none" : known);
}

static bool
take(struct request *r, const struct evkeyval *kv, const struct param *table, const char **values)
{
	for (const struct param *p = table; p->name != NULL; p++) {
		if (strcmp(kv->key, p->name) != 0)
			continue;
		if (p->ok != NULL ? !p->ok(kv->value) : !items_ok(kv->value, p->item_ok)) {
			refuse(r, "bad", p->name, p->allowed);
			return false;
		}
		values[p - table] = kv->value;
		return true;
	}
	refuse_unknown(r, kv->key, table);
	return false;
}

bool
params_read(struct request *r, const struct param *table, const char **values, struct evkeyvalq *query)
{
	const struct evkeyval	*kv;
	const struct param	*p;

	if (!request_query(r, query))
		return false;
	for (p = table; p->name != NULL; p++)
		values[p - table] = p->def;
	TAILQ_FOREACH(kv, query, next)
		if (!take(r, kv, table, values))
			goto refused;
	for (p = table; p->name != NULL; p++)
		if (p->required && values[p - table] == NULL) {
			refuse(r, "missing", p->name, p->allowed);
			goto refused;
		}
	return true;
refused:
	evhttp_clear_headers(query);
	return false;
}
