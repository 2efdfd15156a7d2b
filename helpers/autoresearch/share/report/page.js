(() => {
  "use strict";
  const root = document.documentElement, body = document.body;
  const kept = (() => { try { return window.sessionStorage; } catch (error) { return null; } })();
  const read = key => { try { return kept && kept.getItem("autoresearch-" + key); } catch (error) { return null; } };
  const write = (key, value) => { try { if (kept) kept.setItem("autoresearch-" + key, value); } catch (error) { /* private mode */ } };

  const theme = document.getElementById("theme");
  const wanted = name => {
    root.dataset.theme = name;
    theme.textContent = name === "dark" ? "Light" : "Dark";
    theme.setAttribute("aria-label", "Switch to the " + theme.textContent.toLowerCase() + " theme");
  };
  wanted(read("theme") || (window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  theme.hidden = false;
  theme.addEventListener("click", () => { const next = root.dataset.theme === "dark" ? "light" : "dark"; wanted(next); write("theme", next); });

  const tip = document.getElementById("tip");
  const show = event => {
    const mark = event.target.closest("figure [role=graphics-symbol][aria-label]") ||
      (event.target.closest("figure a") || body).querySelector(":scope > [aria-label]");
    if (!mark || mark.getAttribute("aria-roledescription") === "axis") { tip.hidden = true; return; }
    const at = mark.getBoundingClientRect();
    tip.textContent = mark.getAttribute("aria-label");
    tip.hidden = false;
    tip.style.left = Math.max(4, Math.min(at.left + 12, window.innerWidth - 400)) + "px";
    tip.style.top = Math.min(at.bottom + 8, window.innerHeight - 60) + "px";
  };
  for (const kind of ["mouseover", "focusin"]) document.addEventListener(kind, show);
  document.addEventListener("keydown", event => { if (event.key === "Escape") tip.hidden = true; });

  const table = document.getElementById("experiments");
  if (table) {
    const rows = Array.from(table.tBodies[0].rows), count = document.getElementById("count");
    const words = document.getElementById("words"), kind = document.getElementById("kind");
    // Neither diffs nor times: a filter for 12 is one for an experiment, a verdict or a word.
    const said = "td:not(:last-child), td:last-child:not(:has(details)), summary, p:not(.small)";
    const texts = rows.map(row => Array.from(row.querySelectorAll(said), part => part.textContent).join(" ").toLowerCase());
    const filter = () => {
      const asked = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, at) => {
        const fits = (!kind.value || row.className === kind.value) && asked.every(word => texts[at].includes(word));
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      count.textContent = shown + " of " + rows.length + " experiments shown";
      write("words", words.value);
      write("kind", kind.value);
    };
    words.value = read("words") || "";
    kind.value = read("kind") || "";
    if (kind.selectedIndex < 0) kind.value = "";
    let waiting = 0;
    words.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, rows.length > 2000 ? 150 : 0); });
    kind.addEventListener("change", filter);
    filter();
    document.getElementById("tools").hidden = false;

    const heads = Array.from(table.tHead.rows[0].cells);
    const value = (row, at) => {
      const cell = row.cells[at], exact = (cell.dataset.e || "").split(" ")[0];
      const given = exact || (cell.dataset.s === undefined ? cell.textContent.trim() : cell.dataset.s);
      return given !== "" && isFinite(given) ? Number(given) : given;
    };
    const sort = (at, falling) => {
      heads.forEach((head, other) => head.setAttribute("aria-sort", other === at ? (falling ? "descending" : "ascending") : "none"));
      const keyed = rows.map((row, order) => [value(row, at), order, row]);
      keyed.sort((a, b) => {
        const empty = (a[0] === "") - (b[0] === "");
        if (empty) return empty;
        const by = typeof a[0] === "number" && typeof b[0] === "number" ? a[0] - b[0] : String(a[0]).localeCompare(String(b[0]));
        return (falling ? -by : by) || a[1] - b[1];
      });
      table.tBodies[0].append(...keyed.map(one => one[2]));
      write("sort", at + (falling ? " falling" : ""));
    };
    heads.forEach((head, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(at, head.getAttribute("aria-sort") === "ascending"));
    });
    const before = read("sort");
    if (before) sort(parseInt(before, 10), before.endsWith("falling"));
    document.addEventListener("keydown", event => {
      if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) { event.preventDefault(); words.focus(); }
    });
    const reveal = () => {
      const row = /^#e\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
      if (row && row.hidden) { words.value = ""; kind.value = ""; filter(); row.scrollIntoView(); }
    };
    window.addEventListener("hashchange", reveal);
    reveal();
  }

  const live = body.dataset.live;
  if (live) {
    const place = read("scroll");
    if (place) window.scrollTo(0, Number(place));
    window.addEventListener("pagehide", () => write("scroll", window.scrollY));
    const ask = async () => {
      try {
        const answer = await fetch(live, { cache: "no-store" });
        if (answer.ok && (await answer.text()) !== body.dataset.stamp) { location.reload(); return; }
      } catch (error) { /* the server is gone; it may come back */ }
      setTimeout(ask, 3000);
    };
    setTimeout(ask, 3000);
  }
})();
