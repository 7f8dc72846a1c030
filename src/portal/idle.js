// Warns before the session ends, and leads back after signing in again. An app's page includes it:
//
//   <script src="/.auth/idle.js" defer data-warn="120"></script>
//
// `data-warn` is how many seconds before the end it warns. It never renews the session by itself: it looks with HEAD, and
// only a press of the button is a sign of life.
(() => {
  "use strict";
  // Once for a page, however often it is included. In a frame the outer page says it.
  const RUNS = Symbol.for("portcullis.idle");
  if (window !== window.top || window[RUNS]) return;
  window[RUNS] = true;

  const ADDRESS = "/.auth/me";
  const LONGEST_TIMER = 2 ** 31 - 1;
  // Twice a look can never come in one second, however clocks are rounded.
  const SHORTEST_TIMER = 1000;
  // Where the gateway cannot be reached, it is asked again after this long, each time after twice as long.
  const AGAIN = 30_000;
  const MOST_FAILURES = 5;
  const asked = Number(document.currentScript?.dataset.warn);

  let timer;
  let ticking;
  let box;
  let looking = false;
  let failures = 0;
  // Whether anybody has been signed in on this page: nobody else can be signed out.
  let seen = false;

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
    clearInterval(ticking);
    box?.host.remove();
    box = undefined;
  }

  // `ends` is when, by this page's own watch; what is said of it is brought up to date, but read aloud only once.
  function show(state, [before, after], control, ends) {
    if (box?.state !== state) {
      hide();
      const host = document.createElement("portcullis-idle");
      const root = host.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      const panel = document.createElement("div");
      const said = document.createElement("p");
      const left = document.createElement("span");
      panel.setAttribute("role", "alert");
      left.setAttribute("role", "timer");
      left.setAttribute("aria-live", "off");
      said.append(before, left, after);
      panel.append(said, control());
      root.append(panel);
      box = { state, host, left, link: panel.querySelector("a") };
      ticking = setInterval(tick, 1000);
    }
    box.ends = ends;
    tick();
  }

  function tick() {
    const left = box.ends === undefined ? "" : inWords(box.ends - performance.now());
    if (box.left.textContent !== left) box.left.textContent = left;
    // The fragment belongs to the way back, and a form can be open there: going is the person's choice.
    const here = location.pathname + location.search + location.hash;
    const href = `/.auth/login?return_to=${encodeURIComponent(here)}`;
    if (box.link && box.link.getAttribute("href") !== href) box.link.href = href;
    // Some apps put another body in the place of this one.
    if (!box.host.isConnected) document.body?.append(box.host);
  }

  function inWords(milliseconds) {
    const seconds = Math.round(milliseconds / 1000);
    if (seconds < 1) return "a moment";
    const [count, unit] = seconds < 60 ? [seconds, "second"] : [Math.round(seconds / 60), "minute"];
    return `${count} ${unit}${count === 1 ? "" : "s"}`;
  }

  function stay() {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Stay signed in";
    button.addEventListener("click", () => look("GET"));
    return button;
  }

  function signIn() {
    const link = document.createElement("a");
    link.textContent = "Sign in again";
    return link;
  }

  function lookIn(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(() => look("HEAD"), Math.min(Math.max(milliseconds, SHORTEST_TIMER), LONGEST_TIMER));
  }

  // Whatever keeps it from an answer (the app's own policy, for one) may do so for ever: then only a look at the tab tries.
  function failed() {
    failures += 1;
    if (failures < MOST_FAILURES) lookIn(AGAIN * 2 ** (failures - 1));
  }

  function learn(headers) {
    const [left, most, idle] = ["Expires-In", "Ends-In", "Idle-Timeout"].map(
      (name) => Number(headers.get(`X-Session-${name}`)) * 1000,
    );
    // Signed in by something that is no session: nothing ends here.
    if (!left) return hide();
    seen = true;
    // Not for more than half of what somebody has who is there.
    const warn = Math.min(asked > 0 ? asked * 1000 : 120_000, idle / 2);
    if (left > warn) {
      hide();
      return lookIn(left - warn);
    }
    const ends = performance.now() + left;
    if (Math.min(idle, most) > warn) {
      show("warning", ["Nothing has happened here for a while. You will be signed out in ", "."], stay, ends);
    } else {
      const words = ["Your session ends in ", ", whatever you do. Save your work and sign in again."];
      show("ending", words, signIn, ends);
    }
    // Somebody may be at work in another tab.
    lookIn(Math.min(left, AGAIN));
  }

  async function look(method) {
    // A press of the button waits for nobody.
    if (looking && method === "HEAD") return;
    looking = true;
    clearTimeout(timer);
    try {
      const answer = await fetch(ADDRESS, { method, cache: "no-store", credentials: "same-origin" });
      if (answer.ok) {
        failures = 0;
        learn(answer.headers);
      } else if (answer.status !== 401) {
        failed();
      } else if (seen) {
        show("ended", ["You are signed out. What you have not saved is still on this page.", ""], signIn);
      }
    } catch {
      failed();
    } finally {
      looking = false;
    }
  }

  // Timers stand still while a machine sleeps; another tab may have been used, or have signed in again.
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look("HEAD"));
  look("HEAD");
})();
