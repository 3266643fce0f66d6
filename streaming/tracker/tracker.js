// Browser tracker. Sends the user family of a page to the collector: page_view, page_ping, click, video_*.
// Belongs here: what a browser can see and how nothing of it gets lost. Does not belong here: a consent dialogue, enrichment.
// An event stays in localStorage, one entry each, until the collector has answered for it; it is repeated under the same
// event_id, by this page or a later one. docs/reference/tracker.md explains attributes, events and limits.
(() => {
  "use strict";
  const win = window, doc = document, nav = navigator;
  const tag = doc.currentScript;
  if (!tag || !tag.dataset.brand || win.mediaAnalytics) return;
  const { brand, key, endpoint, contentId, section } = tag.dataset;
  const url = (endpoint || new URL(tag.src).origin) + "/v1/events/user?" + new URLSearchParams(key ? { brand, key } : { brand });
  const prefix = "ma:" + brand + ":";
  const waiting = prefix + "event:";

  const PING = 1e4; // ms between pings of a visible page
  const ACTIVE = 5e3; // ms after an input during which a reader counts as engaged
  const IDLE = 3e5; // ms without any input after which a visible page stops pinging
  const KEPT = 500; // events waiting at most; the oldest goes first
  const OLDEST = 6048e5; // ms (7 days) after which an event is given up: the collector would move its time
  const OTHERS = PING; // ms after which an entry of another page counts as left behind
  const BODY = 16e3; // characters a request at most: browsers allow 64 KiB in flight when a page goes away
  // The collector's last word. Everything else, no answer included, is tried again.
  const FINAL = [400, 413, 415, 422];
  const PURPOSES = ["analytics", "personalisation", "advertising", "ml_training"];

  const now = () => performance.now();
  const cut = (text, size) => text ? String(text).trim().slice(0, size) : undefined;
  const read = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const write = (name, text) => {
    try { text === null ? localStorage.removeItem(name) : localStorage.setItem(name, text); } catch { /* blocked or full: memory only */ }
  };
  const uuid = () => crypto.randomUUID ? crypto.randomUUID() :
    "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (c) => (c ^ crypto.getRandomValues(new Uint8Array(1))[0] & 15 >> c / 4).toString(16));

  // --- consent: null = not asked. Nothing that identifies is stored on the device before it is given.
  let purposes = null, visitor = null, customer;
  const setConsent = (list) => {
    purposes = list ? PURPOSES.filter((p) => list.includes(p)) : null;
    write(prefix + "consent", purposes && purposes.join());
    visitor = purposes && purposes.includes("analytics") ? read(prefix + "visitor") || visitor || uuid() : null;
    write(prefix + "visitor", visitor);
  };

  // --- queue
  const queue = new Map(); // event_id -> event as JSON
  const flying = new Set(); // ids in the request under way
  let busy = false, failures = 0, timer = 0;

  const keep = (id, text) => {
    queue.set(id, text);
    if (queue.size > KEPT) forget(queue.keys().next().value);
  };
  const forget = (id) => { queue.delete(id); write(waiting + id, null); };
  const adopt = () => {
    let names = [];
    try { names = Object.keys(localStorage); } catch { /* blocked */ }
    for (const name of names) {
      const id = name.slice(waiting.length);
      if (!name.startsWith(waiting) || queue.has(id)) continue;
      const text = read(name);
      let age;
      try { age = Date.now() - Date.parse(JSON.parse(text).occurred_at); } catch { /* not ours: thrown away below */ }
      if (!(age < OLDEST)) write(name, null);
      else if (age > OTHERS) keep(id, text);
    }
  };
  const batches = (wanted) => {
    const all = [];
    let size = BODY;
    for (const [id, text] of queue) {
      if (!wanted(id)) continue;
      if (size + text.length > BODY) { all.push([]); size = 0; }
      size += text.length + 1;
      all[all.length - 1].push(id);
    }
    return all;
  };
  const bodyOf = (ids) => "[" + ids.map((id) => queue.get(id)) + "]";

  const later = (ms) => { clearTimeout(timer); timer = setTimeout(flush, ms); };
  const flush = () => {
    const [ids] = batches(() => true);
    if (busy || !ids || nav.onLine === false) return;
    busy = true;
    ids.forEach((id) => flying.add(id));
    const end = (answer) => {
      busy = false;
      flying.clear();
      if (answer && (answer.ok || FINAL.includes(answer.status))) {
        failures = 0;
        ids.forEach(forget);
        return later(0);
      }
      const told = answer && +answer.headers.get("retry-after") * 1e3 || 0;
      later(Math.max(told, Math.min(6e4, 1e3 * 2 ** failures++) * (.5 + Math.random() / 2)));
    };
    // A string body is text/plain: no preflight request. keepalive: the request outlives the page.
    fetch(url, { method: "POST", body: bodyOf(ids), keepalive: true, credentials: "omit" }).then(end, () => end());
  };

  // --- events
  let page, referrer = doc.referrer;
  const add = (type, fields) => {
    // Refused analytics: the page view is counted, without a visitor; nothing else is collected.
    if (purposes && !visitor && type !== "page_view") return;
    const event = {
      event_id: uuid(), event_type: type, occurred_at: new Date().toISOString(), brand, ...page, ...fields,
      consent: purposes || undefined, anonymous_id: visitor || undefined,
      customer_id: purposes && !visitor ? undefined : customer,
    };
    const text = JSON.stringify(event);
    keep(event.event_id, text);
    write(waiting + event.event_id, text);
    // A backlog is sent when its pause is over; a click may be the last thing a page does, so nothing waits for company.
    if (!failures) later(0);
    return event.event_id;
  };

  // --- engagement: seconds with the page visible and an input at most ACTIVE ago, since the previous ping
  let engaged, mark, until, lastInput, reach, depth, told, visible = false, beat;
  const credit = () => {
    const t = now();
    engaged += Math.max(0, Math.min(t, until) - mark);
    mark = t;
  };
  const onInput = () => {
    if (!visible) return;
    credit();
    lastInput = mark;
    until = mark + ACTIVE;
  };
  // Scrolling itself is no input: browsers restore positions, live pages scroll by script. Wheel, touch and keys are.
  const onScroll = () => { reach = Math.max(reach, win.scrollY + win.innerHeight); };
  const ping = (last) => {
    credit();
    depth = Math.max(depth, Math.min(100, Math.round(reach / doc.documentElement.scrollHeight * 1e3) / 10) || 0);
    if (last ? engaged < 1 && depth === told : !engaged && mark - lastInput > IDLE) return;
    const seconds = Math.min(60, Math.round(engaged) / 1e3);
    engaged = 0;
    told = depth;
    return add("page_ping", { engaged_seconds: seconds, scroll_pct: depth });
  };
  const tick = () => { ping(); adopt(); if (!failures) flush(); };
  const show = () => {
    if (visible || doc.visibilityState === "hidden") return;
    visible = true;
    mark = lastInput = now();
    until = 0;
    clearInterval(beat);
    beat = setInterval(tick, PING);
  };
  const hide = () => {
    if (!visible) return;
    const last = ping(true);
    visible = false;
    clearInterval(beat);
    if (!nav.sendBeacon || nav.onLine === false) return;
    for (const ids of batches((id) => !flying.has(id))) {
      // Nobody hears the answer to a beacon, so all but the last ping stay until a request is answered.
      if (nav.sendBeacon(url, bodyOf(ids)) && ids.includes(last)) forget(last);
    }
  };
  const open = (fields) => {
    if (page && visible) ping(true);
    const { title, ...rest } = fields || {};
    page = { page_url: cut(location.href, 2000), content_id: contentId, section, ...rest };
    engaged = until = depth = told = 0;
    mark = lastInput = now();
    reach = 0;
    onScroll();
    add("page_view", { title: cut(title || doc.title, 500), referrer: cut(referrer, 2000) });
    referrer = page.page_url;
    show();
  };

  // --- clicks and videos, whenever they were added to the page
  const onClick = (e) => {
    const at = e.target.closest && e.target.closest("a[href],button,[data-track]");
    if (!at || !page) return;
    const place = parseInt(at.dataset.position, 10);
    add("click", {
      position: place >= 0 ? place : undefined,
      properties: {
        element: cut(at.dataset.track, 100) || at.nodeName.toLowerCase(),
        label: cut(at.textContent, 100),
        href: at.origin ? cut(at.origin + at.pathname, 300) : undefined,
      },
    });
  };
  const plays = new WeakMap();
  const onVideo = ({ type, target }) => {
    if (target.nodeName !== "VIDEO" || !page) return;
    const { currentTime, duration, dataset, id } = target;
    const play = plays.get(target) || {};
    plays.set(target, play);
    const send = (name, more) => add(name, {
      video_position_seconds: currentTime,
      properties: { video_id: cut(dataset.videoId || id, 300), ...more },
    });
    if (type === "play") play.asked = play.asked || now();
    else if (type === "playing") {
      if (play.on) return;
      play.on = true;
      play.quarter = 0;
      send("video_start", { startup_ms: String(Math.round(now() - (play.asked || now()))) });
    } else if (!play.on) return;
    else if (type === "ended") {
      send("video_complete");
      plays.delete(target);
    } else {
      const quarter = Math.min(3, Math.floor(4 * currentTime / duration));
      if (quarter > play.quarter) send("video_progress", { progress_pct: String(25 * (play.quarter = quarter)) });
    }
  };

  const listen = (target, names, handler) =>
    names.split(" ").forEach((name) => target.addEventListener(name, handler, { capture: true, passive: true }));
  const start = () => {
    listen(win, "wheel pointerdown pointermove touchmove keydown", onInput);
    listen(win, "scroll", onScroll);
    listen(doc, "click", onClick);
    listen(doc, "play playing timeupdate ended", onVideo);
    listen(doc, "visibilitychange", () => doc.visibilityState === "hidden" ? hide() : show());
    listen(win, "pagehide", hide);
    // A page from the back/forward cache is looked at anew.
    listen(win, "pageshow", (e) => e.persisted && open());
    listen(win, "online", flush);
    open();
    adopt();
  };

  const stored = read(prefix + "consent");
  if (stored !== null) setConsent(stored.split(","));
  win.mediaAnalytics = {
    consent: setConsent,
    customer: (id) => { customer = cut(id, 200); },
    page: open,
    track: add,
  };
  if (doc.prerendering) listen(doc, "prerenderingchange", start);
  else if (doc.readyState === "loading") listen(doc, "DOMContentLoaded", start);
  else start();
})();
