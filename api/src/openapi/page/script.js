"use strict";
// Without this script the page reads as well: every sample is shown, one below the other.
const $ = (selector, root = document) => [...root.querySelectorAll(selector)];
const kept = {
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(name, value); } catch { /* private mode */ } },
};

// Light or dark: as the system says, until somebody chooses.
const root = document.documentElement;
if (kept.get("theme")) root.dataset.theme = kept.get("theme");
document.getElementById("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  kept.set("theme", root.dataset.theme);
});

// A button that copies what `shown` gives when it is pressed.
function copier(shown) {
  const button = document.createElement("button");
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const code = shown().querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return button;
}
for (const pre of $("pre")) if (!pre.closest(".tabs")) pre.append(copier(() => pre));

// One language at a time, the same everywhere.
function choose(language) {
  for (const tabs of $(".tabs")) {
    const names = $("pre", tabs).map((pre) => pre.dataset.lang);
    const shown = names.includes(language) ? language : names[0];
    for (const pre of $("pre", tabs)) pre.hidden = pre.dataset.lang !== shown;
    for (const tab of $("[role=tab]", tabs)) tab.setAttribute("aria-selected", String(tab.textContent === shown));
  }
}
for (const tabs of $(".tabs")) {
  const bar = document.createElement("div");
  bar.className = "tabbar";
  bar.setAttribute("role", "tablist");
  for (const pre of $("pre", tabs)) {
    const tab = document.createElement("button");
    tab.textContent = pre.dataset.lang;
    tab.setAttribute("role", "tab");
    tab.addEventListener("click", () => {
      const before = bar.getBoundingClientRect().top;
      choose(tab.textContent);
      kept.set("language", tab.textContent);
      // Samples further up have changed their height: keep what is being read where it is.
      scrollBy({ top: bar.getBoundingClientRect().top - before, behavior: "instant" });
    });
    bar.append(tab);
  }
  bar.append(copier(() => tabs.querySelector("pre:not([hidden])")));
  tabs.prepend(bar);
  tabs.classList.add("live");
}
choose(kept.get("language") ?? "curl");

// Search: the menu keeps the entries whose section has every word.
const search = document.getElementById("search");
const entries = $("#menu li").map((li) => {
  const target = document.getElementById(li.firstChild.hash.slice(1));
  return { li, text: `${li.textContent} ${target ? target.textContent : ""}`.toLowerCase() };
});
function find() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const { li, text } of entries) {
    li.hidden = !words.every((word) => text.includes(word));
    found += li.hidden ? 0 : 1;
  }
  for (const heading of $("#menu h3")) heading.hidden = $("li", heading.nextElementSibling).every((li) => li.hidden);
  document.getElementById("nothing").hidden = found > 0;
}
search.addEventListener("input", find);
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    const first = entries.find(({ li }) => !li.hidden);
    if (first) first.li.firstChild.click();
  } else if (event.key === "Escape") {
    search.value = "";
    find();
    search.blur();
  }
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    search.focus();
  }
});

// The menu of small screens.
const menu = document.getElementById("menu");
const opener = document.getElementById("menu-button");
function open(yes) {
  menu.classList.toggle("open", yes);
  opener.setAttribute("aria-expanded", String(yes));
}
opener.addEventListener("click", () => open(!menu.classList.contains("open")));
menu.addEventListener("click", (event) => { if (event.target.closest("a")) open(false); });
search.addEventListener("focus", () => open(true));

// Where the reader is.
const links = new Map($("#menu li a").map((a) => [a.hash.slice(1), a]));
const seen = new IntersectionObserver((changes) => {
  for (const { target, isIntersecting } of changes) {
    if (!isIntersecting || !links.has(target.id)) continue;
    for (const a of links.values()) a.classList.remove("here");
    links.get(target.id).classList.add("here");
    // Not scrollIntoView: that may move the page as well.
    const [top, height] = [links.get(target.id).offsetTop, menu.clientHeight];
    if (top < menu.scrollTop || top > menu.scrollTop + height - 60) menu.scrollTop = top - height / 3;
  }
}, { rootMargin: "-80px 0px -70% 0px" });
for (const section of $("main section")) seen.observe(section);
