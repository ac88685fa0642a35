// Supabase Realtime, byte by byte: what the real clients cannot be made to do.
import test from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { until } from './lib/site.mjs';
import { BINARY, CLOSE, CONTINUATION, PATH, PING, PONG, Phoenix, TEXT, all, upgradeText } from './lib/phoenix.mjs';
import { frame } from './lib/exchange/websocket.mjs';
import { insert, insertMany, relayOnly, stopped } from './lib/relayonly.mjs';

const MASK = Buffer.from([1, 2, 3, 4]);

// What a raw request is answered with: { status, head, body }.
function ask(t, site, text) {
  return new Promise((done, fail) => {
    let got = '';
    const socket = net.connect(site.port, '127.0.0.1', () => socket.write(text));
    t.after(() => socket.destroy());
    socket.setTimeout(30000, () => fail(new Error(`no end: ${got}`)));
    socket.on('data', (data) => { got += data.toString('latin1'); });
    socket.on('error', fail);
    socket.on('close', () => {
      const end = got.indexOf('\r\n\r\n');
      done({ status: Number(got.split(' ')[1]), head: got.slice(0, end).toLowerCase(), body: got.slice(end + 4) });
    });
  });
}

// It still serves: it answers, nothing was wrong, and it is open.
async function serves(client) {
  assert.deepEqual(await client.heartbeat(), { status: 'ok', response: {} });
  assert.deepEqual(client.wrong, []);
  assert.equal(client.closed, null);
}

