// Runs in the browser: opens Swagger UI on this server's document.

/** Time that "Try it out" reads an event stream, ms. Swagger UI shows only complete answers, and a stream may never end. */
const streamPreviewMs = 3000;

/** Fetches an answer, or the beginning of an event stream. */
async function fetchPreview(url, request) {
  const response = await fetch(url, request);
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const timer = setTimeout(() => reader.cancel(), streamPreviewMs);
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
  clearTimeout(timer);
  const { status, statusText, headers } = response;
  return new Response(text, { status, statusText, headers });
}

/** Plugin that selects the first media type in the document. Without it Swagger UI selects JSON, even if the answer is a picture. */
const firstMediaType = {
  statePlugins: {
    spec: {
      wrapSelectors: {
        currentProducesFor: (original, system) => (state, operation) => {
          const chosen = state.getIn(["meta", "paths", ...operation, "produces_value"]);
          const responses = system.specSelectors.specJson().getIn(["paths", ...operation, "responses"]);
          const success = responses?.find((_, status) => status.startsWith("2"));
          return chosen ?? success?.get("content")?.keySeq().first() ?? original(state, operation);
        },
      },
    },
  },
};

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [firstMediaType],
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
  requestInterceptor: (request) => Object.assign(request, { userFetch: fetchPreview }),
});
