// The relay's own table of the columns of signals (relay/columns.c) says what the database says.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Phoenix, all } from './lib/phoenix.mjs';
import { relayOnly } from './lib/relayonly.mjs';

test('every column of signals can be named in a filter, by its type, and no other', async (t) => {
  const site = await relayOnly(t);
  const columns = await site.sql("SELECT column_name, udt_name FROM information_schema.columns WHERE table_name = 'signals' AND table_schema = 'public' ORDER BY ordinal_position");
  const client = await Phoenix.open(site);
  const join = async (filter, more = {}) => (await client.join('realtime:columns', [all({ filter, ...more })])).response;

  const known = (await join('nosuch=eq.1')).reason.match(/known are (.*)$/)[1].split(', ');
  assert.deepEqual(known, columns.map(([name]) => name));
  assert.equal((await join(null, { select: known })).postgres_changes.length, 1);

  const names = { int2: 'smallint', int4: 'integer', int8: 'bigint', numeric: 'numeric', float4: 'real', float8: 'double precision', timestamptz: 'timestamp', _numeric: 'compound', jsonb: 'compound' };
  // In few joins, as a socket may not ask for more: every text column at once, and one value that is wrong for all others.
  const texts = columns.filter(([, type]) => type === 'text').map(([name]) => name), others = columns.filter(([, type]) => type !== 'text');
  assert.ok(texts.length > 8 && others.length > 8);
  assert.equal((await join(texts.map((name) => `${name}=like.x%`).join())).postgres_changes.length, 1);
  assert.equal((await join(columns.slice(0, 30).map(([name]) => `${name}=is.null`).join())).postgres_changes.length, 1);
  for (const [name, type] of others) {
    const { reason } = await join(`${name}=eq.soon`);
    assert.ok(reason?.includes(`column ${name}: not a value of type ${names[type]}`), `${name} ${type}: ${reason}`);
  }
  client.close();
});