test('the upgrade: both paths, every version, and what is no upgrade', async (t) => {
  const site = await relayOnly(t, { relay: 'cors_origins = https://app.example.org' });

  await t.test('both paths, versions 1.0.0, 2.0.0 and none, unknown keys of the query', async () => {
    for (const path of ['/realtime/v1/websocket', '/socket/websocket']) {
      for (const query of ['?apikey=k&vsn=2.0.0', '?vsn=1.0.0&apikey=k', '?apikey=k', '?apikey=k&vsn=2.0.0&log_level=info&eventsPerSecond=10&x=%20y&x=1', '']) {
        const client = await Phoenix.open(site, { path: path + query });
        assert.equal(client.headers['sec-websocket-protocol'], undefined);
        await serves(client);
        client.close();
      }
    }
    await assert.rejects(Phoenix.open(site, { path: '/realtime/v1/websocket?apikey=k&vsn=3.0.0' }), (e) => e.status === 400 && /vsn/.test(JSON.parse(e.body).error));
  });

  await t.test('no compression and no subprotocol is agreed on', async () => {
    const client = await Phoenix.open(site, { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits', 'Sec-WebSocket-Protocol': 'phoenix, x' } });
    assert.equal(client.headers['sec-websocket-extensions'], undefined);
    assert.equal(client.headers['sec-websocket-protocol'], undefined);
    await serves(client);
    client.close();
  });

  await t.test('what is no upgrade is refused with the reason', async (t2) => {
    const refused = async (status, headers, method) => {
      const { text } = upgradeText(site, PATH, { Connection: 'Upgrade, close', ...headers }, method);
      const answer = await ask(t2, site, text);
      assert.equal(answer.status, status, `${method ?? 'GET'} ${JSON.stringify(headers)}: ${answer.body}`);
      assert.ok(JSON.parse(answer.body).error.length > 5, answer.body);
      return answer;
    };
    assert.match((await refused(426, { 'Sec-WebSocket-Version': '8' })).head, /sec-websocket-version: 13/);
    await refused(426, { 'Sec-WebSocket-Version': null });
    await refused(426, { Upgrade: null, Connection: 'close' });
    await refused(426, { Upgrade: 'h2c' });
    for (const key of [null, '', 'short', 'A'.repeat(24), '!!!!!!!!!!!!!!!!!!!!!!==', `${'A'.repeat(42)}==`]) await refused(400, { 'Sec-WebSocket-Key': key });
    await refused(405, { 'Content-Length': '0' }, 'POST');
  });

  await t.test('header names and values by any case', async () => {
    const client = await Phoenix.open(site, { headers: { Connection: 'keep-alive, UPGRADE', Upgrade: 'WebSocket' } });
    await serves(client);
    client.close();
  });

  await t.test('pages of other sites are refused, those of cors_origins and our own are not', async () => {
    const from = (origin, more = {}) => Phoenix.open(site, { headers: { Origin: origin, ...more } });
    for (const origin of ['https://evil.example', 'null', 'https://app.example.org.evil.example', 'http://app.example.org', `http://127.0.0.1:${site.port + 1}`, 'file://']) {
      await assert.rejects(from(origin), (e) => e.status === 403 && /origin/i.test(e.body), origin);
    }
    for (const origin of [`http://127.0.0.1:${site.port}`, 'https://app.example.org']) {
      const client = await from(origin);
      await serves(client);
      client.close();
    }
    await assert.rejects(Phoenix.open(site, { headers: { Host: 'evil.example' } }), (e) => e.status === 421);
  });

  await t.test('frames in the same segment as the upgrade are read', async () => {
    const hello = frame(TEXT, '[null,"41","phoenix","heartbeat",{}]', { mask: MASK });
    const client = await Phoenix.open(site, { first: hello });
    assert.deepEqual((await client.answer('41')).payload, { status: 'ok', response: {} });
    client.close();
  });
});

test('messages', async (t) => {
  const site = await relayOnly(t);

  await t.test('replies have the shape of their version', async () => {
    const two = await Phoenix.open(site);
    two.send('[null,"7","phoenix","heartbeat",{}]');
    assert.deepEqual(JSON.parse((await two.answer('7')).raw), [null, '7', 'phoenix', 'phx_reply', { status: 'ok', response: {} }]);
    const one = await Phoenix.open(site, { path: '/socket/websocket?apikey=k&vsn=1.0.0' });
    one.send('{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"7"}');
    assert.deepEqual(JSON.parse((await one.answer('7')).raw), { topic: 'phoenix', event: 'phx_reply', ref: '7', payload: { status: 'ok', response: {} } });
    for (const client of [one, two]) {
      const { ref, status } = await client.join('realtime:shape', [all()]);
      assert.equal(status, 'ok');
      const { seq } = await insert(site);
      await until('the event', () => client.changes('realtime:shape').length === 1);
      const replies = client.messages.filter((m) => m.topic === 'realtime:shape');
      assert.deepEqual(replies.map((m) => m.event), ['phx_reply', 'system', 'postgres_changes']);
      const raw = replies.map((m) => JSON.parse(m.raw));
      if (client === two) {
        assert.deepEqual(raw.map((m) => m.slice(0, 4)), [[ref, ref, 'realtime:shape', 'phx_reply'], [null, null, 'realtime:shape', 'system'], [null, null, 'realtime:shape', 'postgres_changes']]);
      } else {
        assert.deepEqual(raw.map((m) => Object.keys(m).sort().join()), Array(3).fill('event,payload,ref,topic'));
        assert.deepEqual(raw.map((m) => m.ref), [ref, null, null]);
      }
      const { data, ids } = replies[2].payload;
      assert.deepEqual(Object.keys(replies[2].payload).sort(), ['data', 'ids']);
      assert.deepEqual([data.schema, data.table, data.type, data.columns, data.errors, data.record.seq], ['public', 'signals', 'INSERT', [], null, seq]);
      assert.match(data.commit_timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.deepEqual(ids, replies[0].payload.response.postgres_changes.map((c) => c.id));
      const { tocsin, ...system } = replies[1].payload;
      assert.deepEqual(system, { extension: 'postgres_changes', status: 'ok', message: 'Subscribed to PostgreSQL', channel: 'shape' });
      assert.match(tocsin.cursor, /^[0-9a-f]{32}\.[0-9A-F]+-\d+$/);
      client.close();
    }
  });

  await t.test('a join is echoed: order, count, words and unknown keys', async () => {
    const client = await Phoenix.open(site);
    const entries = [
      { event: 'insert', schema: 'public', table: 'signals', filter: 'symbol=eq.A/B' },
      { event: '*', schema: 'public', table: 'signals', filter: null },
      { event: 'UPDATE', schema: 'public', table: 'signals', select: ['id', 'symbol'], extra: { deep: [1, 'ä\u2028"\\', null, 1e400.toString()] } },
      { event: '*', schema: '*' },
      { event: '*', schema: 'public' },
      { event: 'DELETE', schema: 'public', table: '*' },
      { event: 'whatever', schema: 'public', table: 'signals' },
      { event: '*', schema: 'public', table: 'signals', filter: '' },
      { event: '*', schema: 'public', table: 'signals', filter: '' },
      { event: 'INSERT', schema: 'public', table: 'signals', filter: ' side=eq.long , entry=gt.1 ' },
    ];
    const { status, response } = await client.join('realtime:echo', entries, { unknown: { key: 1 }, version: 'x', access_token: 'y' });
    assert.equal(status, 'ok');
    const got = response.postgres_changes;
    assert.deepEqual(got.map(({ id, ...rest }) => rest), entries);
    assert.ok(got.every(({ id }) => Boolean(id)), 'ids are truthy');
    assert.equal(new Set(got.map(({ id }) => id)).size, got.length, 'and unique');
    await serves(client);
    client.close();
  });

  await t.test('joins that ask for nothing, or oddly, are answered', async () => {
    const client = await Phoenix.open(site);
    assert.deepEqual((await client.join('realtime:empty', [])).response, { postgres_changes: [] });
    assert.equal(client.of('realtime:empty', 'system').length, 0);
    assert.equal((await client.join('realtime:nulls', [null, all(), null])).response.postgres_changes.length, 3);
    assert.equal((await client.join('realtime:text', [all()], { config: { private: 'false', broadcast: { ack: 'true', self: 'false' }, presence: { key: 'k', enabled: 'false' }, postgres_changes_options: { wait: true, timeout: 15000 } } })).status, 'ok');
    // No list at all: as empty, so that nobody is told SUBSCRIBED without a list.
    const ref = client.push('realtime:none', 'phx_join', { config: {} }, { ref: '900', joinRef: '900' });
    assert.deepEqual((await client.answer(ref)).payload, { status: 'ok', response: { postgres_changes: [] } });
    for (const topic of ['realtime:a:b:*', 'realtime: blanks ', 'realtime:"quoted\\"', 'realtime:ünï🔔', 'realtime:realtime:x', `realtime:${'long'.repeat(50)}`]) {
      assert.equal((await client.join(topic, [all()])).status, 'ok', topic);
      await until('the system message', () => client.of(topic, 'system').length === 1);
      assert.equal(client.of(topic, 'system')[0].channel, topic.slice(9));
    }
    await serves(client);
    client.close();
  });

  await t.test('what is refused says why, by name, and the socket stays', async () => {
    const client = await Phoenix.open(site);
    const cases = [
      [[all({ table: 'candles' })], /candles/], [[all({ schema: 'private' })], /private/], [[all({ schema: 'auth', table: undefined })], /auth/],
      [[all({ filter: 'nosuch=eq.1' })], /nosuch/], [[all({ filter: 'entry=gt.abc' })], /entry|abc/], [[all({ filter: 'symbol=in.A' })], /parenthes/],
      [[all({ filter: 'symbol=match.^A' })], /match/], [[all({ filter: 'symbol=not.imatch.^A' })], /imatch/], [[all({ filter: 'symbol' })], /symbol/],
      [[all({ filter: 'symbol=eq' })], /symbol/], [[all({ filter: 'symbol=foo.1' })], /foo/], [[all({ filter: 'side=eq.long,,entry=gt.1' })], /./],
      [[all({ filter: `entry=in.(${Array.from({ length: 101 }, (_, i) => i)})` })], /100/], [[all({ filter: 'targets_hit=eq.99999999' })], /targets_hit|99999999/],
      [[all({ filter: 'generated_at=gt.yesterdayish' })], /generated_at|yesterdayish/], [[all({ filter: 7 })], /filter/], [[all({ select: ['id', 'nosuch'] })], /nosuch/],
      [[all({ select: 'id' })], /select/], [[{ event: '*', schema: 'public', select: ['id'] }], /select/], [[7], /./], ['x', /./],
    ];
    for (const [entries, why] of cases) {
      const { status, response } = await client.join('realtime:bad', entries);
      assert.equal(status, 'error', JSON.stringify(entries));
      assert.deepEqual(Object.keys(response), ['reason']);
      assert.match(response.reason, why);
    }
    const reason = async (topic, event = 'phx_join') => {
      const { status, response } = (await client.answer(client.push(topic, event, { config: {} }, { joinRef: null }))).payload;
      assert.equal(status, 'error');
      return response.reason;
    };
    assert.match(await reason('realtime:'), /^TopicNameRequired/);
    assert.match(await reason('room:1'), /unmatched topic/);
    assert.match(await reason('phoenix'), /unmatched topic/);
    assert.match(await reason('realtime:never', 'broadcast'), /unmatched topic/);
    await serves(client);
    client.close();
  });

  await t.test('one message a channel, with the ids of every entry that matches', async () => {
    const client = await Phoenix.open(site);
    const entries = [all(), all({ event: 'INSERT' }), all({ event: 'UPDATE' }), all({ event: 'INSERT', filter: 'side=eq.short' }), all({ filter: 'symbol=eq.IDS/USDT' }), all({ event: 'DELETE' })];
    const { response } = await client.join('realtime:ids', entries);
    const [any, ins, upd, , symbol, del] = response.postgres_changes.map((c) => c.id);
    const { id } = await insert(site, { symbol: 'IDS/USDT' });
    await stopped(site, `id = ${id}`);
    await site.sql(`DELETE FROM signals WHERE id = ${id}`);
    await until('three events', () => client.changes('realtime:ids').length === 3);
    await serves(client);
    const got = client.changes('realtime:ids');
    assert.deepEqual(got.map((c) => c.ids), [[any, ins, symbol], [any, upd, symbol], [any, del]]);
    assert.deepEqual(got.map((c) => [c.data.type, c.data.record?.id, c.data.old_record]), [['INSERT', id, undefined], ['UPDATE', id, { id }], ['DELETE', undefined, { id }]]);
    client.close();
  });

  await t.test('select: its columns and the primary key, whatever the others get', async () => {
    const client = await Phoenix.open(site);
    await client.join('realtime:few', [all({ select: ['symbol', 'entry'] })]);
    await client.join('realtime:id', [all({ select: [] }), all({ event: 'UPDATE', select: ['id'] })]);
    await client.join('realtime:whole', [all()]);
    const { id } = await insert(site, { symbol: 'SEL/USDT', entry: 12.5 });
    await until('all have it', () => ['few', 'whole'].every((c) => client.changes(`realtime:${c}`).length === 1));
    assert.deepEqual(client.changes('realtime:few')[0].data.record, { id, symbol: 'SEL/USDT', entry: 12.5 });
    assert.deepEqual(client.changes('realtime:few')[0].data.columns, []);
    const [text] = await site.sql(`SELECT row_to_json(s) FROM signals s WHERE id = ${id}`);
    assert.deepEqual(client.changes('realtime:whole')[0].data.record, JSON.parse(text));
    await stopped(site, `id = ${id}`);
    await until('the update', () => client.changes('realtime:id').some((c) => c.data.type === 'UPDATE'));
    await serves(client);
    client.close();
  });

  await t.test('leaving: answered, then closed; unknown and repeated leaves are answered too', async () => {
    const client = await Phoenix.open(site);
    const { ref } = await client.join('realtime:leave', [all()]);
    const leave = await client.answer(client.push('realtime:leave', 'phx_leave'));
    assert.deepEqual([leave.payload, leave.joinRef], [{ status: 'ok', response: {} }, ref]);
    await until('it is closed', () => client.of('realtime:leave', 'phx_close').length === 1);
    const close = client.messages.find((m) => m.event === 'phx_close');
    assert.deepEqual([close.ref, close.joinRef], [ref, ref]);
    assert.ok(client.messages.indexOf(close) > client.messages.indexOf(leave));
    assert.equal((await client.answer(client.push('realtime:leave', 'phx_leave'))).payload.status, 'ok');
    assert.equal((await client.answer(client.push('realtime:nowhere', 'phx_leave', {}, { joinRef: '77' }))).payload.status, 'ok');
    await client.join('realtime:other', [all()]);
    await insert(site);
    await until('the other has it', () => client.changes('realtime:other').length === 1);
    assert.equal(client.changes('realtime:leave').length, 0);
    await serves(client);
    client.close();
  });

  await t.test('a topic joined again closes the old channel, and each event comes once', async () => {
    const client = await Phoenix.open(site);
    const first = await client.join('realtime:twice', [all()]);
    const second = await client.join('realtime:twice', [all({ event: 'INSERT' })]);
    assert.equal(second.status, 'ok');
    const close = client.messages.find((m) => m.event === 'phx_close');
    assert.deepEqual([close.ref, close.joinRef], [first.ref, first.ref]);
    await insert(site);
    await until('an event', () => client.changes('realtime:twice').length > 0);
    await serves(client);
    assert.deepEqual(client.changes('realtime:twice').map((c) => c.ids), [[second.response.postgres_changes[0].id]]);
    client.close();
  });

  await t.test('what carries an old join_ref is ignored', async () => {
    const client = await Phoenix.open(site);
    const first = await client.join('realtime:stale', [all()]);
    await client.join('realtime:stale', [all()]);
    const refs = ['phx_leave', 'access_token', 'broadcast', 'presence', 'x'].map((event) => client.push('realtime:stale', event, {}, { joinRef: first.ref }));
    await serves(client);
    assert.ok(!client.messages.some((m) => refs.includes(m.ref)), 'nobody answers');
    await insert(site);
    await until('the channel is still there', () => client.changes('realtime:stale').length === 1);
    client.close();
  });

  await t.test('access_token gets no reply, whatever it holds where nobody needs one', async () => {
    const client = await Phoenix.open(site);
    await client.join('realtime:token', [all()]);
    await until('it is subscribed', () => client.of('realtime:token', 'system').length === 1);
    const before = client.messages.length;
    for (const payload of [{ access_token: null }, { access_token: 'sb_publishable_x' }, { access_token: 'any' }, { access_token: 'any' }, {}, { access_token: 7 }]) client.push('realtime:token', 'access_token', payload);
    await serves(client);
    assert.equal(client.messages.length, before + 1, 'the heartbeat has the only one');
    await insert(site);
    await until('the channel is still there', () => client.changes('realtime:token').length === 1);
    client.close();
  });

  await t.test('broadcast and presence are declined politely; unknown events are ignored', async () => {
    const client = await Phoenix.open(site);
    await client.join('realtime:talk', [all()], { config: { broadcast: { ack: true, self: true } } });
    const reply = (await client.answer(client.push('realtime:talk', 'broadcast', { type: 'broadcast', event: 'e', payload: {} }))).payload;
    assert.equal(reply.status, 'error');
    assert.match(reply.response.reason, /broadcast/i);
    const presence = (await client.answer(client.push('realtime:talk', 'presence', { type: 'presence', event: 'track', payload: {} }))).payload;
    assert.match(presence.response.reason, /presence/i);
    client.push('realtime:talk', 'no such event');
    await serves(client);
    client.close();
  });

  await t.test('garbage is dropped and the socket stays, in both versions', async () => {
    const texts = ['', ' ', '{', '[', 'null', '7', '"x"', '[]', '{}', '[1]', '[null,null,null,null,null]', '[null,"1","phoenix","heartbeat"]', '[null,"1","phoenix","heartbeat",{},1]', '[null,"1",7,"heartbeat",{}]',
      '[null,"1","phoenix",{},{}]', '[{},[],"realtime:x","phx_join",{}]', '["1","1","realtime:x","phx_join",null]', '["1","1","realtime:x","phx_join",[]]', '["1","1","realtime:x","phx_join",{"config":7}]',
      '{"topic":7}', '{"topic":"phoenix","event":"heartbeat"}', '{"topic":"realtime:x","event":"phx_join","payload":7,"ref":"1"}', '[null,"1","phoenix","heartbeat",{}]]', '[null,"1","phoenix","heartbeat",{}] x',
      `${'['.repeat(5000)}${']'.repeat(5000)}`, `{"a":${'{"a":'.repeat(3000)}1${'}'.repeat(3001)}`, '\u0000', '["1","1","realtime:\\u0000","phx_join",{}]', '["1","1","realtime:\\ud800","phx_join",{}]', `"${'x'.repeat(70000)}"`];
    let told = 1;
    for (const path of [PATH, '/socket/websocket?apikey=k']) {
      told += 2;
      const client = await Phoenix.open(site, { path });
      client.next = 5000; // their refs are not ours
      for (const text of texts) client.send(text);
      await serves(client);
      const other = await Phoenix.open(site, { path }); // its first bad one is told
      other.next = 5000;
      other.send('["1","1","realtime:x","access_token",{"access_token":"HUSH"}'); // cut off
      await serves(other);
      other.close();
      await until('it is told', () => site.log('relay').split('not a message').length >= told);
      assert.ok(!site.log('relay').includes('HUSH'), 'a token is not logged, whatever it stands in');
      // It can still be used.
      assert.equal((await client.join('realtime:after', [all()])).status, 'ok');
      client.close();
    }
  });

  await t.test('binary frames: broadcasts are taken, declined when asked to, and nonsense is dropped', async () => {
    const client = await Phoenix.open(site);
    const { ref } = await client.join('realtime:bin', [all()], { config: { broadcast: { ack: true } } });
    const message = (joinRef, r, topic, event, meta = '', enc = 1, body = '{}') => Buffer.concat([Buffer.from([3, joinRef.length, r.length, topic.length, event.length, meta.length, enc]), Buffer.from(joinRef + r + topic + event + meta + body)]);
    client.frame(BINARY, message(ref, '501', 'realtime:bin', 'shout'));
    assert.equal((await client.answer('501')).payload.status, 'error');
    const whole = message(ref, '502', 'realtime:bin', 'shout', '{"persist":true}', 0, Buffer.from([255, 0, 1]).toString('latin1'));
    for (const data of [Buffer.alloc(0), Buffer.from([3]), whole.subarray(0, 6), whole.subarray(0, 12), Buffer.from([3, 255, 255, 255, 255, 255, 1]), Buffer.from([0, 1, 2]), Buffer.from([4, 9, 9, 9, 9]), Buffer.from([255])]) client.frame(BINARY, data);
    await serves(client);
    await insert(site);
    await until('the channel is still there', () => client.changes('realtime:bin').length === 1);
    client.close();
  });
});

test('frames as RFC 6455 has them', async (t) => {
  const site = await relayOnly(t);
  const open = async () => {
    const client = await Phoenix.open(site);
    assert.equal((await client.join('realtime:f', [all()])).status, 'ok');
    return client;
  };

  await t.test('messages in fragments, with control frames between them, byte by byte', async () => {
    const client = await open();
    const text = Buffer.from(client.text('realtime:ünï', 'phx_join', { config: { postgres_changes: [all({ note: '🔔' })] } }, '300', '300'));
    for (let i = 0; i < text.length; i++) { // characters are cut in the middle too
      client.frame(i === 0 ? TEXT : CONTINUATION, text.subarray(i, i + 1), { fin: i === text.length - 1 });
      if (i % 50 === 0) client.frame(PING, `p${i}`);
    }
    assert.equal((await client.answer('300')).payload.status, 'ok');
    assert.deepEqual(client.pongs.slice(0, 2), ['p0', 'p50']);
    // Empty fragments, and a frame that comes a byte a segment.
    client.frame(TEXT, '', { fin: false });
    client.frame(CONTINUATION, client.text('phoenix', 'heartbeat', {}, '301', null), { fin: false });
    client.frame(CONTINUATION, '');
    assert.equal((await client.answer('301')).payload.status, 'ok');
    for (const byte of frame(TEXT, client.text('phoenix', 'heartbeat', {}, '302', null), { mask: MASK })) {
      client.bytes(Buffer.from([byte]));
      await new Promise((done) => setImmediate(done));
    }
    assert.equal((await client.answer('302')).payload.status, 'ok');
    await serves(client);
    client.close();
  });

  await t.test('ping, pong and close', async () => {
    const client = await open();
    client.frame(PING, 'x'.repeat(125));
    client.frame(PING, '');
    client.frame(PONG, 'nobody asked');
    await until('two pongs', () => client.pongs.length === 2);
    assert.deepEqual(client.pongs, ['x'.repeat(125), '']);
    client.frame(CLOSE, Buffer.concat([Buffer.from([0x03, 0xe8]), Buffer.from('bye')]));
    await until('the close is answered', () => client.closed);
    assert.equal(client.closed.code, 1000);
    await until('and the connection ends', () => client.ended);
    const empty = await open();
    empty.frame(CLOSE, '');
    await until('an empty one too', () => empty.ended);
    assert.ok(empty.closed);
  });

  await t.test('large messages both ways', async () => {
    const client = await open();
    const { status, response } = await client.join('realtime:large', [all({ note: 'n'.repeat(100000) })]);
    assert.equal(status, 'ok');
    assert.equal(response.postgres_changes[0].note.length, 100000);
    const { seq } = await insert(site, { indicators: JSON.stringify({ pad: 'y'.repeat(90000) }) }); // psql takes 128 kB an argument
    await until('the large event', () => client.seqs('realtime:large').includes(seq));
    assert.equal(client.changes('realtime:large')[0].data.record.indicators.pad.length, 90000);
    await serves(client);
    client.close();
  });

  await t.test('what breaks the protocol ends the connection with its code', async () => {
    const heartbeat = '[null,"1","phoenix","heartbeat",{}]', masked = { mask: MASK };
    const bad = Buffer.from(heartbeat.replace('phoenix', 'ph\u0001enix'));
    bad[bad.indexOf(1)] = 0xff;
    const close = (code, reason = Buffer.alloc(0)) => frame(CLOSE, Buffer.concat([Buffer.from([code >> 8, code & 255]), reason]), masked);
    const first = (byte) => {
      const data = frame(TEXT, heartbeat, masked);
      data[0] = byte;
      return data;
    };
    const cases = {
      'not masked': [1002, frame(TEXT, heartbeat)],
      'a reserved bit': [1002, first(0xc1)],
      'an unknown opcode': [1002, first(0x83)],
      'an unknown control opcode': [1002, first(0x8b)],
      'a ping in parts': [1002, frame(PING, 'x', { ...masked, fin: false })],
      'a ping too long': [1002, frame(PING, 'x'.repeat(126), masked)],
      'a continuation of nothing': [1002, frame(CONTINUATION, 'x', masked)],
      'a message within a message': [1002, Buffer.concat([frame(TEXT, 'x', { ...masked, fin: false }), frame(TEXT, 'y', masked)])],
      'a close of one byte': [1002, frame(CLOSE, Buffer.from([3]), masked)],
      'a close with a code nobody may send': [1002, close(1005)],
      'bad UTF-8': [1007, frame(TEXT, bad, masked)],
      'bad UTF-8 over two fragments': [1007, Buffer.concat([frame(TEXT, Buffer.from([0xe2, 0x82]), { ...masked, fin: false }), frame(CONTINUATION, Buffer.from('x'), masked)])],
      'half a character at the end': [1007, frame(TEXT, Buffer.from([0x22, 0xf0, 0x9f]), masked)],
      'bad UTF-8 in a close': [1007, close(1000, Buffer.from([0xff]))],
      'too large': [1009, frame(TEXT, 'x'.repeat(300 * 1024), masked)],
      'too large in parts': [1009, Buffer.concat([frame(TEXT, 'x'.repeat(200 * 1024), { ...masked, fin: false }), frame(CONTINUATION, 'x'.repeat(200 * 1024), masked)])],
      'a length beyond all': [1009, Buffer.concat([Buffer.from([0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255]), MASK])],
    };
    await Promise.all(Object.entries(cases).map(async ([name, [code, data]]) => {
      const client = await open();
      client.bytes(data);
      await until(`${name}: it ends`, () => client.ended);
      assert.equal(client.closed?.code, code, `${name}: ${JSON.stringify(client.closed)}`);
      assert.deepEqual(client.wrong, []);
    }));
    // A length with its highest bit set is no length.
    const client = await open();
    client.bytes(Buffer.concat([Buffer.from([0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255]), MASK]));
    await until('it ends', () => client.ended);
    assert.ok([1002, 1009].includes(client.closed?.code));
    await serves(await open());
  });
});

test('a client that floods joins, channels or bytes is bounded, and others are not held up', async (t) => {
  const site = await relayOnly(t);
  const flood = await Phoenix.open(site), calm = await Phoenix.open(site);
  await calm.join('realtime:calm', [all()]);
  const refs = [];
  for (let i = 0; i < 2000; i++) refs.push(flood.push(`realtime:c${i}`, 'phx_join', { config: { postgres_changes: [all()] } }, { ref: String(10000 + i), joinRef: String(10000 + i) }));
  const { seq } = await insert(site);
  await until('the calm one has the event', () => calm.seqs('realtime:calm').includes(seq));
  const answers = await Promise.all(refs.map((ref) => flood.answer(ref)));
  const reasons = answers.filter((m) => m.payload.status === 'error').map((m) => m.payload.response.reason);
  assert.ok(reasons.length > 0 && reasons.length < 2000, `${reasons.length} were refused`);
  for (const reason of reasons) assert.match(reason, /RateLimitReached/);
  // Filters take time at every event.
  const greedy = await Phoenix.open(site), heavy = (i) => all({ filter: `reason=not.like.%${'_'.repeat(3000)}x${i}` });
  assert.equal((await greedy.join('realtime:a', [0, 1, 2, 3, 4].map(heavy))).status, 'ok');
  assert.match((await greedy.join('realtime:b', [0, 1, 2, 3, 4, 5].map(heavy))).response.reason, /^ChannelRateLimitReached.*filters.*32768/);
  assert.equal((await greedy.join('realtime:b', [0, 1, 2, 3, 4].map(heavy))).status, 'ok');
  assert.equal((await greedy.join('realtime:b', [0, 1, 2, 3, 4].map(heavy))).status, 'ok', 'what was given back counts no more');
});

test('a stalled Realtime client is dropped, the others see no delay, and it resumes without loss', async (t) => {
  const site = await relayOnly(t, { relay: 'client_buffer = 64K' });
  const brisk = await Phoenix.open(site), stalled = await Phoenix.open(site);
  await brisk.join('realtime:b', [all()]);
  await stalled.join('realtime:s', [all()]);
  await until('it is subscribed', () => stalled.of('realtime:s', 'system').length === 1);
  stalled.socket.pause();
  const rows = 6000;
  await insertMany(site, rows, { prefix: 'T', reason: "repeat('x', 400)" });
  await until('the brisk one has all', () => brisk.seqs('realtime:b').length === rows, 120000, 50);
  await until('the stalled one is dropped', () => /slow|lag|behind/i.test(site.log('relay')), 60000);
  await serves(brisk);
  stalled.socket.resume();
  await until('it sees its end', () => stalled.ended, 60000);
  const had = stalled.seqs('realtime:s'), want = brisk.seqs('realtime:b');
  assert.ok(had.length < rows, 'it was not sent all');
  const again = await Phoenix.open(site);
  await again.join('realtime:s', [all()], { tocsin: { after: had.at(-1) ?? want[0] - 1 } });
  await until('the rest', () => had.length + again.seqs('realtime:s').length >= rows, 60000, 50);
  assert.deepEqual([...had, ...again.seqs('realtime:s')], want);
});

test('one cut off within the snapshot, or before it, goes on from what it has seen, and has every active signal in the end', async (t) => {
  const site = await relayOnly(t);
  await insertMany(site, 30, { prefix: 'N' });
  await site.sql('UPDATE signals SET acked_at = now() WHERE id % 4 = 1'); // the older ones have the newer places
  await stopped(site, 'id % 5 = 0');
  const client = await Phoenix.open(site);
  await client.join('realtime:lost', [all()], { tocsin: { after: `${'0'.repeat(32)}.1-2` } });
  await until('the end of the snapshot', () => client.of('realtime:lost', 'system').length === 3);
  const messages = client.messages.filter((m) => m.topic === 'realtime:lost' && m.event !== 'phx_reply');
  const rows = messages.filter((m) => m.event === 'postgres_changes').map((m) => m.payload.data.record);
  const active = (await site.sql("SELECT id FROM signals WHERE status = 'active' ORDER BY id")).map(([id]) => Number(id));
  assert.deepEqual(rows.map((r) => r.id).sort((a, b) => a - b), active);
  // Whoever keeps every place that he is told keeps none that leaves out what he has not been sent.
  const system = messages.filter((m) => m.event === 'system').map((m) => [m.payload.status, m.payload.tocsin?.reset, m.payload.tocsin?.cursor?.split('-')[1]]);
  const newest = await site.value('SELECT max(seq) FROM signal_events');
  assert.deepEqual(system, [['ok', undefined, undefined], ['error', 'epoch', undefined], ['ok', undefined, newest]]);
  for (const cut of [1, 7, 15, rows.length - 1]) {
    const topic = `realtime:cut${cut}`;
    await client.join(topic, [all()], { tocsin: { after: rows[cut - 1].seq } });
    const has = () => [...new Set([...rows.slice(0, cut), ...client.changes(topic).map((c) => c.data.record)].filter((r) => r.status === 'active').map((r) => r.id))].sort((a, b) => a - b);
    const last = rows.at(-1).seq;
    await until('what it had not seen', () => client.seqs(topic).includes(last));
    for (const id of active) assert.ok(has().includes(id), `${id} is missing after ${cut}`);
  }
});

test('a slow Realtime client that keeps reading is served, however slowly', async (t) => {
  const site = await relayOnly(t);
  const slow = await Phoenix.open(site);
  await slow.join('realtime:slow', [all()]);
  let open = true;
  const breathe = setInterval(() => { // a sip every now and then
    if (!open) return;
    slow.socket.resume();
    setTimeout(() => open && slow.socket.pause(), 5);
  }, 20);
  t.after(() => { open = false; clearInterval(breathe); });
  await insertMany(site, 3000, { prefix: 'W', reason: "repeat('x', 100)" });
  await until('it has all', () => slow.seqs('realtime:slow').length === 3000, 120000, 50);
  const seqs = slow.seqs('realtime:slow');
  assert.deepEqual(seqs, [...seqs].sort((a, b) => a - b));
  assert.equal(slow.closed, null);
});
