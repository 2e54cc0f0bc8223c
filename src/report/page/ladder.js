// Shows the message behind an arrow of a ladder in a panel, and walks through the messages of that
// ladder. Without this script the arrows are links to the same messages below the ladder.
(() => {
  "use strict";

  /** The panel that all ladders of the page share, made when it is first needed. */
  let panel = null;

  /** The arrows of the ladder that is open, and which of them is shown. */
  let arrows = [];
  let shown = -1;

  const element = (name, className) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    return made;
  };

  function makePanel() {
    const dialog = element("dialog", "ladder-panel");
    const header = element("header");
    const title = element("h2");
    title.id = "ladder-panel-title";
    const button = (text, act) => {
      const made = element("button");
      made.type = "button";
      made.textContent = text;
      made.addEventListener("click", act);
      return made;
    };
    const previous = button("←", () => step(-1));
    const next = button("→", () => step(1));
    const close = button("✕", () => dialog.close());
    const body = element("div", "ladder-panel-body");
    body.tabIndex = 0;
    dialog.setAttribute("aria-labelledby", title.id);
    header.append(title, previous, next, close);
    dialog.append(header, body);
    dialog.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!way) return;
      event.preventDefault();
      step(way);
    });
    // A click beside the panel lands on the dialog itself.
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    dialog.addEventListener("close", () => {
      const arrow = arrows[shown];
      if (!arrow) return;
      mark(arrow, false);
      arrow.focus();
    });
    document.body.append(dialog);
    return { dialog, title, body, previous, next, close };
  }

  function mark(arrow, isOpen) {
    arrow.classList.toggle("is-open", isOpen);
    if (isOpen) arrow.setAttribute("aria-current", "true");
    else arrow.removeAttribute("aria-current");
  }

  /** The message that an arrow leads to. */
  const message = (arrow) => document.getElementById(arrow.getAttribute("href").slice(1));

  function show(place) {
    const arrow = arrows[place];
    const own = arrow && message(arrow);
    if (!own) return;
    if (arrows[shown]) mark(arrows[shown], false);
    shown = place;
    mark(arrow, true);
    arrow.scrollIntoView({ block: "nearest", inline: "nearest" });
    panel.title.textContent = own.parentElement.querySelector("summary").textContent;
    panel.body.replaceChildren(...[...own.childNodes].map((node) => node.cloneNode(true)));
    panel.body.scrollTop = 0;
    panel.previous.disabled = place === 0;
    panel.next.disabled = place === arrows.length - 1;
  }

  function step(way) {
    const place = shown + way;
    if (arrows[place]) show(place);
  }

  function open(arrow, figure) {
    panel ??= makePanel();
    for (const name of ["previous", "next", "close"]) {
      const label = figure.dataset[name];
      panel[name].setAttribute("aria-label", label);
      panel[name].title = label;
    }
    arrows = [...figure.querySelectorAll("a.arrow")];
    show(arrows.indexOf(arrow));
    if (!panel.dialog.open) panel.dialog.showModal();
    panel.body.focus();
  }

  for (const figure of document.querySelectorAll("figure.ladder")) {
    figure.addEventListener("click", (event) => {
      const arrow = event.target.closest("a.arrow");
      if (!arrow || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      open(arrow, figure);
    });
    figure.addEventListener("keydown", (event) => {
      const arrow = event.target.closest("a.arrow");
      if (!arrow) return;
      if (event.key === " ") {
        event.preventDefault();
        open(arrow, figure);
      }
      const way = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!way) return;
      event.preventDefault();
      const all = [...figure.querySelectorAll("a.arrow")];
      all[all.indexOf(arrow) + way]?.focus();
    });
  }
})();
