/* Every value of a text can be asked for everything, and children lie within their parents. */
#include <stdint.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/jsonr.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(struct jsonv v, int depth)
{
	char		 text[64];
	const char	*raw;
	size_t		 len, count = 0, members = 0;
	int64_t		 n;
	double		 d;
	bool		 b;

	raw = jsonv_raw(v, &len);
	if (raw == NULL || depth > 100)
		abort();
	(void)jsonv_string(v, text, sizeof(text));
	(void)jsonv_int(v, &n);
	(void)jsonv_double(v, &d);
	(void)jsonv_bool(v, &b);
	(void)jsonv_get(v, "a");
	for (struct jsonv key = { NULL, -1 }, value; jsonv_member(v, &key, &value); members++)
		walk(value, depth + 1);
	if (jsonv_is_object(v) && members != jsonv_count(v))
		abort();
	for (struct jsonv e = jsonv_first(v); e.at != -1; e = jsonv_next(e)) {
		count++;
		walk(e, depth + 1);
	}
	for (struct jsonv k = jsonv_first_key(v); k.at != -1; k = jsonv_next_key(k)) {
		if (!jsonv_is_string(k))
			abort();
		count++;
		walk(jsonv_of_key(k), depth + 1);
	}
	if ((jsonv_is_array(v) || jsonv_is_object(v)) && count != jsonv_count(v))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jsonr	 r = { 0 };

	if (jsonr_parse(&r, (const char *)data, size) != json_valid((const char *)data, size))
		abort();
	if (jsonr_root(&r).at != -1)
		walk(jsonr_root(&r), 0);
	jsonr_release(&r);
	return 0;
}
