/** URL of the server with the path prefix of a reverse proxy, with a final slash. The page is one path segment below it. */
export const baseUrl: string = new URL(".", document.baseURI).href;
