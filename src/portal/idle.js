// Warns before the session ends, and leads back after signing in again. An app's page includes it:
//
//   <script src="/.auth/idle.js" defer data-warn="120"></script>
//
// `data-warn` is how many seconds before the end it warns. It never renews the session by itself: it looks with HEAD, and
// only a press of the button is a sign of life.
(() => {
  "use strict";
  const ADDRESS = "/.auth/me";
  const LONGEST_TIMER = 2 ** 31 - 1;
  // Twice a look can never come in one second, however clocks are rounded.
  const SHORTEST_TIMER = 1000;
  // Where the gateway cannot be reached, it is asked again after this long.
  const AGAIN = 30_000;
  const asked = Number(document.currentScript?.dataset.warn);
  const warn = (asked > 0 ? asked : 120) * 1000;

  let timer;
  let box;
  let looking = false;

  // By constructed style sheets and properties alone, which no policy of the app's forbids.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { all: initial; }
    div {
      position: fixed; inset: auto 1rem 1rem auto; z-index: 2147483647; max-width: 22rem; padding: 1rem;
      border: 1px solid #767676; border-radius: 8px; background: #fff; color: #1a1a1a;
      font: 1rem/1.5 system-ui, sans-serif; box-shadow: 0 4px 24px #0004;
    }
    p { margin: 0 0 .75rem; }
    button, a {
      display: inline-block; padding: .5rem 1rem; border: 0; border-radius: 6px; background: #1f4fbf; color: #fff;
      font: inherit; font-weight: 600; text-decoration: none; cursor: pointer;
    }
    :focus-visible { outline: 3px solid #1f4fbf; outline-offset: 2px; }
    @media (max-width: 30rem) { div { inset: auto 0 0 0; max-width: none; border-radius: 8px 8px 0 0; } }
    @media (prefers-color-scheme: dark) {
      div { background: #202124; color: #e8eaed; border-color: #8a8f98; }
      button, a { background: #8ab4f8; color: #10131a; }
      :focus-visible { outline-color: #8ab4f8; }
    }
    @media print { div { display: none; } }
  `);

  function hide() {
    box?.remove();
    box = undefined;
  }

  function show(state, text, control) {
    if (box?.dataset.state === state) return;
    hide();
    box = document.createElement("portcullis-idle");
    box.dataset.state = state;
    const root = box.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    const panel = document.createElement("div");
    const said = document.createElement("p");
    panel.setAttribute("role", "alert");
    said.textContent = text;
    panel.append(said, control);
    root.append(panel);
    document.body.append(box);
  }

  function minutes(milliseconds) {
    const seconds = Math.max(1, Math.round(milliseconds / 1000));
    const [count, unit] = seconds < 60 ? [seconds, "second"] : [Math.round(seconds / 60), "minute"];
    return `${count} ${unit}${count === 1 ? "" : "s"}`;
  }

  function warnOf(left) {
    const stay = document.createElement("button");
    stay.type = "button";
    stay.textContent = "Stay signed in";
    stay.addEventListener("click", () => look("GET"));
    show("warning", `Nothing has happened here for a while. You will be signed out in ${minutes(left)}.`, stay);
  }

  function leadBack() {
    const again = document.createElement("a");
    // The fragment belongs to the way back, and a form can be open there: going is the person's choice.
    const here = location.pathname + location.search + location.hash;
    again.href = `/.auth/login?return_to=${encodeURIComponent(here)}`;
    again.textContent = "Sign in again";
    show("ended", "You are signed out. What you have not saved is still on this page.", again);
  }

  function lookIn(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(() => look("HEAD"), Math.min(Math.max(milliseconds, SHORTEST_TIMER), LONGEST_TIMER));
  }

  async function look(method) {
    // A press of the button waits for nobody.
    if (looking && method === "HEAD") return;
    looking = true;
    try {
      const answer = await fetch(ADDRESS, { method, cache: "no-store", credentials: "same-origin" });
      if (answer.status === 401) {
        clearTimeout(timer);
        return leadBack();
      }
      const end = Number(answer.headers.get("X-Session-Expires-At")) * 1000;
      // Signed in by something that is no session, or not answered by the gateway as it should be.
      if (!answer.ok || !end) return lookIn(AGAIN);
      const left = end - (Date.parse(answer.headers.get("Date")) || Date.now());
      if (left > warn) {
        hide();
        lookIn(left - warn);
      } else {
        warnOf(left);
        lookIn(left);
      }
    } catch {
      lookIn(AGAIN);
    } finally {
      looking = false;
    }
  }

  // Timers stand still while a machine sleeps; another tab may have been used, or have signed in again.
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look("HEAD"));
  look("HEAD");
})();
