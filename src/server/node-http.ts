// An import of node:http reads all its properties. These three load Node's own undici, which takes 3 MB and 15 ms, and no library here
// uses them. main.ts imports this file before any that imports node:http.
const http = process.getBuiltinModule("node:http");
for (const name of ["WebSocket", "CloseEvent", "MessageEvent"]) Reflect.deleteProperty(http, name);
