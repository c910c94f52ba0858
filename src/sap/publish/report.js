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

  // Search: mark every hit, Enter goes to the next, Shift+Enter back, Escape clears.
  const query = one("#query"), found = one("#found");
  let hits = [], at = -1, timer = 0;
  const clear = () => {
    for (const hit of hits) { const parent = hit.parentNode; if (parent) { parent.replaceChild(document.createTextNode(hit.textContent), hit); parent.normalize(); } }
    hits = []; at = -1;
  };
  const search = () => {
    clear();
    const words = query.value.trim().toLowerCase();
    found.textContent = "";
    if (words.length < 2) return;
    const walk = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walk.nextNode()) { if (walk.currentNode.data.toLowerCase().includes(words)) texts.push(walk.currentNode); }
    for (let text of texts) {
      for (let i = text.data.toLowerCase().indexOf(words); i >= 0 && hits.length < 2000; i = text.data.toLowerCase().indexOf(words)) {
        const hit = text.splitText(i);
        text = hit.splitText(words.length);
        const mark = make("mark", hit.data);
        hit.parentNode.replaceChild(mark, hit);
        hits.push(mark);
      }
    }
    found.textContent = hits.length ? `${hits.length} found` : "Nothing found";
  };
  const go = (step) => {
    if (!hits.length) return;
    if (at >= 0) hits[at].classList.remove("now");
    at = (at + step + hits.length) % hits.length;
    hits[at].classList.add("now");
    hits[at].scrollIntoView({ block: "center" });
    found.textContent = `${at + 1} of ${hits.length}`;
  };
  query.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 150); });
  query.addEventListener("keydown", (event) => { if (event.key === "Escape") { query.value = ""; search(); } });
  one("#search").addEventListener("submit", (event) => event.preventDefault());
  query.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (!hits.length) search();
    openMenu(false);
    go(event.shiftKey ? -1 : 1);
  });

  // Addresses: a number leads to its row of results. In a table the arrow keys go from number to
  // number, so that the table is one stop of the Tab key.
  const addresses = JSON.parse(one("#addresses").textContent || "{}");
  const panel = one("#address"), list = one("dl", panel);
  let asker = null;
  // A table row cannot say that it is unfolded; a number, which is a button, can.
  const unfolded = (node, open) => {
    if (node.dataset.row === undefined) node.setAttribute("aria-expanded", String(open));
    else node.classList.toggle("asked", open);
  };
  const close = (back) => {
    if (panel.hidden) return;
    panel.hidden = true;
    if (asker) { unfolded(asker, false); if (back) asker.focus(); }
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
    list.replaceChildren();
    for (const [name, value] of Object.entries(address)) {
      if (value === "" || value === null) continue;
      list.append(make("dt", name.replace(/_/g, " ")), make("dd", String(value)));
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
  const asked = (node) => node.closest && (node.closest(".ard[role='button']") || node.closest("tr[data-row]"));
  const neighbour = (row, step) => {
    let next = row;
    do { next = step > 0 ? next.nextElementSibling : next.previousElementSibling; } while (next && next.hidden);
    return next;
  };
  document.addEventListener("click", (event) => {
    const span = asked(event.target);
    if (span && span.dataset.row !== undefined && String(getSelection())) return; // words are being marked
    if (span) { if (span === asker) close(false); else show(span); } else if (!event.target.closest("#address")) close(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { close(true); return; }
    const span = asked(event.target);
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

  // A date or a short word stays on one line.
  for (const cell of all(".tlf td")) { if (cell.textContent.length <= 12) cell.classList.add("short"); }

  // Listings: sort by a column, show the rows that hold a word.
  for (const listing of all(".tlf-listing")) {
    const table = one("table", listing), body = table && table.tBodies[0], heads = table ? all("thead tr:last-child th", table) : [];
    if (!body) continue;
    // A participant printed once for several rows stands in each of them as soon as rows are picked or moved.
    const repeat = () => { for (const cell of all("[data-again]", body)) { cell.textContent = cell.dataset.again; cell.removeAttribute("data-again"); } };
    const rows = Array.from(body.rows), spanned = rows.some((row) => row.cells.length !== heads.length);
    const tools = make("div"), label = make("label", "Show rows with "), input = make("input"), count = make("span", `${rows.length} rows`);
    tools.className = "listing-tools";
    input.type = "search";
    count.setAttribute("role", "status");
    label.append(input);
    tools.append(label, count);
    one(".tlf-scroll", listing).before(tools);
    input.addEventListener("input", () => {
      const words = input.value.trim().toLowerCase();
      let shown = 0;
      repeat();
      for (const row of rows) { row.hidden = words !== "" && !row.textContent.toLowerCase().includes(words); if (!row.hidden) shown += 1; }
      count.textContent = `${shown} of ${rows.length} rows`;
    });
    if (spanned) continue; // rows that belong together would be torn apart
    heads.forEach((head, column) => {
      const button = make("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        repeat();
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => row.cells[column].textContent.replace(/\u2007/g, " ").trim();
        const compare = new Intl.Collator("en", { numeric: true }).compare;
        const sorted = rows.map((row, i) => [key(row), i, row]).sort((a, b) => (down ? -1 : 1) * compare(a[0], b[0]) || a[1] - b[1]);
        body.append(...sorted.map((entry) => entry[2]));
      });
    });
  }
})();
