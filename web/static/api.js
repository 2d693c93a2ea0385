// The interactive description of the API. Everything comes from this hub; a token stays in the memory of this page.
"use strict";

const place = document.getElementById("api");

// The colours follow the system's, as on the other pages.
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

// What a GET answers, a HEAD answers without a body: once is enough for people.
function forPeople(description) {
  for (const operations of Object.values(description.paths)) {
    if (operations.get) delete operations.head;
  }
  return description;
}

// Nothing leaves this hub, whatever a description says.
function ownOnly(request) {
  if (new URL(request.url, location.href).origin !== location.origin) {
    throw new Error(`${request.url} is not of this hub`);
  }
  request.credentials = "omit";
  return request;
}

async function show() {
  const answer = await fetch(place.dataset.document, { credentials: "omit" });
  if (!answer.ok) throw new Error(`the description is not here: ${answer.status}`);
  SwaggerUIBundle({
    spec: forPeople(await answer.json()),
    domNode: place,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    persistAuthorization: false,
    queryConfigEnabled: false,
    requestInterceptor: ownOnly,
    tryItOutEnabled: true,
    validatorUrl: null,
  });
}

show().catch((error) => {
  place.textContent = String(error);
});
