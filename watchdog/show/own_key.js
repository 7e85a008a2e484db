// A DRI's own key in their browser: made here, not extractable, never sent.
// It signs the same bytes as `watchdog approve`, and posts them to the same door.
(async () => {
  const own = document.getElementById("own");
  if (!own) return;
  const find = (name) => document.getElementById(`own-${name}`);
  const say = (words) => { find("said").textContent = words; };
  const show = (name, shown) => { find(name).hidden = !shown; };
  const text = (words) => new TextEncoder().encode(words);
  const base64 = (raw) => btoa(String.fromCharCode(...new Uint8Array(raw)));
  const hex = (raw) => [...new Uint8Array(raw)]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");

  own.hidden = false;
  if (!isSecureContext || !crypto.subtle || !self.indexedDB) {
    say("A key in this browser needs https; use the command above.");
    return;
  }
  const make = () =>
    crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
  try {
    await make();
  } catch {
    say("This browser cannot sign with Ed25519; use the command above.");
    return;
  }

  const store = (mode, work) => new Promise((done, failed) => {
    const opening = indexedDB.open("watchdog", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("keys");
    opening.onerror = () => failed(opening.error);
    opening.onsuccess = () => {
      const change = opening.result.transaction("keys", mode);
      const asked = work(change.objectStore("keys"));
      change.oncomplete = () => { opening.result.close(); done(asked.result); };
      change.onerror = change.onabort = () => failed(change.error);
    };
  });

  let held;
  const look = async () => {
    held = await store("readonly", (keys) => keys.get("own"));
    show("new", !held);
    show("answer", Boolean(held));
    if (!held) return;
    const raw = await crypto.subtle.exportKey("raw", held.pair.publicKey);
    find("who").textContent = held.name;
    find("line").textContent =
      `  ${held.name}:\n    keys:\n      - whpk_${base64(raw)}`;
  };

  find("make").onclick = async () => {
    const name = find("name").value.trim();
    if (!/^[A-Za-z0-9._+@-]+$/.test(name)) {
      say("Write your name as the roster is to have it, like asha@flexli.example.");
      return;
    }
    const pair = await make();
    await store("readwrite", (keys) => keys.add({ name, pair }, "own"));
    if (navigator.storage?.persist) navigator.storage.persist();
    await look();
    say("The key is in this browser. Its lines must stand in the roster first.");
  };

  const answer = async (decision, more) => {
    const bytes = text(find("document").textContent);
    const digest = `sha256:${hex(await crypto.subtle.digest("SHA-256", bytes))}`;
    if (digest !== own.dataset.digest) {
      say(`The digest is not that of the document (${digest}): nothing is signed.`);
      return;
    }
    const asked = JSON.parse(new TextDecoder().decode(bytes));
    const now = new Date();
    const body = JSON.stringify({
      type: "rollback.approval.decision",
      timestamp: now.toISOString(),
      data: {
        approval_id: asked.approval_id,
        incident_id: asked.incident_id,
        audience: asked.audience,
        action_digest: digest,
        decision,
        approver: held.name,
        reason: find("reason").value,
        ...more,
      },
    });
    const id = `ans_${hex(crypto.getRandomValues(new Uint8Array(12)))}`;
    const stamp = String(Math.floor(now.getTime() / 1000));
    const seal = await crypto.subtle.sign(
      { name: "Ed25519" }, held.pair.privateKey, text(`${id}.${stamp}.${body}`));
    const send = () => fetch(`../v1/approvals/${asked.approval_id}/decision`, {
      method: "POST",
      credentials: "omit",
      redirect: "error",
      headers: {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": stamp,
        "webhook-signature": `v1a,${base64(seal)}`,
      },
      body,
    });
    // Where too many ask at once, or the line broke, the same again for a while: it is
    // taken once.
    const until = Date.now() + 60000;
    let reply, told;
    for (;;) {
      const last = Date.now() > until;
      try {
        reply = await send();
        told = await reply.json();
        if (last || reply.status !== 503 || told.code !== "busy") break;
      } catch (error) {
        if (last) throw error;
      }
      say("Many ask at once, or the line broke; it is being sent again.");
      await new Promise((then) => setTimeout(then, 500));
    }
    if (!reply.ok) {
      say(`Not taken (${reply.status} ${told.code}): ${told.title}`);
      return;
    }
    say(`Recorded: ${told.state}; ${told.votes.have} of ${told.votes.need} agreed.`);
    show("answer", false);
  };
  const press = (name, work) => {
    find(name).onclick = async () => {
      find(name).disabled = true;
      try {
        await work();
      } catch (error) {
        say(`Not known whether it went through (${error.message}): load the page again.`);
      } finally {
        find(name).disabled = false;
      }
    };
  };
  press("approve", () => {
    const target = own.dataset.target;
    if (find("typed").value.trim() !== target) {
      say(`To approve, write ${target} into the field first.`);
      return undefined;
    }
    return answer("approve", {});
  });
  press("deny", () => answer("deny", {}));
  press("fix", () => {
    const minutes = Number(find("minutes").value);
    if (!(minutes > 0)) {
      say("Write in how many minutes the fix should be there.");
      return undefined;
    }
    const eta = new Date(Date.now() + minutes * 60000).toISOString();
    return answer("forward_fix", { eta });
  });
  await look();
})();
