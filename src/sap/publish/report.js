"use strict";
(() => {
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const one = (selector, within = document) => within.querySelector(selector);
  const make = (tag, text) => { const node = document.createElement(tag); if (text !== undefined) node.textContent = text; return node; };
  const main = one("#content"), nav = one("#contents"), menu = one("#menu");

  // The banner is as tall as its words; everything that sticks below it follows.
  const banner = one(".banner");
  const fit = () => document.documentElement.style.setProperty("--bar", `${banner.offsetHeight}px`);
  addEventListener("resize", fit);
  fit();

  // Contents: open on a small screen, mark the section in view.
  const openMenu = (open) => { nav.classList.toggle("open", open); menu.setAttribute("aria-expanded", String(open)); };
  menu.addEventListener("click", () => openMenu(!nav.classList.contains("open")));
  nav.addEventListener("click", (event) => { if (event.target.closest("a")) openMenu(false); });
  nav.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !nav.classList.contains("open") || event.target.value) return;
    openMenu(false);
    menu.focus();
  });

  const links = new Map(all("a[href^='#']", one("ul", nav) || nav).map((a) => [decodeURIComponent(a.hash.slice(1)), a]));
  const places = Array.from(links.keys(), (id) => document.getElementById(id)).filter(Boolean);
  let current = null;
  const markCurrent = () => {
    const line = 120;
    let place = null;
    for (const candidate of places) { if (candidate.getBoundingClientRect().top <= line) place = candidate; }
    const link = place && links.get(place.id);
    if (link === current) return;
    if (current) current.removeAttribute("aria-current");
    current = link;
    if (!current) return;
    current.setAttribute("aria-current", "true");
    const box = nav.getBoundingClientRect(), at = current.getBoundingClientRect();
    if (at.top < box.top || at.bottom > box.bottom) nav.scrollTop += at.top - box.top - box.height / 3;
  };
  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; markCurrent(); });
  }, { passive: true });
  markCurrent();

  // Search: mark every hit, Enter goes to the next, Shift+Enter back, Escape clears. A sentence is
  // many texts, since each number in it has its address, so hits are searched in complete paragraphs and
  // cells, at the beginning of words, and a hit may be several marks.
  const query = one("#query"), found = one("#found");
  const PIECES = "p, li, dt, dd, td, th, h1, h2, h3, h4, pre, label";
  const LETTER = /[\p{L}\p{N}]/u;
  // As long as the text itself: a letter whose small form is two (a dotted capital I) stays.
  const lower = (text) => { const low = text.toLowerCase(); return low.length === text.length ? low : text.replace(/[^]/g, (c) => (c.toLowerCase().length === 1 ? c.toLowerCase() : c)); };
  const plain = (text) => lower(text).replace(/\s|\u2007/g, " ").replace(/\u2212/g, "-").replace(/\u2265/g, ">").replace(/\u2264/g, "<");
  let hits = [], at = -1, timer = 0;
  const bar = make("div"), place = make("span"), back = make("button", "\u2039"), on = make("button", "\u203a"), end = make("button", "\u00d7");
  bar.id = "hits"; bar.hidden = true;
  bar.setAttribute("role", "group"); bar.setAttribute("aria-label", "Places found");
  for (const [button, name] of [[back, "Previous place found"], [on, "Next place found"], [end, "End the search"]]) { button.type = "button"; button.setAttribute("aria-label", name); }
  bar.append(place, back, on, end);
  document.body.append(bar);
  const clear = () => {
    const parents = new Set();
    for (const mark of hits.flat()) { const parent = mark.parentNode; if (parent) { parent.replaceChild(document.createTextNode(mark.textContent), mark); parents.add(parent); } }
    for (const parent of parents) parent.normalize();
    hits = []; at = -1; bar.hidden = true;
  };
  const pieces = () => {
    const walk = document.createTreeWalker(main, NodeFilter.SHOW_TEXT), all_ = new Map();
    while (walk.nextNode()) {
      const node = walk.currentNode, piece = node.parentElement.closest(PIECES), narrow = node.parentElement.closest(".narrow");
      if (!piece || node.parentElement.closest("[hidden], .wide-hint") || (narrow && !narrow.getClientRects().length)) continue;
      if (!all_.has(piece)) all_.set(piece, []);
      all_.get(piece).push(node);
    }
    return all_.values();
  };
  // Texts are cut from the right, so that the text before a hit keeps its position.
  const marked = (nodes, starts, from, to) => {
    const marks = [];
    nodes.forEach((node, i) => {
      const low = Math.max(from - starts[i], 0), high = Math.min(to - starts[i], node.data.length);
      if (low >= high) return;
      if (high < node.data.length) node.splitText(high);
      const hit = low ? node.splitText(low) : node;
      const mark = make("mark", hit.data);
      hit.parentNode.replaceChild(mark, hit);
      marks.push(mark);
    });
    return marks;
  };
  const search = () => {
    clear();
    const words = plain(query.value.trim()).replace(/ +/g, " ").replace(/([<>])=/g, "$1");
    found.textContent = "";
    if (words.length < 2) return;
    for (const nodes of pieces()) {
      // What is compared, and the position of each of its characters in the texts: ">=" is one, spaces too.
      let text = "", from = [];
      const starts = [];
      let whole = "";
      for (const node of nodes) { starts.push(whole.length); whole += node.data; }
      const low = plain(whole);
      for (let i = 0; i < low.length; i += 1) {
        if ((low[i] === " " && text.endsWith(" ")) || (low[i] === "=" && /[<>]$/.test(text))) continue;
        text += low[i]; from.push(i);
      }
      from.push(low.length);
      const spans = [];
      for (let i = text.indexOf(words); i >= 0; i = text.indexOf(words, i + words.length)) {
        const inside = i > 0 && LETTER.test(text[i - 1]) && LETTER.test(words[0]);
        if (!inside) spans.push([from[i], from[i + words.length]]);
      }
      // From the end, so that the places of those before stay what they are.
      const here = spans.reverse().map((span) => marked(nodes, starts, ...span));
      hits.push(...here.reverse());
      if (hits.length >= 2000) break;
    }
    found.textContent = hits.length ? `${hits.length} found; Enter goes to the next` : "Nothing found";
  };
  const go = (step) => {
    if (!hits.length) return;
    for (const mark of hits[at] || []) mark.classList.remove("now");
    at = at < 0 && step < 0 ? hits.length - 1 : (at + step + hits.length) % hits.length;
    for (const mark of hits[at]) mark.classList.add("now");
    hits[at][0].scrollIntoView({ block: "center", inline: "nearest" });
    place.textContent = found.textContent = `${at + 1} of ${hits.length}`;
    bar.hidden = false;
  };
  const stop = () => { query.value = ""; search(); };
  query.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 150); });
  query.addEventListener("keydown", (event) => { if (event.key === "Escape" && query.value) { event.stopPropagation(); stop(); } });
  one("#search").addEventListener("submit", (event) => event.preventDefault());
  query.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (!hits.length) search();
    const small = nav.classList.contains("open");
    openMenu(false);
    go(event.shiftKey ? -1 : 1);
    if (small && hits.length) on.focus({ preventScroll: true });
  });
  back.addEventListener("click", () => go(-1));
  on.addEventListener("click", () => go(1));
  end.addEventListener("click", stop);
  bar.addEventListener("keydown", (event) => { if (event.key === "Escape") stop(); });

  // Addresses: a number leads to its row of results. In a table the arrow keys go from number to
  // number, so that the table is one stop of the Tab key.
  const addresses = JSON.parse(one("#addresses").textContent || "{}");
  const panel = one("#address"), list = one("dl", panel), title = one("h2", panel);
  const NAMES = { paramcd: "parameter", stat_name: "statistic", stat: "value, not rounded", stat_text: "in words", sublevel: "within the level" };
  let asker = null;
  // A table row cannot say that it is unfolded; a number, which is a button, can.
  const unfolded = (node, open) => {
    if (node.dataset.row === undefined) node.setAttribute("aria-expanded", String(open));
    else node.classList.toggle("unfolded", open);
  };
  const close = (return_) => {
    if (panel.hidden) return;
    panel.hidden = true;
    if (asker) { unfolded(asker, false); if (return_) asker.focus(); }
    asker = null;
  };
  // A row of a listing leads to its dataset, participant and key: "ADAE|participant|3".
  const addressOf = (node) => {
    if (node.dataset.row === undefined) return addresses[node.dataset.ard];
    const [dataset, participant, ...key] = node.dataset.row.split("|");
    return { dataset, participant, key: key.join(" · ") };
  };
  const show = (span) => {
    const address = addressOf(span);
    if (!address) return;
    if (asker) unfolded(asker, false);
    asker = span;
    unfolded(span, true);
    title.textContent = span.dataset.row === undefined ? "Where this number comes from" : "Where this row comes from";
    list.replaceChildren();
    for (const [name, value] of Object.entries(address)) {
      if (value === "" || value === null) continue;
      list.append(make("dt", NAMES[name] || name.replace(/_/g, " ")), make("dd", String(value)));
    }
    panel.hidden = false;
  };
  const numbers = all(".ard[data-ard]").filter((span) => addresses[span.dataset.ard]);
  const perTable = new Map();
  for (const span of numbers) {
    span.setAttribute("role", "button");
    span.setAttribute("aria-expanded", "false");
    span.setAttribute("aria-controls", "address");
    const table = span.closest("table");
    if (!table) { span.tabIndex = 0; continue; }
    if (!perTable.has(table)) perTable.set(table, []);
    span.tabIndex = perTable.get(table).length ? -1 : 0;
    perTable.get(table).push(span);
  }
  for (const body of all("tbody")) { const first = one("tr[data-row]", body); if (first) first.tabIndex = 0; }
  const addressed = (node) => node.closest && (node.closest(".ard[role='button']") || node.closest("tr[data-row]"));
  const neighbour = (row, step) => {
    let next = row;
    do { next = step > 0 ? next.nextElementSibling : next.previousElementSibling; } while (next && next.hidden);
    return next;
  };
  document.addEventListener("click", (event) => {
    const span = addressed(event.target);
    if (span && span.dataset.row !== undefined && String(getSelection())) return; // words are being marked
    if (span) { if (span === asker) close(false); else show(span); } else if (!event.target.closest("#address")) close(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { close(true); return; }
    const span = addressed(event.target);
    if (!span) return;
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); if (span === asker) close(false); else show(span); return; }
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const table = span.closest("table");
    if (!step || !table) return;
    const spans = perTable.get(table);
    const next = span.dataset.row === undefined ? spans[spans.indexOf(span) + step] : neighbour(span, step);
    if (!next) return;
    event.preventDefault();
    span.tabIndex = -1; next.tabIndex = 0; next.focus();
    if (!panel.hidden) show(next);
  });
  one("#address-close").addEventListener("click", () => close(true));

  // A table that goes on beyond the edge says so; one that does not is no stop of the Tab key.
  const scrollers = all(".tlf-scroll, .scroll").map((box) => [box, make("p", "Continues to the right \u2192"), [["tabindex", "0"], ["role", box.getAttribute("role")], ["aria-label", box.getAttribute("aria-label")]]]);
  for (const [box, hint] of scrollers) { hint.className = "wide-hint"; hint.setAttribute("aria-hidden", "true"); hint.hidden = true; box.before(hint); }
  const measure = () => {
    const beyond = scrollers.map(([box]) => [box.scrollWidth > box.clientWidth + 1, box.scrollHeight > box.clientHeight + 1]);
    scrollers.forEach(([box, hint, names], i) => {
      const [wide, high] = beyond[i];
      hint.hidden = !wide;
      for (const [name, value] of names) { if (wide || high) box.setAttribute(name, value); else box.removeAttribute(name); }
    });
  };
  addEventListener("resize", measure);
  addEventListener("load", measure);

  // A date or a short word stays on one line.
  for (const cell of all(".tlf td")) { if (cell.textContent.length <= 12) cell.classList.add("short"); }

  // Numbers by size, with their sign; other words after them, as a reader counts; nothing at the end.
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  const size = (text) => { const read = /^[<>]?=? ?([-\u2212]?\d+(?:\.\d+)?)(?=$|[\s%([])/.exec(text); return read ? Number(read[1].replace("\u2212", "-")) : NaN; };
  const order = (a, b, way) => {
    if (!a || !b) return Number(!a) - Number(!b);
    const x = size(a), y = size(b);
    if (isNaN(x) !== isNaN(y)) return Number(isNaN(x)) - Number(isNaN(y));
    return way * ((isNaN(x) ? 0 : x - y) || compare(a, b));
  };

  // Listings: sort by a column, show the rows that hold a word.
  for (const listing of all(".tlf-listing")) {
    const table = one("table", listing), body = table && table.tBodies[0], heads = table ? all("thead tr:last-child th", table) : [];
    if (!body) continue;
    // The patient of the row above is paler until rows are filtered or sorted.
    const repeat = () => listing.classList.add("moved");
    const rows = Array.from(body.rows), spanned = rows.some((row) => row.cells.length !== heads.length);
    const tools = make("div"), label = make("label", "Show rows with "), input = make("input"), count = make("span", `${rows.length} rows`);
    tools.className = "listing-tools";
    input.type = "search";
    count.setAttribute("role", "status");
    label.append(input);
    tools.append(label, count);
    one(".tlf-scroll", listing).before(tools);
    input.addEventListener("input", () => {
      const words = plain(input.value).split(" ").filter(Boolean);
      let shown = 0;
      repeat();
      for (const row of rows) {
        // A word is sought in one cell, not over the border of two; all words must be there.
        const cells = Array.from(row.cells, (cell) => plain(cell.textContent)).join("\n");
        row.hidden = !words.every((word) => cells.includes(word));
        if (!row.hidden) shown += 1;
      }
      count.textContent = `${shown} of ${rows.length} rows`;
      if (query.value) search(); // a hidden row is no hit
    });
    if (rows.length > 25) listing.classList.add("long");
    if (spanned) continue; // rows that belong together would be torn apart
    heads.forEach((head, column) => {
      // The text is next to the button: text in a button is not printed on the next pages.
      const button = make("button");
      button.type = "button";
      button.setAttribute("aria-label", `Sort by ${head.textContent.trim()}`);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        repeat();
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => row.cells[column].textContent.replace(/\u2007/g, " ").trim();
        const sorted = rows.map((row, i) => [key(row), i, row]).sort((a, b) => order(a[0], b[0], down ? -1 : 1) || a[1] - b[1]);
        body.append(...sorted.map((entry) => entry[2]));
      });
    });
  }
})();
