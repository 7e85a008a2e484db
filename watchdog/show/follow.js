// Follows the page that it is in: what is marked live is fetched and put in its place.
// The pages stand without it; nothing is asked of anybody but who served the page.
(() => {
  const clocks = () => {
    for (const one of document.querySelectorAll("time[datetime]")) {
      const own = new Date(one.dateTime);
      one.title = `here: ${own.toLocaleString()}`;
      if (!one.dataset.here) {
        one.dataset.here = "1";
        one.append(` (here ${own.toLocaleTimeString()})`);
      }
    }
  };
  const seen = new Map();
  const parts = (page) => page.querySelectorAll("[data-live]");
  for (const one of parts(document)) seen.set(one.id, one.outerHTML);
  clocks();
  if (!seen.size) return;
  const every = 3000;
  const look = async () => {
    try {
      const reply = await fetch("?part=live", { credentials: "omit" });
      if (!reply.ok) return;
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
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
    } finally {
      setTimeout(look, document.hidden ? 5 * every : every);
    }
  };
  setTimeout(look, every);
})();
