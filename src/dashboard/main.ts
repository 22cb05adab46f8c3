import { h, render } from "htm/preact";
import { followAddress } from "./route.ts";
import { App } from "./shell/app.ts";

followAddress();
const place = document.getElementById("app");
if (place) render(h(App, {}), place);
