// Follows the page that it is in: what is marked live is fetched and put in its place,
// when the server says that something changed, or else every few seconds.
// The pages stand without it; nothing is asked of anybody but who served the page.
(() => {
  const clocks = () => {
    for (const one of document.querySelectorAll("time[datetime]")) {
      const own = new Date(one.dateTime);
      one.title = `here: ${own.toLocaleString()}`;
      if (!one.dataset.here) {
        one.dataset.here = "1";
        const short = { hour: "2-digit", minute: "2-digit" };
        one.append(` (here ${own.toLocaleTimeString([], short)})`);
      }
    }
  };
  const seen = new Map();
  const parts = (page) => page.querySelectorAll("[data-live]");
  for (const one of parts(document)) seen.set(one.id, one.outerHTML);
  clocks();
  if (!seen.size) return;
  // Without a name and a password, which the address may have: a browser refuses those.
  const here = location.origin + location.pathname;
  const look = async (asOf) => {
    try {
      const reply = await fetch(`${here}?part=live&as_of=${asOf}`, {
        credentials: "same-origin",
      });
      if (!reply.ok) return;
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      if (page.title) document.title = page.title;
      for (const fresh of parts(page)) {
        const old = document.getElementById(fresh.id);
        if (!old || seen.get(fresh.id) === fresh.outerHTML) continue;
        if (old.contains(document.activeElement)) continue;
        seen.set(fresh.id, fresh.outerHTML);
        old.replaceWith(document.importNode(fresh, true));
        const own = document.getElementById("own");
        if (own && "closed" in fresh.dataset) own.hidden = true;
      }
      clocks();
    } catch {
      // Away for a moment: the page says as of when it is.
    }
  };
  const ask = (every) => {
    setTimeout(async () => {
      await look(0);
      ask(every);
    }, document.hidden ? 5 * every : every);
  };
  const follow = document.querySelector("main").dataset.follow;
  if (!follow || !window.EventSource) {
    ask(3000);
    return;
  }
  const told = new EventSource(new URL(follow, here));
  let asOf = 0;
  let shown = -1;
  const show = async () => {
    if (document.hidden || shown === asOf) return;
    shown = asOf;
    await look(asOf);
  };
  told.onmessage = (message) => {
    asOf = Number(message.data);
    show();
  };
  document.addEventListener("visibilitychange", show);
  told.onerror = () => {
    // It begins again by itself, but not where it was refused.
    if (told.readyState === EventSource.CLOSED) ask(10000);
  };
})();
