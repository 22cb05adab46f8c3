// Runs in the browser: opens Swagger UI on this server's document.

/** How much of an event stream "Try it out" shows: Swagger UI shows an answer once it is complete, and a stream may never be. */
const streamPreviewMs = 3000;

/** As fetch, but of an event stream only what comes at first. */
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

/** Shows the media type that comes first in the document until another is chosen; Swagger UI would show JSON, whatever is sent. */
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
