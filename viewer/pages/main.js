// The first page: find a study, open it, look at its series. Pictures are drawn by the server.

import * as archive from "./archive.js";
import { language, number, speak, words } from "./words.js";

const PAGE = 25;
const MODALITIES = ["CT", "MR", "US", "CR", "DX", "MG", "XA", "RF", "NM", "PT", "OT", "SC", "SR", "SEG", "DOC", "ECG"];

const form = document.getElementById("search");
const list = document.getElementById("studies");
const state = { offset: 0, total: null, rows: [], more: false, open: new Set(), asking: null };

function element(tag, { class: name, text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false && value !== undefined) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// A picture that may not exist: what has none shows what it is instead.
function picture(url, fallback, attributes = {}) {
  const frame = element("span", { class: "picture" });
  const image = element("img", { src: url, alt: "", loading: "lazy", decoding: "async", ...attributes });
  image.addEventListener("error", () => frame.replaceChildren(element("span", { class: "no-picture", text: fallback })));
  frame.append(image);
  return frame;
}

// --- searching ----------------------------------------------------------------------------------

function query() {
  const asked = new URLSearchParams();
  const given = Object.fromEntries(new FormData(form));
  for (const name of ["PatientName", "PatientID", "AccessionNumber"]) {
    const words = given[name].trim().split(/[\s*]+/).filter(Boolean);
    if (words.length) asked.set(name, `*${words.join("*")}*`);
  }
  if (given.ModalitiesInStudy) asked.set("ModalitiesInStudy", given.ModalitiesInStudy);
  const day = (text) => text.replaceAll("-", "");
  if (given.from || given.to) asked.set("StudyDate", `${day(given.from)}-${day(given.to)}`);
  const filtered = asked.size > 0;
  asked.set("includefield", "StudyDescription");
  asked.set("limit", PAGE + 1);
  asked.set("offset", state.offset);
  return { asked, filtered };
}

async function search() {
  state.asking?.abort();
  const asking = new AbortController();
  state.asking = asking;
  const { asked, filtered } = query();
  list.classList.add("waiting");
  try {
    const { items, total } = await archive.studies(asked, asking.signal);
    state.rows = items.slice(0, PAGE);
    state.more = items.length > PAGE;
    state.total = total;
    notice(items.length ? "" : filtered || state.offset ? words.none : words.empty);
  } catch (error) {
    if (error.name === "AbortError") return;
    state.rows = [];
    state.more = false;
    notice(error instanceof archive.Refused ? `${words.refused}: ${error.message}` : words.unreachable, true);
  }
  if (state.asking !== asking) return;
  list.classList.remove("waiting");
  drawList();
}

function notice(text, wrong = false) {
  const box = document.getElementById("notice");
  box.textContent = text;
  box.hidden = !text;
  box.classList.toggle("wrong", wrong);
}

let pending = 0;
function searchSoon(delay) {
  clearTimeout(pending);
  pending = setTimeout(() => { state.offset = 0; search(); }, delay);
}

form.addEventListener("submit", (event) => { event.preventDefault(); searchSoon(0); });
// While an input method composes, what is in the field is not yet what is meant.
form.addEventListener("input", (event) => { if (!event.isComposing) searchSoon(event.target.type === "search" ? 250 : 0); });
form.addEventListener("compositionend", () => searchSoon(250));

form.querySelector(".spans").addEventListener("click", (event) => {
  const days = event.target.dataset?.days;
  if (days === undefined) return;
  const iso = (moment) => new Date(moment.getTime() - moment.getTimezoneOffset() * 60000).toISOString().slice(0, 10);
  const today = new Date();
  const first = new Date(today);
  if (days !== "all") first.setDate(today.getDate() - Number(days));
  form.elements.from.value = days === "all" ? "" : iso(first);
  form.elements.to.value = days === "all" ? "" : iso(today);
  searchSoon(0);
});

for (const [id, step] of [["newer", -PAGE], ["older", PAGE]]) {
  document.getElementById(id).addEventListener("click", async () => {
    state.offset = Math.max(0, state.offset + step);
    await search();
    scrollTo({ top: 0 });
  });
}

// --- the list -----------------------------------------------------------------------------------

function drawList() {
  list.replaceChildren(...state.rows.map(studyRow));
  const paging = document.getElementById("paging");
  paging.hidden = state.offset === 0 && !state.more;
  document.getElementById("newer").disabled = state.offset === 0;
  document.getElementById("older").disabled = !state.more;
  document.getElementById("range").textContent =
    state.rows.length ? words.rows(state.offset + 1, state.offset + state.rows.length, state.total) : "";
}

function studyRow(study) {
  const uid = archive.value(study, "0020000D");
  const name = archive.personName(study, "00100010");
  const shown = name.ideographic || name.alphabetic || words.noName;
  const sex = words.sex[archive.value(study, "00100040")];
  const birth = archive.date(archive.value(study, "00100030"));
  const [series, objects] = words.counts(archive.value(study, "00201206") ?? 0, archive.value(study, "00201208") ?? 0);
  const modalities = archive.values(study, "00080061").filter(Boolean);
  const head = element("button", { type: "button", class: "study-head", "aria-expanded": "false" },
    picture(`${archive.root}/studies/${uid}/thumbnail?viewport=128,128`, modalities[0] ?? "—"),
    element("span", { class: "who" },
      element("strong", {}, shown, name.ideographic && name.alphabetic ? element("small", { text: name.alphabetic }) : null),
      element("small", { class: "quiet", text: [archive.value(study, "00100020"), sex, birth && words.born(birth)].filter(Boolean).join(" · ") })),
    element("span", { class: "when" },
      element("span", { text: archive.date(archive.value(study, "00080020")) || words.noDate }),
      element("small", { class: "quiet", text: archive.time(archive.value(study, "00080030")) })),
    element("span", { class: "what" },
      element("span", { class: "badges" }, ...modalities.map((each) => element("span", { class: "badge", "data-modality": each, text: each }))),
      described("description", archive.value(study, "00081030"))),
    element("span", { class: "accession", text: archive.value(study, "00080050") ?? "" }),
    element("span", { class: "content" }, element("span", { text: series }), element("small", { class: "quiet", text: objects })));
  const body = element("div", { class: "study-body", hidden: true });
  const row = element("li", { class: "study" }, head, body);
  const open = async () => {
    const opening = body.hidden;
    body.hidden = !opening;
    row.classList.toggle("open", opening);
    head.setAttribute("aria-expanded", String(opening));
    state.open[opening ? "add" : "delete"](uid);
    if (opening && !body.childElementCount) await drawStudy(uid, shown, body);
  };
  head.addEventListener("click", open);
  if (state.open.has(uid)) open();
  return row;
}

function described(name, text) {
  return element("span", { class: text ? name : `${name} quiet`, text: text ?? words.noDescription });
}

async function drawStudy(study, who, body) {
  body.replaceChildren(element("p", { class: "quiet", text: words.loading }));
  let found;
  try {
    found = await archive.series(study);
  } catch (error) {
    body.replaceChildren(element("p", { class: "quiet", text: error.message }));
    return;
  }
  const stage = element("div", { class: "stage" });
  const strip = element("div", { class: "strip" });
  const cards = found.map((series) => {
    const uid = archive.value(series, "0020000E");
    const modality = archive.value(series, "00080060") ?? "—";
    const title = archive.value(series, "0008103E") ?? words.noDescription;
    const card = element("button", { type: "button", class: "series" },
      picture(`${archive.root}/studies/${study}/series/${uid}/thumbnail?viewport=160,160`, modality),
      element("span", { class: "series-text" },
        described("series-title", archive.value(series, "0008103E")),
        element("small", { class: "quiet", text: [modality, words.seriesNumber(archive.value(series, "00200011") ?? "–")].join(" · ") }),
        element("small", { class: "quiet", text: words.objects(archive.value(series, "00201209") ?? 0) })));
    card.addEventListener("click", () => {
      for (const other of strip.children) other.classList.toggle("chosen", other === card);
      drawStage(stage, study, uid, `${who} · ${title}`);
    });
    return card;
  });
  strip.append(...cards);
  body.replaceChildren(strip, stage);
  (cards[0] ?? stage).click();
}

function drawStage(stage, study, series, title) {
  const url = `${archive.root}/studies/${study}/series/${series}/rendered?viewport=640,640`;
  const open = element("button", { type: "button", class: "slice", title: words.enlarge, "aria-label": words.enlarge },
    picture(url, words.noPicture, { loading: "eager" }));
  open.addEventListener("click", () => enlarge(study, series, title));
  stage.replaceChildren(open, element("p", { class: "quiet", text: title }));
}

// --- one picture, large ---------------------------------------------------------------------------

const dialog = document.getElementById("enlarged");
const large = document.getElementById("enlarged-image");
const slider = document.getElementById("slider");
const shown = { pictures: [], position: 0 };

async function enlarge(study, series, title) {
  document.getElementById("enlarged-title").textContent = title;
  large.removeAttribute("src");
  shown.pictures = [];
  dialog.showModal();
  shown.pictures = await archive.pictures(study, series).catch(() => []);
  if (!shown.pictures.length) return dialog.close();
  slider.max = shown.pictures.length;
  show(Math.floor(shown.pictures.length / 2));
}

function show(position) {
  const last = shown.pictures.length - 1;
  if (last < 0) return;
  shown.position = Math.min(Math.max(position, 0), last);
  large.src = shown.pictures[shown.position];
  slider.value = shown.position + 1;
  document.getElementById("enlarged-position").textContent = words.position(shown.position + 1, last + 1);
  document.getElementById("previous").disabled = shown.position === 0;
  document.getElementById("next").disabled = shown.position === last;
  for (const near of [shown.position + 1, shown.position - 1]) {
    if (shown.pictures[near]) new Image().src = shown.pictures[near];
  }
}

document.getElementById("previous").addEventListener("click", () => show(shown.position - 1));
document.getElementById("next").addEventListener("click", () => show(shown.position + 1));
document.getElementById("close").addEventListener("click", () => dialog.close());
slider.addEventListener("input", () => show(Number(slider.value) - 1));
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("wheel", (event) => { event.preventDefault(); show(shown.position + Math.sign(event.deltaY)); }, { passive: false });
dialog.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, PageUp: -10, PageDown: 10 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  show(shown.position + step);
});

// --- languages ------------------------------------------------------------------------------------

async function drawWords() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = words.title;
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = words[each.dataset.word];
  for (const each of document.querySelectorAll("[data-placeholder]")) each.placeholder = words[each.dataset.placeholder];
  for (const each of document.querySelectorAll("[data-label]")) each.setAttribute("aria-label", words[each.dataset.label]);
  for (const each of document.querySelectorAll("[data-language]")) each.setAttribute("aria-pressed", String(each.dataset.language === language));
  const select = form.elements.ModalitiesInStudy;
  const chosen = select.value;
  select.replaceChildren(new Option(words.anyModality, ""), ...MODALITIES.map((each) => new Option(each, each)));
  select.value = chosen;
  const totals = await archive.totals().catch(() => null);
  document.getElementById("totals").textContent =
    totals ? words.totals(number(totals.studies), number(totals.series), number(totals.instances)) : "";
}

document.querySelector(".languages").addEventListener("click", (event) => {
  const chosen = event.target.dataset?.language;
  if (!chosen || chosen === language) return;
  speak(chosen);
  drawWords();
  drawList();
});

drawWords();
search();
