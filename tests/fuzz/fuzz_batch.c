/*
 * A packed batch, as the journal gives it back: what is taken is packed again to
 * the same bytes, and its statements split down to single rows, each of them JSON.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "generator/batch.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_split(struct batch *b)
{
	const char	*json;
	size_t		 rows = 0, before = batch_rows(b);

	for (size_t i = 0; i < batch_statements(b); )
		if (!batch_split(b, i))
			i++;
	for (size_t i = 0; i < batch_statements(b); i++) {
		(void)batch_statement(b, i, &json);
		if (!json_valid(json, strlen(json)) || batch_statement_rows(b, i) != 1)
			abort();
		rows += batch_statement_rows(b, i);
	}
	if (rows != before)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct batch	*b = batch_new();
	size_t		 len;
	void		*packed;

	if (batch_unpack(b, data, size)) {
		packed = batch_pack(b, &len);
		if (len != size || memcmp(packed, data, len) != 0)
			abort();
		free(packed);
		check_split(b);
		batch_drop_others(b);
	} else if (batch_statements(b) != 0 || batch_rows(b) != 0)
		abort();
	batch_free(b);
	return 0;
}
