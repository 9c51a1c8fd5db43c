"use strict";
/* The page of novaha: all that it shows comes from the API and is put into text nodes. */
const $ = (id) => document.getElementById(id);
const PROGRESS = ["waiting", "preparing", "moving", "restoring", "settled", "refused", "excluded",
  "released"];
const FIRST = ["unreadable", "held", "lost", "pending", "running", "off", "recovered", "stopped",
  "healthy"];
const OPEN = "not settled";
const ROWS = 100;
/* Hosts that are shown without being asked for, those with a problem first. */
const TILES = 120;
let all = false;
let token = "";
let hosts = [];
let recoveries = [];
let heard = 0;

class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

async function ask(path, options = {}) {
  const headers = { ...(options.headers || {}) };
  if (token) headers["X-Auth-Token"] = token;
  const answer = await fetch(path, { ...options, headers, credentials: "omit", redirect: "error" });
  if (answer.ok) return answer;
  let message = `the answer is ${answer.status}`;
  try { message = (await answer.json()).error.message; } catch { /* it is no JSON */ }
  throw new Refused(answer.status, message);
}

const get = async (path) => (await ask(path)).json();

async function whole(path, what) {
  const found = [];
  let marker = "";
  do {
    const page = await get(`${path}?limit=1000&marker=${encodeURIComponent(marker)}`);
    found.push(...page[what]);
    marker = page.next;
  } while (marker);
  return found;
}

/* What stays the same is left alone: focus, selection and what is open stay, too. */
function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function align(list, items, key, make, update) {
  const known = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let place = list.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let child = known.get(name);
    if (child) known.delete(name);
    else { child = make(item); child.dataset.key = name; }
    update(child, item);
    if (child === place) place = place.nextElementSibling;
    else list.insertBefore(child, place);
  }
  for (const child of known.values()) child.remove();
}

