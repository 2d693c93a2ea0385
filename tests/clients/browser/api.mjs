// The interactive page of the API: what it shows, what trying an operation gives, what it keeps.
//
// The task names the hub's `url`; `token`, to be entered on the page; `below`, a path under which a proxy offers the hub.

import { createServer, request as forward } from "node:http";

import { visit } from "./browser.mjs";

/** A proxy that offers a hub below a path, and nothing outside of it. */
async function proxyTo(hub, below) {
  const proxy = createServer((asked, answer) => {
    if (!asked.url.startsWith(`${below}/`)) {
      answer.writeHead(404).end();
      return;
    }
    const options = { method: asked.method, headers: asked.headers };
    const onward = forward(hub + asked.url.slice(below.length), options, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    asked.pipe(onward);
  });
  await new Promise((ready) => proxy.listen(0, "127.0.0.1", ready));
  return proxy;
}

/** Opens an operation by its id, sends it as it stands, and reads the answer. */
async function tryOut(page, tag, id) {
  const operation = page.locator(`#operations-${tag}-${id}`);
  await operation.locator(".opblock-summary-control").click();
  await operation.locator("button.execute").click();
  const answer = operation.locator(".live-responses-table");
  const status = await answer.locator("tbody .response-col_status").first().innerText();
  const body = await answer.locator(".highlight-code").first().innerText();
  return { status: status.trim().slice(0, 3), body: body.replace(/^Download\s*|\s*Download$/g, "").trim() };
}

const background = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

await visit(async ({ page, context, task, shoot }) => {
  const proxy = task.below ? await proxyTo(task.url, task.below) : null;
  try {
    const origin = proxy ? `http://127.0.0.1:${proxy.address().port}` : task.url;
    const address = `${origin}${task.below ?? ""}/docs/api`;
    await page.goto(address);
    await page.locator(".opblock").first().waitFor();
    const found = { origin, operations: await page.locator(".opblock").count(), light: await background(page) };
    await shoot("api-light");
    found.list = await tryOut(page, "hub", "getApiPlural");
    await shoot("api-tried");
    if (task.token) {
      await page.locator("button.authorize").first().click();
      await page.locator(".auth-container input").fill(task.token);
      await page.locator(".auth-container button.authorize").click();
      await page.locator(".auth-container .btn-done").click();
      found.known = await tryOut(page, "hub", "getApiWhoamiV2");
      await page.reload();
      await page.locator(".opblock").first().waitFor();
      found.forgotten = (await page.locator("button.authorize").first().getAttribute("class")).includes("unlocked");
      found.stored = await page.evaluate(() => localStorage.length + sessionStorage.length);
      found.cookies = (await context.cookies()).length;
    }
    await page.emulateMedia({ colorScheme: "dark" });
    await page.locator("html.dark-mode").waitFor();
    found.dark = await background(page);
    await shoot("api-dark");
    return found;
  } finally {
    proxy?.closeAllConnections();
    proxy?.close();
  }
});
