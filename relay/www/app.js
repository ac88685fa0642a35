// The first page: a list of signals that is never behind.  It loads the list, which says up to which event it is
// current, and streams every event after that.

const LIST_MAX = 500;			// rows kept on the page
const RETRY_MIN_MS = 1000, RETRY_MAX_MS = 30000;
const CHECK_MS = 5000, CHECK_TIMEOUT_MS = 4000;
const FRESH_MS = 5000;			// an event older than that is caught up with, and says nothing about latency

const $ = (id) => document.getElementById(id);
const signals = new Map();		// id -> { record, row }
let cursor = null;			// EPOCH-SEQ of the last event shown
let source = null;			// the EventSource
let next = null;			// id to continue the list before
let failures = 0, retryTimer = 0;
let lastAt = null;			// when the last event was written, ms
let generation = 0;			// of the list; what an older one still brings is ignored

function setConnection(state, meaning) {
	const element = $("connection");
	element.className = state;
	element.textContent = meaning === undefined ? state : `${state}: ${meaning}`;
}

// Numbers come as the database wrote them: shown as they are, never rounded here.
const number = (value) => (value === null || value === undefined ? "–" : String(value));

function ago(ms) {
	const s = Math.max(0, Math.round(ms / 1000));
	if (s < 60)
		return `${s} s ago`;
	if (s < 3600)
		return `${Math.floor(s / 60)} min ago`;
	return s < 172800 ? `${Math.floor(s / 3600)} h ago` : `${Math.floor(s / 86400)} days ago`;
}

function cell(row, name) {
	const element = document.createElement(name === "reason" ? "p" : "span");
	element.className = name;
	row.append(element);
	return element;
}

function makeRow() {
	const row = document.createElement("li");
	for (const name of ["side", "symbol", "origin", "levels", "state", "confidence", "reason"])
		cell(row, name);
	return row;
}

function fill(row, r) {
	const set = (name, text) => { row.querySelector(`:scope > .${name}`).textContent = text; };
	row.className = `signal ${r.side === "long" ? "long" : "short"}${r.status === "active" ? "" : " closed"}`;
	row.dataset.id = r.id;
	set("side", r.side);
	set("symbol", r.symbol);
	set("origin", `${r.strategy} · ${r.timeframe}`);
	row.querySelector(":scope > .levels").replaceChildren(...[["entry", number(r.entry)], ["stop", number(r.stop_loss)],
		["targets", (r.targets ?? []).map(number).join("  ")]].map(([label, text]) => {
		const level = document.createElement("span"), name = document.createElement("small");
		name.textContent = label;
		level.append(name, text);
		return level;
	}));
	const hit = r.targets_hit > 0 ? ` ${r.targets_hit}/${r.targets.length}` : "";
	const result = r.r_multiple === null || r.r_multiple === undefined ? "" : ` ${r.r_multiple > 0 ? "+" : ""}${r.r_multiple.toFixed(2)} R`;
	set("state", `${String(r.status).replace("_", " ")}${hit}${result}`);
	set("confidence", `confidence ${Math.round(r.confidence * 100)} %`);
	set("reason", `${r.reason} (${new Date(r.generated_at).toLocaleString()})`);
	row.querySelector(".reason").classList.add("dim");
}

function showEmpty(text) {
	$("empty").textContent = text;
	$("empty").hidden = signals.size > 0;
}

function showCounts() {
	let active = 0;
	for (const { record } of signals.values())
		active += record.status === "active" ? 1 : 0;
	$("count").textContent = signals.size;
	$("active").textContent = active;
	showEmpty("No signals yet. The first one appears here the moment it is written.");
	$("more").hidden = next === null || signals.size >= LIST_MAX;
}

function flash(row) {
	row.classList.remove("fresh");
	void row.offsetWidth;		// so that the animation begins anew
	row.classList.add("fresh");
}

// Put a record on the page, or in place of the older one of the same signal.
function show(record, atEnd) {
	const known = signals.get(record.id);
	if (known !== undefined && known.record.seq >= record.seq)
		return known.row;
	const row = known === undefined ? makeRow() : known.row;
	fill(row, record);
	signals.set(record.id, { record, row });
	if (known === undefined)
		$("signals")[atEnd ? "append" : "prepend"](row);
	return row;
}

