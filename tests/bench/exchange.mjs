// exchange: a fake exchange as a program, to put a generator under load:
//	node tests/bench/exchange.mjs --protocol binance --symbols 50 --rate 1000 --dir DIR [--port N] [--seconds N]
// prints lines for a [feed NAME] section, then a line every ten seconds (what was sent, its own CPU), until it is ended.
// DIR gets the certificates (ca.pem) and is left there.
import { parseArgs } from 'node:util';
import { Exchange } from '../system/lib/exchange.mjs';

const { values } = parseArgs({ options: {
  protocol: { type: 'string', default: 'binance' }, symbols: { type: 'string', default: '50' }, rate: { type: 'string', default: '1000' },
  dir: { type: 'string' }, port: { type: 'string' }, seconds: { type: 'string' },
} });
if (!values.dir) {
  process.stderr.write('usage: node tests/bench/exchange.mjs --dir DIR [--protocol binance|coinbase|kraken] [--symbols N] [--rate TRADES_A_SECOND] [--port N] [--seconds N]\n');
  process.exit(2);
}
const count = Number(values.symbols), perMinute = Math.round(Number(values.rate) * 60 / count);
const markets = Array.from({ length: count }, (_, i) => `T${String(i + 1).padStart(3, '0')}/USDT`);
const exchange = new Exchange({ protocol: values.protocol, markets, dir: values.dir, tickMs: 10, market: { perMinute, pastPerMinute: 4 } });
exchange.port = values.port && Number(values.port);
await exchange.begin();
process.stdout.write(exchange.keys);

let cpu = process.cpuUsage(), at = Date.now(), sent = 0;
setInterval(() => {
  const used = process.cpuUsage(cpu), ms = Date.now() - at, streams = exchange.subscribed.length;
  process.stdout.write(`# connections=${streams} trades_per_s=${Math.round((exchange.sent - sent) * 1000 / ms)} cpu_percent=${((used.user + used.system) / ms / 10).toFixed(1)} requests=${exchange.seen.requests.length}\n`);
  [cpu, at, sent] = [process.cpuUsage(), Date.now(), exchange.sent];
}, 10000);
const end = async () => {
  await exchange.destroy();
  process.exit(0);
};
process.once('SIGTERM', end);
process.once('SIGINT', end);
if (values.seconds) setTimeout(end, Number(values.seconds) * 1000);