function ago(moment) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(moment)) / 1000));
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} days ago`;
}

function counted(counts) {
  return Object.entries(counts || {}).filter(([, count]) => count).map(([name, count]) => `${count} ${name}`).join(", ");
}

function showHealth(health) {
  const level = $("level");
  put(level, health.verdict);
  level.className = `level ${health.verdict}`;
  put($("summary"), health.summary);
  document.title = `${health.verdict} - novaha`;
  $("todo").hidden = health.todo.length === 0;
  align($("todo-list"), health.todo, (task) => JSON.stringify(task), (task) => {
    const item = element("li", {}, task.text);
    for (const command of task.commands) item.append(commandLine(command));
    return item;
  }, () => {});
  put($("hosts-count"), counted(health.hosts) || "There is no compute host in the cluster.");
  heard = Date.now() - 1000 * health.age;
  stale = health.problem;
}

let stale = "";

function commandLine(command) {
  const copy = element("button", { type: "button", "aria-label": `Copy: ${command}` }, "Copy");
  copy.addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(command); copy.textContent = "Copied"; }
    catch { copy.textContent = "Select it by hand"; }
  });
  return element("div", { class: "command" }, element("code", {}, command), copy);
}

function showRecoveries(found) {
  recoveries = found;
  $("no-recoveries").hidden = found.length > 0;
  align($("recoveries"), found, (one) => one.id, () => {
    const card = element("li", { class: "card" },
      element("h3"), element("p", { class: "what" }),
      element("progress", { max: "1", value: "0" }),
      element("p", { class: "counts" }), element("p", { class: "detail" }));
    const open = element("button", { type: "button" }, "Instances");
    open.addEventListener("click", () => openHost(card.dataset.node));
    card.append(open);
    return card;
  }, (card, one) => {
    card.dataset.node = one.node;
    put(card.querySelector("h3"), one.node);
    const owner = one.owner ? `, worked on by ${one.owner}` : "";
    put(card.querySelector(".what"), `${one.state}, fenced ${ago(one.fenced)}${owner}`);
    const bar = card.querySelector("progress");
    bar.max = Math.max(1, one.total);
    bar.value = one.total ? one.settled : Number(one.state === "recovered");
    bar.setAttribute("aria-label", `Instances of ${one.node} that need nothing more`);
    const done = one.total ? `${one.settled} of ${one.total} instances done` : "No instances known.";
    const counts = counted(one.counts);
    put(card.querySelector(".counts"), counts ? `${done}: ${counts}` : done);
    put(card.querySelector(".detail"), one.detail);
    card.querySelector("button").setAttribute("aria-label", `Instances of ${one.node}`);
  });
}

function showHosts() {
  const search = $("host-search").value.trim().toLowerCase();
  const state = $("host-state").value;
  const chosen = hosts.filter((host) => (!state || host.state === state)
    && (!search || `${host.node}\n${host.host || ""}`.toLowerCase().includes(search)));
  chosen.sort((a, b) => FIRST.indexOf(a.state) - FIRST.indexOf(b.state)
    || a.node.localeCompare(b.node, "en", { numeric: true }));
  const shown = all ? chosen : chosen.slice(0, TILES);
  $("more-hosts").hidden = shown.length === chosen.length;
  put($("more-hosts"), `Show ${chosen.length - shown.length} more hosts`);
  align($("hosts"), shown, (host) => host.node, (host) => {
    const button = element("button", { type: "button", tabindex: "-1" },
      element("span", { class: "name" }), element("span", { class: "state" }));
    button.addEventListener("click", () => openHost(host.node));
    return element("li", {}, button);
  }, (item, host) => {
    const button = item.firstElementChild;
    button.className = host.state;
    button.title = host.node;
    put(button.querySelector(".name"), host.node);
    const done = host.total ? ` ${host.settled}/${host.total}` : "";
    put(button.querySelector(".state"), `${host.state}${done}`);
  });
  const buttons = [...$("hosts").querySelectorAll("button")];
  if (!buttons.some((button) => button.tabIndex === 0) && buttons.length) buttons[0].tabIndex = 0;
  const states = [...new Set(hosts.map((host) => host.state))].sort();
  fill($("host-state"), states);
}

function fill(select, values) {
  const wanted = ["", ...new Set([...values, select.value].filter(Boolean))];
  if ([...select.options].map((option) => option.value).join() === wanted.join()) return;
  const chosen = select.value;
  select.replaceChildren(...wanted.map((value) => element("option", { value }, value || "all")));
  select.value = chosen;
}

/* One stop for Tab; arrows, Home and End go from host to host. */
$("hosts").addEventListener("keydown", (event) => {
  const buttons = [...$("hosts").querySelectorAll("button")];
  const at = buttons.indexOf(event.target);
  if (at < 0) return;
  const top = buttons[0].offsetTop;
  const row = Math.max(1, buttons.filter((button) => button.offsetTop === top).length);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + row, ArrowUp: at - row,
    Home: 0, End: buttons.length - 1 }[event.key];
  if (to === undefined || !buttons[to]) return;
  event.preventDefault();
  event.target.tabIndex = -1;
  buttons[to].tabIndex = 0;
  buttons[to].focus();
});

function table(caption, names, rows) {
  const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
  const body = rows.map((row) => element("tr", {}, ...row.map((cell, at) =>
    element("td", { "data-name": names[at] }, cell))));
  return element("table", { class: "stack" }, element("caption", {}, caption),
    element("thead", {}, head), element("tbody", {}, ...body));
}

const COLUMNS = ["Instance", "Id", "Host", "Progress", "Where", "Why"];
const cells = (one) => [one.name || "-", one.id, one.host, one.progress, one.where, one.detail];

function shown(found, what, none) {
  if (found.total === 0) return element("p", {}, none);
  const part = found[what].length;
  const said = part < found.total ? `The first ${part} of ${found.total}` : `${found.total} in all`;
  return table(said, COLUMNS, found[what].map(cells));
}

const latest = new Map();

/* Into the place goes what was asked for last, however answers overtake each other. */
async function show(place, path, what, none) {
  const mine = (latest.get(place) || 0) + 1;
  latest.set(place, mine);
  const found = await get(path);
  if (latest.get(place) !== mine) return;
  const made = shown(found, what, none);
  if (!$(place).firstElementChild || !$(place).firstElementChild.isEqualNode(made)) {
    $(place).replaceChildren(made);
  }
}

function showInstances() {
  const query = new URLSearchParams({ limit: ROWS });
  if ($("instance-search").value.trim()) query.set("search", $("instance-search").value.trim());
  const progress = $("instance-progress").value;
  if (progress === OPEN) query.set("progress", PROGRESS.filter((one) => one !== "settled").join());
  else if (progress) query.set("progress", progress);
  return show("instances", `/v1/instances?${query}`, "instances", "There is none.");
}

const showPlan = () => show("plan", `/v1/plan?limit=${ROWS}`, "plan", "Nothing is left to do.");

let opened = "";

function facts(host) {
  const known = { State: host.state, "Name in Nova": host.host, Waits: host.detail,
    Flagged: host.fenced && `${host.fenced} (${ago(host.fenced)})`, "Fence id": host.fence_id,
    "Worked on by": host.owner, Done: host.total && `${host.settled} of ${host.total}` };
  if (host.held !== undefined) known["nova-compute"] = host.held ? "held" : "may run there";
  return Object.entries(known).filter(([, value]) => value).flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, String(value))]);
}

async function openHost(node) {
  opened = node;
  put($("host-title"), node);
  offer(hosts.find((one) => one.node === node));
  if (!$("host").open) { $("host-instances").replaceChildren(); $("host").showModal(); }
  await showOpened();
}

/* What may be done about a host, and about which fencing of it: the one that is looked at. */
let may = [];
let meant = "";

const EFFECTS = {
  retry: "Its recovery begins again. A host that is recovered is fenced once more: what runs on it"
    + " ends.",
  release: "Its recovery stops: what is left of its instances counts as settled, and starts there.",
  proceed: "It is powered off by force: what runs on it ends, and is recovered.",
};
const effect = () => put($("act-effect"), EFFECTS[$("act-what").value] || "");
$("act-what").addEventListener("change", effect);

function offer(host) {
  meant = (host && host.fence_id) || "";
  const held = host && (host.state === "held" || host.state === "lost");
  const offered = may.filter((one) => (one === "proceed" ? held
    : meant && (one === "retry" || one === "release")));
  $("act").hidden = offered.length === 0;
  $("act-what").replaceChildren(...offered.map((value) => element("option", { value }, value)));
  $("act").reset();
  effect();
  put($("act-said"), "");
}

$("act").addEventListener("submit", async (event) => {
  event.preventDefault();
  const what = $("act-what").value;
  const order = { confirm: $("act-confirm").value.trim(), reason: $("act-reason").value };
  if (what !== "proceed") order.fence_id = meant;
  put($("act-said"), "It is being done.");
  try {
    const answer = await ask(`/v1/hosts/${encodeURIComponent(opened)}/${what}`, {
      method: "POST", body: JSON.stringify(order), headers: { "Content-Type": "application/json" },
    });
    put($("act-said"), (await answer.json()).done);
    $("act-confirm").value = "";
  } catch (problem) { put($("act-said"), `Not done: ${problem.message}`); }
});
$("close").addEventListener("submit", (event) => { event.preventDefault(); $("host").close(); });

async function showOpened() {
  const host = hosts.find((one) => one.node === opened) || { node: opened, state: "gone" };
  $("host-facts").replaceChildren(...facts(host));
  const query = new URLSearchParams({ host: opened, limit: 1000 });
  await show("host-instances", `/v1/instances?${query}`, "instances", "No instances in recovery.");
}

$("host").addEventListener("close", () => { if (!$("host").open) opened = ""; });

let waiting = false;
let again = false;

/* One reading at a time; a change that comes meanwhile is read after it. */
async function refresh() {
  if (waiting) { again = true; return; }
  waiting = true;
  try {
    do {
      again = false;
      hosts = await whole("/v1/hosts", "hosts");
      showHosts();
      await Promise.all([showInstances(), showPlan(), opened ? showOpened() : null]);
    } while (again);
  } finally { waiting = false; }
}

function soon(call) {
  let timer = 0;
  return () => { clearTimeout(timer); timer = setTimeout(() => call().catch(tell), 200); };
}

function tell(problem) {
  if (problem instanceof Refused && (problem.status === 401 || problem.status === 403)) {
    $("login").hidden = false;
    put($("login-problem"), token ? problem.message : "");
  } else { lost(problem.message); }
}

function lost(why) {
  put($("link"), `No connection, trying again: ${why}`);
  $("link").className = "lost";
}

let stream = null;

async function listen() {
  stream = new AbortController();
  const answer = await ask("/v1/events", { signal: stream.signal });
  $("login").hidden = true;
  may = (await get("/v1/me")).actions;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the server ended it");
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").filter((row) => row.startsWith("data: "));
      if (!data.length) { heard = Date.now(); continue; }
      const said = JSON.parse(data.map((row) => row.slice(6)).join("\n"));
      showHealth(said.health);
      showRecoveries(said.recoveries);
      refresh().catch(tell);
    }
  }
}

/* A browser has few connections to one server: a page that nobody sees gives its own back. */
document.addEventListener("visibilitychange", () => {
  if (document.hidden && stream) stream.abort();
});

const seen = () => new Promise((done) => {
  if (!document.hidden) { done(); return; }
  const look = () => {
    if (document.hidden) return;
    document.removeEventListener("visibilitychange", look);
    done();
  };
  document.addEventListener("visibilitychange", look);
});

async function live() {
  for (let pause = 1; ; pause = Math.min(30, 2 * pause)) {
    await seen();
    const began = Date.now();
    try { await listen(); } catch (problem) {
      tell(problem);
      if (problem instanceof Refused && problem.status === 401) return;
    }
    if (Date.now() - began > 60000) pause = 1;
    await new Promise((done) => setTimeout(done, 1000 * pause));
  }
}

setInterval(() => {
  showRecoveries(recoveries);
  if (!heard || $("link").className === "lost" && Date.now() - heard > 5000) return;
  $("link").className = stale ? "lost" : "";
  put($("link"), stale ? `Not of now: ${stale}` : "Live.");
}, 1000);

$("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  $("token").value = "";
  live();
});
fill($("instance-progress"), [OPEN, ...PROGRESS]);
$("instance-progress").value = OPEN;
$("more-hosts").addEventListener("click", () => { all = true; showHosts(); });
$("host-search").addEventListener("input", showHosts);
$("host-state").addEventListener("change", showHosts);
$("instance-search").addEventListener("input", soon(showInstances));
$("instance-progress").addEventListener("change", soon(showInstances));
live();