function remove(id) {
	signals.get(id)?.row.remove();
	signals.delete(id);
}

function trim() {
	const last = () => Number($("signals").lastElementChild.dataset.id);
	if (signals.size <= LIST_MAX)
		return;
	while (signals.size > LIST_MAX)
		remove(last());
	next = last();			// the list ends here now
}

// A signal older than the list's end has its place below it, and is not there until asked for.
const isBelow = (event) => event.kind !== "opened" && !signals.has(event.id) && next !== null && event.id < next;

function onEvent(message) {
	const event = JSON.parse(message.data);
	const now = Date.now(), at = Date.parse(event.at);
	cursor = message.lastEventId;
	lastAt = Math.max(lastAt ?? 0, at);
	if (event.kind === "deleted" || event.record === null)
		remove(event.id);
	else if (!isBelow(event))
		flash(show(event.record, false));
	if (event.kind === "opened" && now - at < FRESH_MS)
		$("latency").textContent = `${Math.max(0, now - Date.parse(event.record.generated_at))} ms`;
	trim();
	showCounts();
	showAge();
}

function showAge() {
	if (lastAt !== null)
		$("last").textContent = ago(Date.now() - lastAt);
}

function retryLater() {
	source?.close();
	source = null;
	setConnection("reconnecting");
	clearTimeout(retryTimer);
	const ceiling = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures++);
	// At least half of it: a server that has just come back is not met by all at once.
	retryTimer = setTimeout(cursor === null ? load : listen, ceiling / 2 + Math.random() * ceiling / 2);
}

const isOpen = (stream) => stream !== null && stream === source && stream.readyState === EventSource.OPEN;

// An open stream proves little: it stays open while the relay is cut off from its database, and one whose other end is
// gone without a word is as silent as one without news.  So ask.
async function checkReady() {
	const stream = source;
	if (!isOpen(stream))
		return;
	let status = 0;
	try {
		({ status } = await fetch("/readyz", { signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) }));
	} catch (error) {
		console.warn("tocsin: no answer from the relay:", error.message);
	}
	if (!isOpen(stream))
		return;			// something happened meanwhile that knows better
	if (status !== 200 && status !== 503) {
		retryLater();
		return;
	}
	failures = 0;
	if (status === 200)
		setConnection("live");
	else
		setConnection("degraded", "the relay waits for the database");
}

function listen() {
	source = new EventSource(`/v1/stream?after=${encodeURIComponent(cursor)}`);
	source.onopen = checkReady;
	source.onmessage = onEvent;
	// Where we were means nothing any more (another database, or too long away): begin with a new list.
	source.addEventListener("reset", () => { source.close(); source = null; load(); });
	source.onerror = () => {
		// The browser reconnects by itself, with the last id, unless the server refused it.
		if (source.readyState === EventSource.CLOSED)
			retryLater();
		else
			setConnection("reconnecting");
	};
}

async function fetchList(query) {
	const response = await fetch(`/v1/signals?limit=100${query}`);
	if (!response.ok)
		throw new Error(`HTTP ${response.status}`);
	return response.json();
}

async function load() {
	const mine = ++generation;
	cursor = null;
	try {
		const list = await fetchList("");
		if (mine !== generation)
			return;
		signals.clear();
		$("signals").replaceChildren();
		for (const record of list.signals)
			show(record, true);
		({ cursor, next } = list);
		if (lastAt === null && list.signals.length > 0)
			lastAt = Date.parse(list.signals[0].created_at);
		showCounts();
		showAge();
		listen();
	} catch (error) {
		console.warn("tocsin: cannot load the list:", error.message);
		if (mine !== generation)
			return;
		showEmpty("Cannot reach the signals; trying again.");
		retryLater();
	}
}

async function loadMore() {
	const mine = generation;
	$("more").disabled = true;
	try {
		const list = await fetchList(`&before=${next}`);
		if (mine !== generation)
			return;
		for (const record of list.signals)
			show(record, true);
		({ next } = list);
		trim();
		showCounts();
	} catch (error) {
		console.warn("tocsin: cannot load older signals:", error.message);
	} finally {
		$("more").disabled = false;
	}
}

$("more").addEventListener("click", loadMore);
setInterval(showAge, 1000);
setInterval(checkReady, CHECK_MS);
document.addEventListener("visibilitychange", checkReady);
load();
